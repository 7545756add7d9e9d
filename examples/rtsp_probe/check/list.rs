//! The list of checks.

use super::{Answer, code, seen};
use crate::status::Status;

/// What came out of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server does what the RFC says.
    Ok,
    /// The server does not do what the RFC says it must.
    Fail,
    /// The server does not do what the RFC only recommends, or the check could not be made.
    Note,
}

impl Verdict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "FAIL",
            Self::Note => "note",
        }
    }
}

/// A check that was made.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) verdict: Verdict,
    pub(crate) what: &'static str,
    /// RFC and section.
    pub(crate) section: &'static str,
    pub(crate) seen: String,
}

/// All checks that were made.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) url: String,
    pub(crate) checks: Vec<Check>,
    /// Why the others were not made.
    pub(crate) error: Option<(Status, String)>,
}

impl Checked {
    pub(crate) fn status(&self) -> Status {
        match &self.error {
            Some((status, _)) => *status,
            None if self.counts().1 > 0 => Status::CheckFailed,
            None => Status::Plays,
        }
    }

    /// How many are ok, have failed, are noted.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let count = |verdict| self.checks.iter().filter(|c| c.verdict == verdict).count();
        (count(Verdict::Ok), count(Verdict::Fail), count(Verdict::Note))
    }
}

/// The list, as it grows.
#[derive(Debug, Default)]
pub(super) struct List(pub(super) Vec<Check>);

impl List {
    pub(super) fn add(
        &mut self,
        verdict: Verdict,
        (what, section): (&'static str, &'static str),
        seen: impl Into<String>,
    ) {
        // Of several tracks, one that is ok is told.
        let is_told = |other: &Check| other.what == what && other.verdict == Verdict::Ok;
        if verdict != Verdict::Ok || !self.0.iter().any(is_told) {
            self.0.push(Check { verdict, what, section, seen: seen.into() });
        }
    }

    /// A check that is ok, or fails.
    pub(super) fn must(
        &mut self,
        is_ok: bool,
        check: (&'static str, &'static str),
        seen: impl Into<String>,
    ) {
        self.add(if is_ok { Verdict::Ok } else { Verdict::Fail }, check, seen);
    }

    /// A check that is ok, or noted.
    pub(super) fn should(
        &mut self,
        is_ok: bool,
        check: (&'static str, &'static str),
        seen: impl Into<String>,
    ) {
        self.add(if is_ok { Verdict::Ok } else { Verdict::Note }, check, seen);
    }

    /// The answer to a request has one of the statuses that are wanted, or one of those that are
    /// near it.
    pub(super) fn status(
        &mut self,
        answer: &Answer,
        wanted: &[u16],
        near: &[u16],
        check: (&'static str, &'static str),
    ) {
        let has = |codes: &[u16]| code(answer).is_some_and(|code| codes.contains(&code));
        let verdict = match (has(wanted), has(near)) {
            (true, _) => Verdict::Ok,
            (_, true) => Verdict::Note,
            _ => Verdict::Fail,
        };
        self.add(verdict, check, seen(answer));
    }
}
