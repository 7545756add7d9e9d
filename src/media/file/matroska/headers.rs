//! Track entries (RFC 9559 section 5.1.4) and what they mean for RTP.
//!
//! The crate `matroska-demuxer` reads the entries. It gets each one alone, in a small document
//! in memory that is otherwise empty, and never the file: it follows a `SeekHead` that points at
//! itself for ever, likewise a segment that begins with a CRC-32; it reads the whole file in one
//! call where there is no `SeekHead`; it refuses a file for one bad element or for Cues that were
//! cut off. So the file is walked by this module's own code, a bounded step at a time.

use super::ebml::{ElementHeader, id};
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::{CodecParameters, PcmEncoding, h264, h265};
use crate::media::access_unit::NalCodec;
use bytes::Bytes;
use matroska_demuxer::{
    ContentCompAlgo, ContentEncodingValue, MatroskaFile, TrackEntry, TrackType,
};
use std::io::Cursor;
use std::time::Duration;

/// Most bytes that header stripping may put in front of each frame.
const MAX_STRIPPED: usize = 1024;

/// How the frames of a track become those of [`crate::Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// NAL units, each with its length in front in so many bytes.
    Nal { codec: NalCodec, length_size: usize },
    /// AAC; samples a frame and a second.
    Aac { samples: u16, rate: u32 },
    /// Frames with their own headers.
    MpegAudio,
    /// Bytes a sample of one channel are turned around where `little_endian`.
    Pcm { little_endian: bool, sample: usize, channels: usize, rate: u32 },
}

/// A track that can be streamed.
#[derive(Clone, Debug)]
pub(super) struct TrackInfo {
    pub(super) number: u64,
    pub(super) parameters: CodecParameters,
    pub(super) coding: Coding,
    /// What the muxer took off the front of each frame.
    pub(super) stripped: Bytes,
    /// Of one frame, if constant.
    pub(super) default_duration: Option<Duration>,
    /// Comes off each timestamp.
    pub(super) codec_delay: Duration,
}

impl TrackInfo {
    pub(super) const fn is_video(&self) -> bool {
        matches!(self.coding, Coding::Nal { .. })
    }
}

/// Reads the data of a `TrackEntry`. The error says why the track cannot be streamed.
pub(super) fn track(entry: &[u8]) -> Result<TrackInfo, String> {
    let file = MatroskaFile::open(Cursor::new(document(entry)))
        .map_err(|e| format!("track entry: {e}"))?;
    let entry = file.tracks().first().ok_or("track entry: empty")?;
    let stripped = stripped(entry)?;
    let (parameters, coding) = codec(entry)?;
    Ok(TrackInfo {
        number: entry.track_number().get(),
        parameters,
        coding,
        stripped,
        default_duration: entry.default_duration().map(|d| Duration::from_nanos(d.get())),
        codec_delay: Duration::from_nanos(entry.codec_delay().unwrap_or(0)),
    })
}

/// A file with this one track and no frames.
fn document(entry: &[u8]) -> Vec<u8> {
    const DOC_TYPE: [u8; 19] = [
        0x42, 0x82, 0x88, b'm', b'a', b't', b'r', b'o', b's', b'k', b'a', // DocType
        0x42, 0x87, 0x81, 2, 0x42, 0x85, 0x81, 2, // DocTypeVersion, DocTypeReadVersion
    ];
    // MuxingApp and WritingApp, which must be there.
    const INFO: [u8; 6] = [0x4d, 0x80, 0x80, 0x57, 0x41, 0x80];
    let track = element(id::TRACK_ENTRY, entry);
    let content =
        [element(id::INFO, &INFO), element(id::TRACKS, &track), element(id::CLUSTER, &[])].concat();
    [element(id::EBML, &DOC_TYPE), element(id::SEGMENT, &content)].concat()
}

/// An element with its header; the size takes eight bytes.
pub(super) fn element(id: u32, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + ElementHeader::MAX_LEN);
    out.extend(id.to_be_bytes().into_iter().skip_while(|&byte| byte == 0));
    out.extend(((1_u64 << 56) | data.len() as u64).to_be_bytes());
    out.extend_from_slice(data);
    out
}

fn stripped(entry: &TrackEntry) -> Result<Bytes, String> {
    match entry.content_encodings().unwrap_or_default() {
        [] => Ok(Bytes::new()),
        [one] => match one.encoding() {
            ContentEncodingValue::Compression(c) if c.algo() == ContentCompAlgo::Stripping => {
                // Scope 1 is the frames, 2 the CodecPrivate, which nobody strips.
                let settings = c.settings().unwrap_or_default();
                if one.scope() != 1 || settings.len() > MAX_STRIPPED {
                    return Err("unusual header stripping".into());
                }
                Ok(Bytes::copy_from_slice(settings))
            }
            ContentEncodingValue::Compression(_) => Err("compressed".into()),
            ContentEncodingValue::Encryption(_) => Err("encrypted".into()),
            ContentEncodingValue::Unknown => Err("encoded in an unknown way".into()),
        },
        _ => Err("encoded several times".into()),
    }
}

fn codec(entry: &TrackEntry) -> Result<(CodecParameters, Coding), String> {
    // RFC 8794 section 7.4: a string may end in zero bytes, and those that GStreamer writes do.
    let name = entry.codec_id().trim_end_matches('\0');
    let private = entry.codec_private().unwrap_or_default();
    let unusable = |e| format!("{name}: {e}");
    match (entry.track_type(), name) {
        (TrackType::Video, "V_MPEG4/ISO/AVC") => {
            let (length_size, sps, pps) = h264::parse_avcc(private).map_err(unusable)?;
            let coding = Coding::Nal { codec: NalCodec::H264, length_size };
            Ok((CodecParameters::H264 { sps, pps }, coding))
        }
        (TrackType::Video, "V_MPEGH/ISO/HEVC") => {
            let (length_size, vps, sps, pps) = h265::parse_hvcc(private).map_err(unusable)?;
            let coding = Coding::Nal { codec: NalCodec::H265, length_size };
            Ok((CodecParameters::H265 { vps, sps, pps }, coding))
        }
        (TrackType::Audio, _) if name.starts_with("A_AAC") => aac(entry, private),
        (TrackType::Audio, "A_MPEG/L1" | "A_MPEG/L2" | "A_MPEG/L3") => {
            Ok((CodecParameters::MpegAudio, Coding::MpegAudio))
        }
        (TrackType::Audio, "A_PCM/INT/LIT") => pcm(entry, true),
        (TrackType::Audio, "A_PCM/INT/BIG") => pcm(entry, false),
        _ => Err(format!("{name}: no RTP payload format for it here")),
    }
}

fn audio(entry: &TrackEntry) -> Result<(u32, u8), String> {
    let audio = entry.audio().ok_or("audio track without settings")?;
    let rate = audio.sampling_frequency().round();
    let channels = u8::try_from(audio.channels().get()).map_err(|_| "too many channels")?;
    if !(1000.0..=768_000.0).contains(&rate) {
        return Err("impossible sampling rate".into());
    }
    // In range, so nothing is lost.
    Ok((rate as u32, channels))
}

fn aac(entry: &TrackEntry, private: &[u8]) -> Result<(CodecParameters, Coding), String> {
    let config = if private.is_empty() {
        // The old names such as A_AAC/MPEG4/LC, which came without one.
        let (rate, channels) = audio(entry)?;
        AudioSpecificConfig::lc(rate, if channels == 8 { 7 } else { channels })
    } else {
        AudioSpecificConfig::parse(private).map_err(|e| format!("AAC: {e}"))?
    };
    let bytes =
        if private.is_empty() { config.to_bytes() } else { Bytes::copy_from_slice(private) };
    let channels = match config.channels {
        0 => audio(entry).map_or(2, |(_, channels)| channels),
        n => n,
    };
    let parameters =
        CodecParameters::Aac { config: bytes, sampling_rate: config.sampling_rate, channels };
    let coding = Coding::Aac { samples: config.frame_length, rate: config.sampling_rate };
    Ok((parameters, coding))
}

fn pcm(entry: &TrackEntry, little_endian: bool) -> Result<(CodecParameters, Coding), String> {
    let (sampling_rate, channels) = audio(entry)?;
    let depth = entry.audio().and_then(|a| a.bit_depth()).map_or(0, |d| d.get());
    let encoding = match depth {
        8 => PcmEncoding::L8,
        16 => PcmEncoding::L16,
        24 => PcmEncoding::L24,
        other => return Err(format!("PCM of {other} bits")),
    };
    let sample = encoding.bytes_per_sample();
    let coding =
        Coding::Pcm { little_endian, sample, channels: usize::from(channels), rate: sampling_rate };
    Ok((CodecParameters::Pcm { encoding, sampling_rate, channels }, coding))
}
