//! What is pushed over TLS.

use super::{FAR_HOST, push, push_config, serve_far};
use crate::relay::{over, watch};
use crate::tls::{authorities, listen_tls, pinned};
use crate::world::World;
use riverrun::client::TransportPolicy;
use riverrun::net::tls::TlsTrust;
use riverrun::relay::PushConfig;

fn url() -> String {
    format!("rtsps://{FAR_HOST}/door")
}

fn trusting(transport: TransportPolicy, trust: TlsTrust) -> PushConfig {
    let mut config = push_config(transport);
    config.client.tls_trust = trust;
    config
}

#[test]
fn a_live_stream_is_pushed_over_tls_and_watched_there() {
    for (seed, transport) in [(91, TransportPolicy::Tcp), (92, TransportPolicy::Auto)] {
        let mut world = World::new(seed);
        let device = world.serve();
        let far = serve_far(&mut world);
        listen_tls(&mut world, far, FAR_HOST, "server");
        world.set_profile(|profile| profile.partial = 0.3);
        let config = trusting(transport, pinned());
        let (pusher, events) = push(&mut world, device, "live", &url(), config);
        world.run_secs(3.0);
        let told: Vec<String> = events.try_iter().collect();
        // UDP without SRTP is refused over TLS.
        assert!(told.iter().any(|t| t == "pushing 1 track over TCP"), "{told:?}");
        let mut viewer = watch(&mut world, "door", over(TransportPolicy::Tcp));
        world.run_secs(10.0);
        let frames = viewer.new_frames();
        assert!(frames.len() > 400, "{} {:?}", frames.len(), viewer.told);
        for pair in frames.windows(2) {
            assert_eq!(pair[1].number(), pair[0].number() + 1);
        }
        // The server is cut off and comes back: another handshake, and the stream goes on.
        world.network().reset_connections(FAR_HOST.parse().unwrap());
        world.run_secs(10.0);
        let told: Vec<String> = events.try_iter().collect();
        assert!(told.iter().any(|t| t.contains("the server is lost")), "{told:?}");
        assert!(told.iter().any(|t| t.contains("over TCP, back after")), "{told:?}");
        world.env.close(pusher);
        world.run_secs(1.0);
        let far = world.env.medium(far).unwrap();
        let stream = far.relayed_stream_by_name("door").expect("it is kept");
        assert_eq!(far.publisher_of(stream), None, "TEARDOWN has come through");
    }
}

#[test]
fn nothing_is_pushed_to_a_server_that_is_not_trusted() {
    // Of another authority than is trusted; for another name; no certificate that is known.
    for (certificate, trust) in [
        ("other", authorities("ca.pem")),
        ("other", authorities("other.pem")),
        ("other", pinned()),
        ("server", TlsTrust::default()),
    ] {
        let mut world = World::new(93);
        let device = world.serve();
        let far = serve_far(&mut world);
        listen_tls(&mut world, far, FAR_HOST, certificate);
        let config = trusting(TransportPolicy::Tcp, trust);
        let (_, events) = push(&mut world, device, "live", &url(), config);
        world.run_secs(5.0);
        let told: Vec<String> = events.try_iter().collect();
        assert!(told.iter().any(|t| t.contains("cannot push")), "{told:?}");
        assert!(!told.iter().any(|t| t.contains("pushing")), "{told:?}");
        let far = world.env.medium(far).unwrap();
        assert!(far.relayed_stream_by_name("door").is_none());
    }
}
