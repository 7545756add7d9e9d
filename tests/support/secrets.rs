//! A search for secrets in what is logged or printed.
#![allow(dead_code)] // not every test uses all of it

use log::{LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;
use std::sync::Once;

/// Passwords of the tests all have this in them, in plain text or encoded.
pub(crate) const SECRET: &str = "s3cret";

/// What no line may have: the secrets of the tests, and the shape of anybody's.
const FORBIDDEN: [&str; 10] = [
    SECRET,
    // It in base64, at each of its three positions.
    "czNjcmV0",
    "MzY3JldA",
    "zM2NyZX",
    "Authorization: ",
    "Digest username",
    "response=\"",
    "sha-256=",
    "pbkdf2-sha256=",
    "PRIVATE KEY",
];

/// Whether a text has a secret in it: a password, a hash, a token, a header field with either.
pub(crate) fn has_secret(text: &str) -> bool {
    // Neither what is left of one, nor what mio calls so.
    let is_shown = |(at, name): (usize, &str)| {
        let value = &text[at + name.len()..];
        !value.starts_with('…') && !value.starts_with("Token(")
    };
    FORBIDDEN.iter().any(|forbidden| text.contains(forbidden))
        || text.match_indices("token=").any(is_shown)
}

struct Searcher;

thread_local! {
    static RECORDED: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl Log for Searcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Some tests count what the thread allocates.
        allocation_counter::opt_out(|| {
            let line = record.args().to_string();
            assert!(!has_secret(&line), "a secret in the log: {line}");
            RECORDED.with_borrow_mut(|recorded| {
                if let Some(text) = recorded {
                    text.push_str(&line);
                    text.push('\n');
                }
            });
        });
    }

    fn flush(&self) {}
}

/// Searches all that is logged from here on, at the level of most detail, by any test of this
/// program.
pub(crate) fn search_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Searcher).expect("no other test has a logger");
        log::set_max_level(LevelFilter::Trace);
    });
}

/// Keeps what this thread logs from here on.
pub(crate) fn record() {
    search_the_log();
    RECORDED.set(Some(String::new()));
}

/// What this thread has logged since it was asked to keep that.
pub(crate) fn recorded() -> String {
    RECORDED.take().unwrap_or_default()
}

#[test]
fn a_secret_would_be_found() {
    for line in
        ["the password is s3cret-9", "/a?token=dp.1", "x Authorization: Basic", "aXM6czNjcmV0"]
    {
        assert!(has_secret(line), "{line}");
    }
    assert!(!has_secret("rtsp://h/a?token=…") && !has_secret("token=Token(1)"));
    record();
    log::trace!("something");
    assert_eq!(recorded(), "something\n");
}
