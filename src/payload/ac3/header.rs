//! The payload header (RFC 4184 section 4.1.1, RFC 4598 section 4.1).

/// Length of the payload header: six bits that must be zero (seven in Enhanced AC-3), the kind of
/// payload, and a byte with the number of frames or fragments.
pub(super) const HEADER_LEN: usize = 2;

/// The kind of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole frames.
    Frames,
    /// The first fragment of a frame, with its first five eighths or without all of them. A decoder
    /// can check that part by itself.
    First { has_five_eighths: bool },
    /// A later fragment.
    Later,
    /// Any fragment: Enhanced AC-3 does not tell them apart.
    Fragment,
}

impl Kind {
    /// The first byte of the payload header.
    pub(super) const fn to_byte(self, enhanced: bool) -> u8 {
        match self {
            Self::Frames => 0,
            _ if enhanced => 1,
            Self::First { has_five_eighths: true } => 1,
            Self::First { has_five_eighths: false } => 2,
            Self::Later | Self::Fragment => 3,
        }
    }

    /// The kind that the first byte tells. The bits that must be zero are ignored.
    pub(super) const fn of_byte(byte: u8, enhanced: bool) -> Self {
        match (byte & 3, enhanced) {
            (0 | 2, true) | (0, false) => Self::Frames,
            (_, true) => Self::Fragment,
            (1, false) => Self::First { has_five_eighths: true },
            (2, false) => Self::First { has_five_eighths: false },
            _ => Self::Later,
        }
    }
}
