//! [`Sample`]: a stored frame, as the tables or a fragment describe it.

/// A sample that is not read yet; times in ticks of its track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Position in the file.
    pub(super) at: u64,
    /// Bytes.
    pub(super) len: u64,
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) duration: u64,
    /// Decoding can start with it.
    pub(super) key: bool,
    /// Its sample entry, from 0.
    pub(super) description: u32,
}
