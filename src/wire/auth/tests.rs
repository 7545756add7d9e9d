use super::*;
use crate::wire::testing::Random;

fn digest_challenge(value: &str) -> DigestChallenge {
    match Challenge::parse_list(value).next() {
        Some(Challenge::Digest(challenge)) => challenge,
        other => panic!("{value}: {other:?}"),
    }
}

fn digest_credentials(value: &str) -> DigestCredentials {
    match Credentials::parse(value) {
        Ok(Credentials::Digest(credentials)) => credentials,
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn the_examples_of_rfc_7616() {
    let header = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", \
        Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    let user = UserCredentials::new("Mufasa", "Circle of Life");
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let responses: Vec<_> = Challenge::parse_list(header)
        .map(|challenge| {
            let Challenge::Digest(challenge) = challenge else { panic!("{challenge:?}") };
            assert_eq!(challenge.realm, "http-auth@example.org");
            challenge.answer(&user, "GET", "/dir/index.html", (cnonce, 1)).response
        })
        .collect();
    assert_eq!(
        responses,
        [
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            "8ca523f5e9506fed4657c9700eebdbec",
        ]
    );
}

#[test]
fn the_example_of_rfc_2617() {
    let credentials = digest_credentials(
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, \
         nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    );
    assert!(credentials.is_proven_by(&UserCredentials::new("Mufasa", "Circle Of Life"), "GET"));
    for (user, password, method) in [
        ("Mufasa", "Circle of Life", "GET"),
        ("mufasa", "Circle Of Life", "GET"),
        ("Mufasa", "Circle Of Life", "PUT"),
    ] {
        assert!(!credentials.is_proven_by(&UserCredentials::new(user, password), method));
    }
}

/// With the response of the RFC's erratum 749.
#[test]
fn the_example_of_rfc_2069() {
    let challenge = digest_challenge(
        "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    );
    let user = UserCredentials::new("Mufasa", "CircleOfLife");
    let answer = challenge.answer(&user, "GET", "/dir/index.html", ("0a4f113b", 1));
    assert_eq!(
        answer.to_string(),
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", \
         response=\"1949323746fe6a43ef61f9606e7febea\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        "no algorithm, as there was none in the challenge"
    );
}

#[test]
fn session_algorithms_bind_the_password_to_both_nonces() {
    let user = UserCredentials::new("admin", "pa:ss\"w\\rd");
    for (algorithm, response) in
        [(DigestAlgorithm::Md5Sess, MD5_SESS), (DigestAlgorithm::Sha256Sess, SHA_256_SESS)]
    {
        let challenge = DigestChallenge::new("IP Camera(C1)", "0f2e", algorithm);
        let uri = "rtsp://10.0.0.9:554/live/track1";
        let answer = challenge.answer(&user, "SETUP", uri, ("abc", 42));
        assert_eq!(answer.response, response);
        let read = digest_credentials(&answer.to_string());
        assert_eq!(read, answer);
        assert!(read.is_proven_by(&user, "SETUP"));
        let hash = algorithm.hash_user("admin", "IP Camera(C1)", user.password());
        assert!(read.is_proven_by_hash(&hash, "SETUP"));
    }
}

/// Computed with Python's hashlib.
const MD5_SESS: &str = "f0b34a823971d0c4f7a856405d6791c3";
const SHA_256_SESS: &str = "9f6268c26f211d611d2fc4331a858e369c7e53008c4962dc616324967a8e0021";

#[test]
fn the_examples_of_rfc_7617() {
    let basic = |value| match Credentials::parse(value) {
        Ok(Credentials::Basic(user)) => user,
        other => panic!("{value}: {other:?}"),
    };
    let aladdin = UserCredentials::new("Aladdin", "open sesame");
    assert_eq!(aladdin.to_basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), aladdin);
    assert_eq!(basic("basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ"), aladdin, "padding may be missing");
    assert_eq!(basic("Basic dGVzdDoxMjPCow=="), UserCredentials::new("test", "123£"));
    assert_eq!(basic("Basic Og=="), UserCredentials::new("", ""));
    let with_colon = UserCredentials::new("a", "b:c:");
    assert_eq!(basic(&with_colon.to_basic()), with_colon);
}

#[test]
fn challenges_as_cameras_write_them() {
    let full = digest_challenge(
        "Digest realm=\"IP Camera(12345)\", nonce=\"8b5f:1\", stale=\"FALSE\", qop=\"auth\", \
         algorithm=\"MD5\"",
    );
    assert_eq!(full.algorithm, Some(DigestAlgorithm::Md5));
    assert!(full.has_qop && !full.is_stale);
    let terse = digest_challenge("digest REALM=x,nonce = 17 ,Stale=true,");
    assert_eq!((&*terse.realm, &*terse.nonce), ("x", "17"));
    assert!(!terse.has_qop && terse.is_stale);
    let odd = digest_challenge(r#"Digest realm="a \"b\", c\\", nonce="", qop="""#);
    assert_eq!((&*odd.realm, &*odd.nonce), (r#"a "b", c\"#, ""));
    assert!(!odd.has_qop, "an empty list offers nothing");
    let unclosed = digest_challenge("Digest nonce=\"1\", realm=\"a, b");
    assert_eq!(unclosed.realm, "a, b");
}

#[test]
fn one_header_field_may_hold_several_challenges() {
    let header = "Negotiate, Basic realm=\"a, b\", Digest realm=\"c\", nonce=\"1\", \
        algorithm=SHA-512-256, NTLM TlRMTVNTUAA=, Digest realm=\"c\", nonce=\"2\", qop=auth-int, \
        Digest realm=\"c\", Basic, Digest realm=\"d\", nonce=\"3\", charset=UTF-8";
    let challenges: Vec<_> = Challenge::parse_list(header).collect();
    let unsupported = |what: &str| Challenge::Unsupported(what.to_owned());
    let basic = |realm: &str| Challenge::Basic { realm: realm.to_owned() };
    assert_eq!(
        challenges[..7],
        [
            unsupported("Negotiate"),
            basic("a, b"),
            unsupported("Digest with SHA-512-256"),
            unsupported("NTLM"),
            unsupported("Digest with qop=auth-int"),
            unsupported("Digest without a nonce"),
            basic(""),
        ]
    );
    assert!(matches!(&challenges[7..], [Challenge::Digest(d)] if d.realm == "d" && d.nonce == "3"));
    assert_eq!(Challenge::parse_list(", ,").count(), 0);
    assert_eq!(Challenge::parse_list("realm=\"x\"").count(), 0);
}

#[test]
fn what_is_written_is_read() {
    for mut challenge in [
        DigestChallenge::new("a \"b\" \\", "n", DigestAlgorithm::Sha256),
        digest_challenge("Digest realm=\"\", nonce=\"x\""),
    ] {
        for (opaque, is_stale) in [(None, false), (Some("o=,\""), true)] {
            challenge.opaque = opaque.map(str::to_owned);
            challenge.is_stale = is_stale;
            assert_eq!(digest_challenge(&challenge.to_string()), challenge);
        }
    }
    let basic = Challenge::Basic { realm: "c:\\".to_owned() };
    assert_eq!(Challenge::parse_list(&basic.to_string()).collect::<Vec<_>>(), [basic]);
    let challenge = DigestChallenge::new("r\r\nX: y", "n", DigestAlgorithm::Md5);
    assert!(challenge.to_string().starts_with("Digest realm=\"r  X: y\""), "no line is ended");
}

#[test]
fn credentials_that_lack_something_are_errors() {
    let whole = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"*\", response=\"00\", \
        qop=auth, nc=00000001, cnonce=\"c\"";
    assert!(Credentials::parse(whole).is_ok());
    for needed in ["username=", "realm=", "nonce=", "uri=", "response=", "nc=", "cnonce="] {
        let without = whole.replace(&format!(" {needed}"), " x=");
        assert!(Credentials::parse(&without).is_err(), "{without}");
    }
    for bad in [
        "",
        "Basic",
        "Basic ****",
        "Basic QQ==",
        "Bearer abc",
        &whole.replace("00000001", "1x"),
        &whole.replace("qop=auth", "qop=auth-int"),
        &format!("{whole}, algorithm=MD4"),
    ] {
        assert!(Credentials::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let user = UserCredentials::new("admin", "hunter2");
    let digest = DigestChallenge::new("r", "n", DigestAlgorithm::Md5);
    let digest = digest.answer(&user, "PLAY", "*", ("c", 1));
    for text in [
        format!("{user:?}"),
        format!("{:?}", Credentials::Basic(user.clone())),
        format!("{digest:?}"),
    ] {
        assert!(text.contains("admin"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains(&digest.response), "{text}");
    }
}

#[test]
fn mutations_never_panic() {
    let seed =
        b"Digest username=\"u\", realm=\"a\\\"b\", nonce=\"8f\", uri=\"*\", response=\"0\", \
        qop=auth, nc=00000001, cnonce=\"c\", Basic QWxhZA==, x y=z";
    let mut random = Random::new(2617);
    for _ in 0..5000 {
        let mut text = seed.to_vec();
        random.mutate(&mut text);
        crate::fuzzing::wire::auth(&text);
    }
}
