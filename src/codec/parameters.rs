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
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9.
    Vp9 {
        /// Bitstream profile, 0 to 3, if it is known.
        profile: Option<u8>,
    },
    /// AV1. A frame is a temporal unit in the low-overhead format (AV1 specification section 5.2):
    /// each OBU has its length, and there is no temporal delimiter.
    Av1 {
        /// Sequence header OBU with its header and length; empty while it is unknown.
        sequence_header: Bytes,
    },
    /// Baseline JPEG. A frame is a JPEG file.
    Jpeg,
    /// MPEG-1 or MPEG-2 video. A frame is a picture with the headers before it.
    MpegVideo,
    /// MPEG-4 part 2 video. A frame is a VOP with the headers before it.
    Mpeg4Video {
        /// Configuration: the headers up to the video object layer (ISO/IEC 14496-2 section 6.2.1);
        /// empty while they are unknown.
        config: Bytes,
    },
    /// Opus packets (RFC 6716 section 3).
    Opus {
        /// Number of channels of the decoded audio.
        channels: u8,
        /// The streams of which a packet of more than two channels consists.
        mapping: Option<OpusMapping>,
    },
    /// Vorbis audio packets.
    Vorbis {
        /// Sampling rate in Hz.
        sampling_rate: u32,
        /// Number of channels.
        channels: u8,
        /// Identification, comment and setup header (Vorbis I specification section 4.2).
        headers: [Bytes; 3],
    },
    /// AC-3 in synchronization frames (ATSC A/52).
    Ac3 {
        /// Sampling rate in Hz.
        sampling_rate: u32,
        /// Number of channels, with the low-frequency one.
        channels: u8,
    },
    /// Enhanced AC-3 in synchronization frames (ATSC A/52 annex E).
    Eac3 {
        /// Sampling rate in Hz.
        sampling_rate: u32,
        /// Number of channels, with the low-frequency one.
        channels: u8,
    },
    /// AMR frames in the storage format (RFC 4867 section 5.3): a header byte and whole bytes of
    /// speech.
    Amr {
        /// Whether it is AMR-WB (16 kHz) instead of AMR (8 kHz).
        wideband: bool,
        /// Number of channels.
        channels: u8,
    },
    /// G.722 at 64 kbit/s, sampled at 16 kHz (RFC 3551 section 4.5.2).
    G722 {
        /// Number of channels.
        channels: u8,
    },
    /// G.726 at 8 kHz, mono (RFC 3551 section 4.5.4).
    G726 {
        /// Bits per sample, 2 to 5.
        bits: u8,
        /// Whether code words are packed from the most significant bit, as for AAL2.
        aal2: bool,
    },
    /// GSM full rate, frames of 33 bytes (RFC 3551 section 4.5.8).
    Gsm,
    /// iLBC (RFC 3951), frames of 38 or 50 bytes.
    Ilbc {
        /// Duration of a frame in milliseconds, 20 or 30.
        mode: u8,
    },
    /// Speex packets.
    Speex {
        /// Sampling rate in Hz: 8,000, 16,000 or 32,000.
        sampling_rate: u32,
    },
    /// SMPTE ST 336 metadata: a frame is a KLV unit.
    Klv {
        /// RTP clock rate in Hz.
        clock_rate: u32,
    },
    /// ONVIF metadata: a frame is an XML document.
    OnvifMetadata,
    /// Text of conversations, in UTF-8 (ITU-T T.140).
    Text,
    /// A codec that this crate does not implement: an application's own, or one that is forwarded
    /// unchanged.
    Other(OtherCodec),
}

/// The streams in an Opus packet of several channels (RFC 7845 section 5.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OpusMapping {
    /// Number of streams.
    pub streams: u8,
    /// Number of streams that are stereo; they come first.
    pub coupled: u8,
    /// For each output channel the decoded channel that it is, or 255 for silence.
    pub channels: Bytes,
}

impl OpusMapping {
    /// Creates a mapping.
    pub fn new(streams: u8, coupled: u8, channels: impl Into<Bytes>) -> Self {
        Self { streams, coupled, channels: channels.into() }
    }
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
