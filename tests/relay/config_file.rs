//! The configuration: its sample file, and what is wrong in one.

use crate::config::{Config, Faults, Listener, PullWhen, Stream};
use crate::rights;
use riverrun::client::TransportPolicy;
use riverrun::server::SecondPublisher;
use riverrun::server::access::{Action, UserTable};
use std::path::Path;
use std::time::Duration;

pub(crate) const SAMPLE: &str = include_str!("../../examples/relay/relay.toml");

pub(crate) fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("/etc")).unwrap_or_else(|e| panic!("{e}"))
}

fn faults(text: &str) -> Vec<(usize, String)> {
    let Err(Faults(faults)) = Config::parse(text, Path::new("/etc")) else {
        panic!("nothing is wrong with {text}")
    };
    faults.into_iter().map(|fault| (fault.line, fault.what)).collect()
}

/// The sample with each default in force: `#key = value`, where a comment has a space.
fn sample_in_force() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => rest.to_owned(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_says_nothing_but_defaults() {
    assert_eq!(parse(SAMPLE), Config::default());
    assert_eq!(parse(""), Config::default());
    let stated = parse(&sample_in_force());
    assert_eq!(stated, parse("[stream.front]"));
    assert_eq!(stated.streams["front"], Stream::default());
    assert_eq!(Config { streams: Config::default().streams, ..stated }, Config::default());
}

#[test]
fn the_defaults_of_what_is_absent_stand_in_the_sample() {
    // Sections that are there only when their first key is.
    let sample = sample_in_force();
    let pulled = sample.replace("pull.url = \"\"", "pull.url = \"rtsp://a/b\"");
    assert_eq!(parse(&pulled), parse("[stream.front]\npull.url = \"rtsp://a/b\""));
    let recorded = sample.replace("record.folder = \"\"", "record.folder = \"r\"");
    assert_eq!(parse(&recorded), parse("[stream.front]\nrecord.folder = \"r\""));
    let pushed = sample.replace("push.to = \"\"", "push.to = \"rtsp://a/b\"");
    assert_eq!(parse(&pushed), parse("[stream.front]\npush.to = [\"rtsp://a/b\"]"));
    assert!(pulled != sample && recorded != sample && pushed != sample);
}

#[test]
fn each_key_stands_in_the_sample_with_a_comment() {
    let sample = sample_in_force();
    let (_, keys) = Config::parse_asking(&sample, Path::new("")).unwrap();
    assert!(keys.len() > 20, "{keys:?}");
    let mut section = String::new();
    let mut found = std::collections::BTreeSet::new();
    let mut is_commented = false;
    for line in SAMPLE.lines() {
        if let Some(text) = line.strip_prefix('#') {
            if text.starts_with(' ') {
                is_commented = true;
                continue;
            }
            if let Some(name) = text.strip_prefix('[') {
                section = name.trim_matches(['[', ']']).replace("stream.front", "stream.NAME");
                section.push('.');
            } else if let Some((key, _)) = text.split_once(" = ") {
                assert!(is_commented, "{line}: no comment stands above it");
                found.insert(format!("{section}{key}"));
            }
        } else {
            assert!(line.is_empty(), "{line}: the sample has nothing but comments");
            is_commented = false;
        }
    }
    assert_eq!(keys, found);
}

#[test]
fn a_whole_configuration() {
    let config = parse(
        r#"
[[listen]]
address = "*:554"
[[listen]]
address = "[::1]:8554"
[access]
users = "users"
[limits]
buffered = "1 MiB"
session_timeout = "2 min"
[publishers]
takeover = true
[unlisted]
published_by = []
[stream."cam/1"]
pull.url = "rtsp://ann:secret@10.0.0.7/main"
pull.when = "always"
pull.transport = "tcp"
pull.kept_for = 0
[stream."cam/1".record]
folder = "records"
keep_time = "7 d"
keep_size = "20 GB"
[stream.stage]
published_by = ["ann"]
published_from = ["10.0.0.0/8"]
takeover = "no"
push.to = ["rtsp://ann:secret@far.example/stage", "rtsph://near.example:8080/stage"]
push.transport = "auto"
"#,
    );
    let listener = |addresses: &[&str]| Listener {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        tls: None,
    };
    assert_eq!(
        config.listeners,
        [listener(&["0.0.0.0:554", "[::]:554"]), listener(&["[::1]:8554"])]
    );
    assert_eq!(config.access.users.as_deref(), Some(Path::new("/etc/users")));
    let server = config.server_config();
    assert_eq!((server.max_buffered, server.pool.timeout), (1 << 20, Duration::from_secs(120)));
    assert_eq!(server.publish.second, SecondPublisher::TakeOver);
    let others = [("stage".to_owned(), SecondPublisher::Refuse)];
    assert_eq!(server.publish.second_of, others.into());
    let camera = &config.streams["cam/1"];
    let pull = camera.pull.as_ref().unwrap();
    assert_eq!((pull.when, pull.transport), (PullWhen::Always, TransportPolicy::Tcp));
    assert_eq!(pull.kept_for, Duration::ZERO);
    let record = camera.record.as_ref().unwrap();
    assert_eq!(record.folder, Path::new("/etc/records"));
    assert_eq!(record.keep_time, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(record.keep_size, Some(20_000_000_000));
    let stage = &config.streams["stage"];
    assert!(stage.pull.is_none() && stage.record.is_none());
    let push = stage.push.as_ref().unwrap();
    assert_eq!((push.to.len(), push.transport), (2, TransportPolicy::Auto));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line, what) in [
        ("listen = 1", 1, "listen: each is a section"),
        ("listen = [1]", 1, "listen: each is a section"),
        ("\n[limits]\nsessons = 5", 3, "limits.sessons: unknown key"),
        ("[limits]\nsessions = -5", 2, "limits.sessions: is a whole number"),
        ("[limits]\nsessions = 5.5", 2, "limits.sessions: is a whole number"),
        ("[limits]\nsessions = 99999999999999999999", 2, "limits.sessions: is a whole number"),
        ("[limits]\nsession_timeout = 0", 2, "limits.session_timeout: is not 0"),
        ("[limits]\nsession_timeout = \"5 years\"", 2, "a unit: s, min, h, d, w"),
        ("[limits]\nbuffered = \"99999999 TB\"", 2, "limits.buffered: is too large"),
        ("limits = 5", 1, "limits: is a section, [limits]"),
        ("limit = {}", 1, "limit: unknown key"),
        ("[[listen]]\naddress = \"here\"", 2, "listen.address: \"here\" is not an address"),
        ("[[listen]]\naddress = \"*:99999\"", 2, "listen.address"),
        ("[[listen]]\ncertificates = \"c\"", 1, "TLS wants both"),
        (
            "[access]\nusers = \"u\"\nentries = [\n  \"realm a\",\n]",
            4,
            "entries have to be in their file",
        ),
        ("[access]\nentries = [5]", 2, "access.entries: is an array of texts"),
        ("[unlisted]\npublished_from = [\"10.0.0.1/8\"]", 2, "\"10.0.0.1/8\": an address range"),
        ("[publishers]\ntakeover = 1", 2, "publishers.takeover: is true or false"),
        ("[unlisted]\npull.url = \"\"", 2, "unlisted.pull: unknown key"),
        ("[unlisted]\ntakeover = \"yes\"", 2, "unlisted.takeover: unknown key"),
        ("[stream.a]\ntakeover = true", 2, "stream.a.takeover: is one of \"as publishers\""),
        ("stream.a = 5", 1, "stream.a: is a section of its own"),
        ("[stream.\"a//b\"]", 1, "no empty part"),
        ("[stream.\"a*\"]", 1, "no asterisk"),
        ("[stream.\"../a\"]", 1, "the name of a stream"),
        ("[stream.a]\npush = [\"rtsp://b/c\"]", 2, "stream.a.push: is a section"),
        ("[stream.a]\npush.to = \"http://b/c\"", 2, "stream.a.push.to: is not the URL"),
        ("[stream.a]\npush.to = [\"rtsp://b/c\", \"rtsp://b\"]", 2, "names no stream"),
        ("[stream.a]\npush.to = 5", 2, "stream.a.push.to: is an array of texts"),
        ("[stream.a]\npush.transport = \"multicast\"", 2, "is one of \"tcp\", \"udp\""),
        ("[stream.a]\npush.ca = \"c\"\npush.fingerprint = \"f\"", 3, "stream.a.push.fingerprint: "),
        ("[stream.a]\npull.ca = \"c\"\npull.fingerprint = \"f\"", 3, "stream.a.pull.fingerprint: "),
        ("[srtp]\nmode = \"on\"", 2, "srtp.mode: is one of \"off\", \"offer\", \"require\""),
        ("[srtp]\nsuite = \"NULL\"", 2, "srtp.suite: is one of \"AES_CM_128_HMAC_SHA1_80\""),
        ("[srtp]\nmki = 17", 2, "srtp.mki: is no more than 16"),
        ("[publishers]\nsrtp = true", 2, "publishers.srtp: unknown key"),
        ("[stream.a]\npull.url = \"http://b/c\"", 2, "stream.a.pull.url: is not the URL"),
        ("[stream.a]\npull.when = \"later\"", 2, "is one of \"demand\", \"always\""),
        ("[stream.a]\npull.http_tunnel_port = 70000", 2, "is the number of a port"),
        ("[stream.a]\nrecord.segment_time = 0", 2, "stream.a.record.segment_time: is not 0"),
        ("[stream.a]\nrecord.keep = 0", 2, "stream.a.record.keep: unknown key"),
        ("[stream.a]\n\n[stream.a]", 3, "duplicate key"),
        ("[limits]\nsessions = 5\nsessions = 6", 3, "duplicate key"),
        ("[limits\nsessions = 5", 1, ""),
    ] {
        let faults = faults(text);
        assert_eq!(faults[0].0, line, "{text}: {faults:?}");
        assert!(faults[0].1.contains(what), "{text}: {faults:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_in_the_order_of_lines() {
    let faults =
        faults("[stream.a]\nx = 1\n[limits]\nsessions = \"many\"\ny = 2\n[[listen]]\nz = 3");
    let lines: Vec<_> = faults.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 4, 5, 7]);
}

#[test]
#[cfg(not(feature = "tls"))]
fn tls_has_to_be_built_in() {
    let faults = faults("[[listen]]\naddress = \"*:8322\"\ncertificates = \"c\"\nkey = \"k\"");
    assert!(faults[0].0 == 3 && faults[0].1.contains("without TLS"), "{faults:?}");
}

#[test]
#[cfg(not(feature = "srtp"))]
fn srtp_has_to_be_built_in() {
    assert_eq!(parse("[srtp]\nmode = \"off\""), Config::default());
    let faults = faults("[srtp]\nmki = 4\nmode = \"offer\"");
    assert!(faults[0].0 == 3 && faults[0].1.contains("without SRTP"), "{faults:?}");
}

#[test]
#[cfg(feature = "srtp")]
fn srtp_is_as_the_file_says() {
    assert!(parse("[srtp]\nmki = 4").server_config().srtp.is_none());
    let text = "[srtp]\nmode = \"require\"\nsuite = \"AEAD_AES_256_GCM\"\nmki = 4";
    let srtp = parse(text).server_config().srtp.unwrap();
    let suite = riverrun::rtp::srtp::CryptoSuite::AeadAes256Gcm;
    assert_eq!((srtp.required, srtp.suite, srtp.mki_len), (true, suite, 4));
    assert!(!srtp.allow_plain_connections);
    let all = riverrun::rtp::srtp::CryptoSuite::ALL.map(|suite| suite.as_str());
    assert_eq!(crate::config::srtp::SUITES, all);
    assert_eq!(Config::default().srtp.suite, riverrun::rtp::srtp::CryptoSuite::default().as_str());
}

#[test]
#[cfg(feature = "tls")]
fn servers_of_rtsps_urls_are_trusted_as_the_file_says() {
    use riverrun::client::RtspClientConfig;
    use riverrun::net::tls::TlsTrust;
    let sum = "0a".repeat(32);
    for (section, url) in [("pull", "pull.url"), ("push", "push.to")] {
        let text = |trust: &str| {
            format!("[stream.a]\n{url} = \"rtsps://far.example/a\"\n{section}.{trust}")
        };
        let trust_of = |config: &Config| {
            let stream = &config.streams["a"];
            let pull = stream.pull.as_ref().map(|pull| pull.trust.clone());
            pull.or_else(|| stream.push.as_ref().map(|push| push.trust.clone())).unwrap()
        };
        let client_of = |text: &str| {
            let mut client = RtspClientConfig::default();
            trust_of(&parse(text)).configure(&mut client).unwrap();
            client.tls_trust
        };
        let ca = client_of(&text("ca = \"roots.pem\""));
        assert!(
            matches!(&ca, TlsTrust::AuthorityFile(path) if path == Path::new("/etc/roots.pem"))
        );
        let pinned = client_of(&text(&format!("fingerprint = \"{sum}\"")));
        assert!(matches!(pinned, TlsTrust::Fingerprint(sum) if sum == [10; 32]));
        assert!(matches!(client_of(&text("transport = \"tcp\"")), TlsTrust::SystemRoots));
        let faults = faults(&text("fingerprint = \"0a\""));
        assert!(faults[0].0 == 3 && faults[0].1.contains("64 hexadecimal digits"), "{faults:?}");
    }
}

#[test]
#[cfg(feature = "tls")]
fn tls_has_certificates_and_a_key() {
    let config = parse("[[listen]]\naddress = \"*:8322\"\ncertificates = \"c\"\nkey = \"/k\"");
    assert_eq!(config.listeners[0].tls, Some(("/etc/c".into(), "/k".into())));
}

// Rights

fn may(table: &UserTable, user: Option<&str>, action: Action, stream: &str, from: &str) -> bool {
    table.permits(user, action, stream, from.parse().unwrap())
}

#[test]
fn by_default_this_host_publishes_and_everybody_watches() {
    let config = parse("[stream.camera]\npull.url = \"rtsp://10.0.0.7/\"\n[stream.stage]");
    let table = rights::table(&config, UserTable::new()).unwrap();
    for (stream, from, publishes) in [
        ("anything", "127.0.0.1", true),
        ("anything", "::1", true),
        ("anything", "10.0.0.1", false),
        ("stage", "127.0.0.1", true),
        ("stage", "10.0.0.1", false),
        ("camera", "127.0.0.1", false),
    ] {
        let may_publish = may(&table, None, Action::Publish, stream, from);
        assert_eq!(may_publish, publishes, "{stream} {from}");
        assert!(may(&table, None, Action::Play, stream, from));
        assert_eq!(may(&table, None, Action::Talk, stream, from), from != "10.0.0.1");
    }
}

#[test]
fn users_watch_and_those_who_are_named_publish() {
    let hash = "0a".repeat(32);
    let text = format!(
        "[access]\nentries = [\n\"user ann sha-256={hash}\",\n\"user bob sha-256={hash}\"]\n\
         [unlisted]\npublished_by = []\n\
         [stream.stage]\npublished_by = [\"ann\"]\npublished_from = [\"10.0.0.0/8\"]\n\
         [stream.hall]\npublished_by = [\"users\"]\npublished_from = []"
    );
    let config = parse(&text);
    let users = rights::inline_users(&config.access).unwrap();
    let table = rights::table(&config, users).unwrap();
    for (user, stream, from, watches, publishes) in [
        (Some("ann"), "stage", "10.0.0.1", true, true),
        (Some("ann"), "stage", "11.0.0.1", true, false),
        (Some("bob"), "stage", "10.0.0.1", true, false),
        (Some("bob"), "hall", "11.0.0.1", true, true),
        (Some("ann"), "other", "127.0.0.1", true, false),
        (None, "hall", "127.0.0.1", false, false),
    ] {
        assert_eq!(may(&table, user, Action::Play, stream, from), watches, "{user:?} {stream}");
        assert_eq!(may(&table, user, Action::Talk, stream, from), watches, "{user:?} {stream}");
        assert_eq!(
            may(&table, user, Action::Publish, stream, from),
            publishes,
            "{user:?} {stream}"
        );
    }
}

#[test]
fn the_rules_of_the_users_come_first() {
    let text = "[access]\nentries = [\"deny anyone publish a\", \"allow anyone * lobby\"]\n\
                [stream.a]\n[stream.lobby]\npublished_by = []";
    let config = parse(text);
    let table = rights::table(&config, rights::inline_users(&config.access).unwrap()).unwrap();
    assert!(!may(&table, None, Action::Publish, "a", "127.0.0.1"));
    assert!(may(&table, None, Action::Publish, "lobby", "10.0.0.1"));
    assert!(!may(&table, None, Action::Play, "a", "127.0.0.1"), "no rule permits it");
}

#[test]
fn wrong_users_are_told_with_their_lines() {
    let told = |text: &str| {
        let Faults(faults) = rights::inline_users(&parse(text).access).unwrap_err();
        (faults[0].line, faults[0].what.clone())
    };
    let (line, what) = told("[access]\nentries = [\n  \"realm a\",\n  \"realm b\",\n]");
    assert!(line == 4 && what.contains("second realm"), "{line}: {what}");
    let (line, what) = told("[access]\nentries = [\n\n\"realm a\\nrealm b\"]");
    assert!(line == 4 && what.contains("one line"), "{line}: {what}");
    let config = parse("[stream.a]\npublished_by = [\"eve\"]");
    let e = rights::table(&config, UserTable::new()).unwrap_err();
    assert!(e.contains("eve"), "{e}");
}
