//! What has to be done when the configuration has changed, so that what did not change goes on.

use crate::config::{Config, Stream};
use std::fmt;

/// The differences between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Streams that are no longer there.
    pub(crate) removed: Vec<String>,
    /// Streams that are new.
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<Change>,
    /// Sections that are looked at only when the program starts.
    pub(crate) at_next_start: Vec<&'static str>,
}

/// A stream that stays and differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) what: Differs,
    /// It is pushed elsewhere, or otherwise.
    pub(crate) push: bool,
}

/// How far a change of a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Differs {
    /// Source, viewers and recording go on.
    Nothing,
    /// Source and viewers go on; it is recorded otherwise.
    Recording,
    /// It has another source: it is made anew, and its viewers are ended.
    Source,
}

impl Changes {
    /// Finds the changes that lead from `old`, which is running, to `new`.
    pub(crate) fn between(old: &Config, new: &Config) -> Self {
        let missing_in = |from: &Config, other: &Config| {
            let names = from.streams.keys().filter(|name| !other.streams.contains_key(*name));
            names.cloned().collect::<Vec<_>>()
        };
        let kept =
            old.streams.iter().filter_map(|(name, a)| Some((name, a, new.streams.get(name)?)));
        let changed = kept.filter_map(|(name, a, b)| {
            let (what, push) = (differs(a, b), a.push != b.push);
            let is_any = push || what != Differs::Nothing;
            is_any.then(|| Change { name: name.clone(), what, push })
        });
        let fixed = [
            ("listen", old.listeners != new.listeners),
            ("limits", old.limits != new.limits),
            ("srtp", old.srtp != new.srtp),
            ("publishers", old.publishers != new.publishers),
        ];
        Self {
            removed: missing_in(old, new),
            added: missing_in(new, old),
            changed: changed.collect(),
            at_next_start: fixed.into_iter().filter_map(|(name, is)| is.then_some(name)).collect(),
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { removed, added, changed, at_next_start: _ } = self;
        let counts = [(removed.len(), "gone"), (added.len(), "new"), (changed.len(), "changed")];
        let mut told = counts.into_iter().filter(|(count, _)| *count > 0).peekable();
        if told.peek().is_none() {
            return f.write_str("streams stay as they were");
        }
        f.write_str("streams:")?;
        for (i, (count, what)) in told.enumerate() {
            write!(f, "{}{count} {what}", if i > 0 { ", " } else { " " })?;
        }
        Ok(())
    }
}

/// The rights to publish, and who takes over, are not compared: the server has them anew at once.
fn differs(a: &Stream, b: &Stream) -> Differs {
    let Stream { pull, publishing: _, takeover: _, record, push: _ } = a;
    if *pull != b.pull {
        Differs::Source
    } else if *record != b.record {
        Differs::Recording
    } else {
        Differs::Nothing
    }
}
