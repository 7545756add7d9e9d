//! Facts read from bitstreams: parameter sets, configurations, frame headers.

use bytes::Bytes;

pub mod aac;
pub mod bits;
mod check;
pub mod h264;
pub mod h265;
pub mod mpeg_audio;

/// What a receiver must know of a track before its first frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecParameters {
    /// H.264: NAL units without start codes; empty until known (live input).
    H264 {
        /// Sequence parameter sets, in order of appearance.
        sps: Vec<Bytes>,
        /// Picture parameter sets, in order of appearance.
        pps: Vec<Bytes>,
    },
    /// H.265: NAL units without start codes; empty until known (live input).
    H265 {
        /// Video parameter sets.
        vps: Vec<Bytes>,
        /// Sequence parameter sets.
        sps: Vec<Bytes>,
        /// Picture parameter sets.
        pps: Vec<Bytes>,
    },
    /// AAC, raw access units.
    Aac {
        /// AudioSpecificConfig (ISO/IEC 14496-3).
        config: Bytes,
        /// Samples a second.
        sampling_rate: u32,
        /// Channels.
        channels: u8,
    },
    /// MPEG-1, 2 or 2.5 audio, any layer; frames with their headers.
    MpegAudio,
    /// Samples in network byte order.
    Pcm {
        /// How a sample is coded.
        encoding: PcmEncoding,
        /// Samples a second.
        sampling_rate: u32,
        /// Interleaved channels.
        channels: u8,
    },
    /// An MPEG-2 transport stream of 188-byte packets.
    Mp2t,
}

/// How a PCM sample is coded (RFC 3551, RFC 3190).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PcmEncoding {
    /// 8 bits, unsigned, offset 128.
    L8,
    /// 16 bits, big-endian.
    L16,
    /// 24 bits, big-endian.
    L24,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl PcmEncoding {
    /// Bytes a sample of one channel.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::L8 | Self::Pcmu | Self::Pcma => 1,
            Self::L16 => 2,
            Self::L24 => 3,
        }
    }
}
