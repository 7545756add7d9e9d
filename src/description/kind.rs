//! [`MediaKind`] and [`RtpProfile`]: the words of an `m=` line.

use std::fmt;

/// Kind of media: the first word of an `m=` line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// `audio`.
    Audio,
    /// `video`.
    Video,
    /// `application`, such as the metadata of an ONVIF device.
    Application,
    /// `text`.
    Text,
    /// Any other word, or none.
    Other(String),
}

impl MediaKind {
    /// Returns the word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Text => "text",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for MediaKind {
    fn from(word: &str) -> Self {
        [Self::Audio, Self::Video, Self::Application, Self::Text]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(word))
            .unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// RTP profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RtpProfile {
    /// `RTP/AVP` (RFC 3551).
    Avp,
    /// `RTP/AVPF` (RFC 4585).
    Avpf,
    /// `RTP/SAVP` (RFC 3711).
    Savp,
    /// `RTP/SAVPF` (RFC 5124).
    Savpf,
    /// The protocol names none of these.
    Other,
}

impl RtpProfile {
    /// Returns the profile that the protocol of an `m=` line names: that of `TCP/RTP/AVP` is
    /// [`Avp`](Self::Avp).
    pub fn of_protocol(protocol: &str) -> Self {
        [("AVP", Self::Avp), ("AVPF", Self::Avpf), ("SAVP", Self::Savp), ("SAVPF", Self::Savpf)]
            .into_iter()
            .find(|(name, _)| protocol.split('/').any(|part| part.eq_ignore_ascii_case(name)))
            .map_or(Self::Other, |(_, profile)| profile)
    }

    /// Returns whether packets are protected (SRTP).
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Savp | Self::Savpf)
    }
}
