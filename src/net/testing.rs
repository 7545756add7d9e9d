//! What the tests of several sockets share.

use crate::env::{Event, Medium, Readiness, UsageEnvironment};

/// Counts how often it is told that something can be read.
#[derive(Default)]
pub(super) struct Counted(pub(super) usize);

impl Medium for Counted {
    fn kind(&self) -> &'static str {
        "counted"
    }

    fn handle_event(&mut self, _: &mut UsageEnvironment, event: Event) {
        if let Event::Readiness { readiness: Readiness::READABLE, .. } = event {
            self.0 += 1;
        }
    }
}
