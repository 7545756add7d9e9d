//! [`CodecParameters`]: what a receiver must know of a track.

use bytes::Bytes;
use std::borrow::Cow;

/// What a receiver must know of a track before its first frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecParameters {
    /// H.264: NAL units without start codes; empty while they are not known (live input).
    H264 {
        /// Sequence parameter sets, in order of appearance.
        sps: Vec<Bytes>,
        /// Picture parameter sets, in order of appearance.
        pps: Vec<Bytes>,
    },
    /// H.265: NAL units without start codes; empty while they are not known (live input).
    H265 {
        /// Video parameter sets, in order of appearance.
        vps: Vec<Bytes>,
        /// Sequence parameter sets, in order of appearance.
        sps: Vec<Bytes>,
        /// Picture parameter sets, in order of appearance.
        pps: Vec<Bytes>,
    },
    /// AAC, raw access units.
    Aac {
        /// AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).
        config: Bytes,
        /// Samples per second and channel.
        sampling_rate: u32,
        /// Number of channels.
        channels: u8,
    },
    /// MPEG-1, MPEG-2 or MPEG-2.5 audio of any layer; frames with their headers.
    MpegAudio,
    /// Samples in network byte order.
    Pcm {
        /// How a sample is coded.
        encoding: PcmEncoding,
        /// Samples per second and channel.
        sampling_rate: u32,
        /// Number of interleaved channels.
        channels: u8,
    },
    /// An MPEG-2 transport stream of 188-byte packets.
    Mp2t,
    /// A codec that this crate does not know: an application's own, or one that is passed on as it
    /// is.
    Other(OtherCodec),
}

/// A codec that this crate does not know, as SDP names it.
///
/// How its frames are cut into packets is told by an
/// [entry](crate::payload::FormatEntry) of the application in the
/// [`FormatRegistry`](crate::payload::FormatRegistry).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OtherCodec {
    /// Media of the `m=` line, for example `audio`.
    pub media: Cow<'static, str>,
    /// Encoding name of `a=rtpmap`; compared without regard to case.
    pub encoding_name: Cow<'static, str>,
    /// RTP timestamp units per second.
    pub clock_rate: u32,
    /// Number of audio channels, if `a=rtpmap` states it.
    pub channels: Option<u8>,
    /// Value of `a=fmtp` after the payload type.
    pub fmtp: Option<String>,
}

impl OtherCodec {
    /// A codec without channels and format parameters.
    pub fn new(
        media: impl Into<Cow<'static, str>>,
        encoding_name: impl Into<Cow<'static, str>>,
        clock_rate: u32,
    ) -> Self {
        Self {
            media: media.into(),
            encoding_name: encoding_name.into(),
            clock_rate,
            channels: None,
            fmtp: None,
        }
    }

    /// States the number of audio channels.
    pub fn with_channels(mut self, channels: u8) -> Self {
        self.channels = Some(channels);
        self
    }

    /// States the format parameters: the value of `a=fmtp` after the payload type.
    pub fn with_fmtp(mut self, fmtp: impl Into<String>) -> Self {
        self.fmtp = Some(fmtp.into());
        self
    }
}

impl From<OtherCodec> for CodecParameters {
    fn from(codec: OtherCodec) -> Self {
        Self::Other(codec)
    }
}

/// How a PCM sample is coded (RFC 3551, RFC 3190).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PcmEncoding {
    /// 8 bits, unsigned, offset 128.
    L8,
    /// 16 bits, signed, big-endian.
    L16,
    /// 24 bits, signed, big-endian.
    L24,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl PcmEncoding {
    /// Bytes of a sample of one channel.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::L8 | Self::Pcmu | Self::Pcma => 1,
            Self::L16 => 2,
            Self::L24 => 3,
        }
    }
}
