//! What there is to know of a stream's reports: how far one is on its way, and whose they are.

/// A report on its way to the destinations, in the order of their slots in the table.
#[derive(Debug, Default)]
pub(crate) struct ReportRun {
    pub(crate) packet: Vec<u8>,
    /// How many slots are done with; `None`: all.
    pub(crate) done: Option<usize>,
    /// Connections get it too; otherwise they had it with a frame.
    pub(crate) over_tcp: bool,
}

impl ReportRun {
    /// Not all that are to have it have had it.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.done.is_some()
    }
}

/// What became of the SSRC of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Identity {
    /// It has said BYE to everybody.
    pub(crate) gone: bool,
    /// It is another than the first, which the answers to SETUP told.
    pub(crate) changed: bool,
}
