//! [`CodecParameters`]: the codec of a track and its parameters.

use bytes::Bytes;
use std::borrow::Cow;

/// The codec of a track and the parameters that a receiver needs before the first frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecParameters {
    /// H.264. Parameter sets are NAL units without start codes; empty while they are unknown (live
    /// input).
    H264 {
        /// Sequence parameter sets, in order of appearance.
        sps: Vec<Bytes>,
        /// Picture parameter sets, in order of appearance.
        pps: Vec<Bytes>,
    },
    /// H.265. Parameter sets are NAL units without start codes; empty while they are unknown (live
    /// input).
    H265 {
        /// Video parameter sets, in order of appearance.
        vps: Vec<Bytes>,
        /// Sequence parameter sets, in order of appearance.
        sps: Vec<Bytes>,
        /// Picture parameter sets, in order of appearance.
        pps: Vec<Bytes>,
    },
    /// AAC in raw access units.
    Aac {
        /// AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).
        config: Bytes,
        /// Sampling rate in Hz.
        sampling_rate: u32,
        /// Number of channels.
        channels: u8,
    },
    /// MPEG-1, MPEG-2 or MPEG-2.5 audio of any layer, in frames with their headers.
    MpegAudio,
    /// Uncompressed or G.711 audio; samples in network byte order.
    Pcm {
        /// Coding of a sample.
        encoding: PcmEncoding,
        /// Sampling rate in Hz.
        sampling_rate: u32,
        /// Number of interleaved channels.
        channels: u8,
    },
    /// An MPEG-2 transport stream of 188-byte packets.
    Mp2t,
    /// A codec that this crate does not implement: an application's own, or one that is forwarded
    /// unchanged.
    Other(OtherCodec),
}

/// A codec that this crate does not implement, as SDP describes it.
///
/// Its packetizer comes from an [entry](crate::payload::FormatEntry) that the application adds to a
/// [`FormatRegistry`](crate::payload::FormatRegistry).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OtherCodec {
    /// Media type of the `m=` line, such as `audio`.
    pub media: Cow<'static, str>,
    /// Encoding name in `a=rtpmap`; compared without regard to case.
    pub encoding_name: Cow<'static, str>,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Number of audio channels, if `a=rtpmap` states it.
    pub channels: Option<u8>,
    /// Value of `a=fmtp` after the payload type.
    pub fmtp: Option<String>,
}

impl OtherCodec {
    /// Creates a codec without channels and format parameters.
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

    /// Sets the number of audio channels.
    pub fn with_channels(mut self, channels: u8) -> Self {
        self.channels = Some(channels);
        self
    }

    /// Sets the format parameters: the value of `a=fmtp` after the payload type.
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

/// The coding of PCM samples (RFC 3551, RFC 3190).
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
    /// Returns the size in bytes of a sample of one channel.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::L8 | Self::Pcmu | Self::Pcma => 1,
            Self::L16 => 2,
            Self::L24 => 3,
        }
    }
}
