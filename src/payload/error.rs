//! [`FormatError`]: the reason for which a payload format cannot be used.

use crate::error::Error;
use std::fmt;

/// Longest text of a session description that an error repeats.
const MAX_TEXT: usize = 64;

/// The reason for which a [`FormatRegistry`](super::FormatRegistry) cannot handle a payload format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The registry has no entry for the format.
    Unknown {
        /// Media type of the `m=` line.
        media: String,
        /// Encoding name.
        encoding_name: String,
        /// RTP clock rate in Hz.
        clock_rate: u32,
    },
    /// No payload format of this build can carry the codec: the cargo feature of its format is off,
    /// or the codec cannot have such parameters.
    UnknownCodec,
    /// The payload type has no `a=rtpmap`, and RFC 3551 does not assign it.
    Unmapped {
        /// Payload type.
        payload_type: u8,
    },
    /// The `m=` line names no RTP payload type.
    NoPayloadType,
    /// The description of the payload type is invalid.
    Malformed {
        /// Payload type.
        payload_type: u8,
        /// What is invalid.
        why: &'static str,
    },
    /// A format parameter is missing or has an impossible value.
    Parameter {
        /// Encoding name.
        encoding_name: String,
        /// Name of the parameter.
        name: &'static str,
        /// Its value, shortened if it is long; empty if the parameter is missing.
        value: String,
    },
    /// The stream uses an unsupported part of a known format.
    Unsupported {
        /// Encoding name.
        encoding_name: String,
        /// The unsupported part.
        what: &'static str,
    },
}

impl FormatError {
    /// Creates the error for a format without an entry.
    pub fn unknown(media: &str, encoding_name: &str, clock_rate: u32) -> Self {
        let (media, encoding_name) = (shortened(media), shortened(encoding_name));
        Self::Unknown { media, encoding_name, clock_rate }
    }

    /// Creates the error for a parameter that is missing (its value is empty) or has an impossible
    /// value.
    pub fn parameter(encoding_name: &str, name: &'static str, value: &str) -> Self {
        let encoding_name = shortened(encoding_name);
        Self::Parameter { encoding_name, name, value: shortened(value) }
    }

    /// Creates the error for an unsupported part of a format.
    pub fn unsupported(encoding_name: &str, what: &'static str) -> Self {
        Self::Unsupported { encoding_name: shortened(encoding_name), what }
    }
}

/// The beginning of a text that may come from the network, safe for a log.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).flat_map(char::escape_debug).collect()
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { media, encoding_name, clock_rate } => {
                write!(f, "no payload format for {media} {encoding_name}/{clock_rate}")
            }
            Self::UnknownCodec => f.write_str(
                "no payload format for the codec: its cargo feature is off, or it has impossible \
                 parameters",
            ),
            Self::Unmapped { payload_type } => {
                write!(f, "payload type {payload_type} has no rtpmap")
            }
            Self::Malformed { payload_type, why } => {
                write!(f, "payload type {payload_type}: {why}")
            }
            Self::NoPayloadType => f.write_str("the media description names no payload type"),
            Self::Parameter { encoding_name, name, value } if value.is_empty() => {
                write!(f, "{encoding_name} needs the format parameter {name}")
            }
            Self::Parameter { encoding_name, name, value } => {
                write!(f, "{encoding_name} cannot have the format parameter {name}={value}")
            }
            Self::Unsupported { encoding_name, what } => {
                write!(f, "{encoding_name}: {what} is not supported")
            }
        }
    }
}

impl std::error::Error for FormatError {}

impl From<FormatError> for Error {
    fn from(e: FormatError) -> Self {
        Self::Format(e.to_string())
    }
}
