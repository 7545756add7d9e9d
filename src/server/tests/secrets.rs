//! What is logged while the tests of the server run, at the level of most detail, holds no secret.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Passwords and other secrets of the tests all have this in them, in plain text or encoded.
pub(super) const SECRET: &str = "s3cret";

/// What no line may have: the secrets of the tests, and the shape of anybody's.
const FORBIDDEN: [&str; 10] = [
    SECRET,
    // "s3cret" in base64, at each of its three positions.
    "czNjcmV0",
    "MzY3JldA",
    "zM2NyZX",
    "Authorization: ",
    "Digest username",
    "response=\"",
    "Basic YW5u",
    "sha-256=",
    "HA1",
];

static LINES: AtomicUsize = AtomicUsize::new(0);

struct Searcher;

impl Log for Searcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        LINES.fetch_add(1, Ordering::Relaxed);
        let token = line
            .match_indices("token=")
            .any(|(at, name)| !line[at + name.len()..].starts_with('…'));
        let found = FORBIDDEN.iter().find(|forbidden| line.contains(**forbidden));
        assert!(found.is_none() && !token, "a secret in the log: {line}");
    }

    fn flush(&self) {}
}

/// Searches all that is logged from here on, by any test of the crate's own.
pub(super) fn search_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Searcher).expect("no other test has a logger");
        log::set_max_level(LevelFilter::Trace);
    });
}

/// Number of lines that have been searched.
pub(super) fn searched() -> usize {
    LINES.load(Ordering::Relaxed)
}

#[test]
fn a_secret_would_be_found() {
    search_the_log();
    let before = searched();
    log::info!("rtsp://h/a?token=…");
    assert!(searched() > before);
    for line in ["the password is s3cret", "/a?token=dp.1", "Authorization: Basic"] {
        let logged = std::panic::catch_unwind(|| {
            let mut record = Record::builder();
            Searcher.log(&record.level(Level::Trace).args(format_args!("{line}")).build());
        });
        assert!(logged.is_err(), "{line}");
    }
}
