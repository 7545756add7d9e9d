//! Players that have to say who they are.

use crate::control::{Case, case, over};
use riverrun::client::requests::PlayParameters;
use riverrun::client::{AuthSchemes, PlayerConfig, TransportPolicy};
use riverrun::wire::auth::{Challenge, Credentials, UserCredentials};
use riverrun::wire::rtsp::{Method, Request};

fn user() -> UserCredentials {
    UserCredentials::new("admin", "s3cret")
}

fn known(transport: TransportPolicy) -> PlayerConfig {
    let mut config = over(transport);
    config.client.credentials = Some(user());
    config
}

/// Whether a request proves its user, for one of the challenges.
fn is_proven(request: &Request<'_>, challenges: &[String]) -> bool {
    let given = request.headers.value("Authorization").map(Credentials::parse);
    let Some(Ok(Credentials::Digest(digest))) = given else { return false };
    let challenges = challenges.iter().flat_map(|challenge| Challenge::parse_list(challenge));
    let mut nonces = challenges.filter_map(|challenge| match challenge {
        Challenge::Digest(challenge) => Some(challenge.nonce),
        _ => None,
    });
    digest.uri == request.url.as_str()
        && nonces.any(|nonce| nonce == digest.nonce)
        && digest.is_proven_by(&user(), request.method.as_str())
}

/// A player of a camera that asks who it is, and counts the requests that were let in:
/// `challenges` are those after so many.
fn guarded(config: PlayerConfig, challenges: impl Fn(u32) -> Vec<String> + 'static) -> Case {
    let mut admitted = 0;
    case(config, move |request, reply| {
        let challenges = challenges(admitted);
        if is_proven(request, &challenges) {
            admitted += 1;
            return;
        }
        reply.refuse("401 Unauthorized");
        for challenge in challenges {
            reply.headers.push(("WWW-Authenticate".to_owned(), challenge));
        }
    })
}

#[test]
fn a_nonce_may_change_in_mid_session() {
    for stale in [", stale=true", ""] {
        for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
            let mut case = guarded(known(transport), move |admitted| {
                // Another for every second request.
                let nonce = admitted / 2;
                vec![format!("Digest realm=\"x\", nonce=\"n{nonce}\", qop=\"auth\"{stale}")]
            });
            case.waits_for_playing();
            case.world.run_secs(100.0);
            case.with(|player, env| player.pause(env));
            case.world.run_secs(60.0);
            case.with(|player, env| player.play(env, &PlayParameters::default())).unwrap();
            case.waits_for_playing();
            case.world.run_secs(1.0);
            assert_eq!(case.world.told().len(), 5, "{:?}", case.world.told());
            let answered = case.values("GET_PARAMETER", "Authorization");
            assert!(answered.len() > 3, "some of them twice: {}", answered.len());
        }
    }
}

#[test]
fn the_algorithms_can_be_restricted() {
    let both = |_| {
        let of = |algorithm| format!("Digest realm=\"x\", nonce=\"1\", algorithm={algorithm}");
        vec![of("SHA-256"), of("MD5")]
    };
    let mut schemes = AuthSchemes::default();
    for (allows_sha256, name) in [(true, "SHA-256"), (false, "MD5")] {
        schemes.digest_sha256 = allows_sha256;
        let mut config = known(TransportPolicy::Tcp);
        config.client.auth_schemes = schemes;
        let mut case = guarded(config, both);
        case.waits_for_playing();
        for value in case.values("PLAY", "Authorization") {
            assert!(value.unwrap().contains(&format!("algorithm={name}")));
        }
    }
}

#[test]
fn no_algorithm_is_named_where_the_challenge_has_none() {
    let plain = |_| vec!["Digest realm=\"x\", nonce=\"1\"".to_owned()];
    let mut case = guarded(known(TransportPolicy::Tcp), plain);
    case.waits_for_playing();
    for method in [Method::Describe, Method::Setup, Method::Play] {
        let values = case.values(method.as_str(), "Authorization");
        for value in values.into_iter().flatten() {
            assert!(!value.contains("algorithm") && !value.contains("qop"), "{value}");
        }
    }
}
