//! [`Description`]: what a file's header says of a track: the sample entry of its codec.
//!
//! Read ISO/IEC 14496-12 sections 8.5.2 and 12, ISO/IEC 14496-15 sections 5.3.3 (`avcC`) and 8.3.3
//! (`hvcC`), ISO/IEC 14496-14 section 5.6 and 14496-1 section 7.2.6 (`esds`), and "Encapsulation of
//! Opus in ISO Base Media File Format" before changing it.

use super::boxes::{Put, put_box, put_full_box};
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::mpeg_audio::{FrameHeader, Version};
use crate::codec::{CodecParameters, OpusMapping, PcmEncoding, ac3, h264, h265, opus};
use bytes::Bytes;

/// Ticks a second of video tracks, as RTP counts.
const VIDEO_TIMESCALE: u32 = 90_000;
/// `objectTypeIndication`s (ISO/IEC 14496-1 table 5).
const MPEG4_AUDIO: u8 = 0x40;
const MPEG2_AUDIO: u8 = 0x69;
const MPEG1_AUDIO: u8 = 0x6b;

/// What a file's header says of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// Ticks a second.
    pub(super) timescale: u32,
    /// Width and height in samples; `None` for audio.
    pub(super) size: Option<(u16, u16)>,
    /// The sample entry.
    pub(super) entry: Bytes,
    /// Most pictures that may be decoded before another and presented after it.
    pub(super) reorder_depth: u32,
    /// The stream says that so many are, not only that they may be.
    pub(super) is_depth_stated: bool,
}

impl Description {
    /// # Errors
    /// Says why there is none.
    pub(super) fn of_video(parameters: &CodecParameters) -> Result<Self, &'static str> {
        match parameters {
            CodecParameters::H264 { sps, pps } => h264(sps, pps),
            CodecParameters::H265 { vps, sps, pps } => h265(vps, sps, pps),
            _ => Err("not video"),
        }
    }

    pub(super) fn of_aac(config: &AudioSpecificConfig, bytes: &[u8], channels: u8) -> Self {
        audio(b"mp4a", channels, 16, config.sampling_rate, |out| {
            put_esds(out, MPEG4_AUDIO, bytes);
        })
    }

    pub(super) fn of_mpeg_audio(header: &FrameHeader) -> Self {
        let object_type = match header.version {
            Version::Mpeg1 => MPEG1_AUDIO,
            Version::Mpeg2 | Version::Mpeg25 => MPEG2_AUDIO,
        };
        audio(b"mp4a", header.channels, 16, header.sampling_rate, |out| {
            put_esds(out, object_type, &[]);
        })
    }

    pub(super) fn of_opus(channels: u8, mapping: Option<&OpusMapping>) -> Self {
        audio(b"Opus", channels, 16, opus::SAMPLING_RATE, |out| {
            put_box(out, b"dOps", |out| {
                out.u8(0);
                out.u8(channels);
                // A stream is joined in its middle: there is nothing to skip at the front.
                out.u16(0);
                out.u32(opus::SAMPLING_RATE);
                out.u16(0); // output gain
                out.u8(u8::from(mapping.is_some()));
                if let Some(OpusMapping { streams, coupled, channels, .. }) = mapping {
                    out.bytes(&[*streams, *coupled]);
                    out.bytes(channels);
                }
            });
        })
    }

    /// ETSI TS 102 366 annex F.
    pub(super) fn of_ac3(unit: &ac3::AccessUnit) -> Self {
        let header = &unit.first;
        let common = |bits: &mut Bits| {
            bits.put(header.bitstream_mode, 3);
            bits.put(header.coding_mode, 3);
            bits.put(u8::from(header.low_frequency), 1);
        };
        let mut bits = Bits::default();
        let (entry, specific) =
            if header.enhanced { (b"ec-3", b"dec3") } else { (b"ac-3", b"dac3") };
        if header.enhanced {
            // Bytes in a second of frames are bits in a millisecond by eight.
            let samples = u64::from(header.samples.max(1));
            let rate = unit.len as u64 * 8 * u64::from(header.sampling_rate) / samples / 1000;
            bits.put_wide(rate.min(0x1fff) as u32, 13);
            bits.put(0, 3); // one independent substream
            bits.put(header.rate_code, 2);
            bits.put(header.bitstream_id, 5);
            bits.put(0, 2); // reserved, asvc
            common(&mut bits);
            bits.put(0, 3);
            let dependent = unit.frames.saturating_sub(1).min(15) as u8;
            bits.put(dependent, 4);
            // The channels of dependent substreams stand in themselves too.
            bits.put_wide(0, if dependent > 0 { 9 } else { 1 });
        } else {
            bits.put(header.rate_code, 2);
            bits.put(header.bitstream_id, 5);
            common(&mut bits);
            bits.put(header.bit_rate_code, 5);
            bits.put(0, 5);
        }
        audio(entry, header.channels, 16, header.sampling_rate, |out| {
            put_box(out, specific, |out| out.bytes(&bits.into_bytes()));
        })
    }

    /// Samples as QuickTime names them, which all players read: the names of ISO/IEC 23003-5 are
    /// known to new ones only.
    pub(super) fn of_pcm(encoding: PcmEncoding, sampling_rate: u32, channels: u8) -> Self {
        let (kind, bits) = match encoding {
            PcmEncoding::L8 => (b"raw ", 8),
            PcmEncoding::L24 => (b"in24", 24),
            PcmEncoding::L16 | PcmEncoding::Pcmu | PcmEncoding::Pcma => (b"sowt", 16),
        };
        audio(kind, channels, bits, sampling_rate, |_| {})
    }
}

/// Bit fields one behind the other.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Number of bits.
    len: u32,
}

impl Bits {
    fn put(&mut self, value: u8, bits: u32) {
        self.put_wide(value.into(), bits);
    }

    fn put_wide(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            if self.len % 8 == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.len % 8);
            }
            self.len += 1;
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn video(
    kind: &[u8; 4],
    (width, height): (u32, u32),
    (reorder_depth, is_depth_stated): (u32, bool),
    config: impl FnOnce(&mut Vec<u8>),
) -> Description {
    let most = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    let size = (most(width), most(height));
    let mut entry = Vec::new();
    put_box(&mut entry, kind, |out| {
        out.zeros(6);
        out.u16(1); // data_reference_index
        out.zeros(16);
        out.u16(size.0);
        out.u16(size.1);
        out.u32(72 << 16); // dots per inch
        out.u32(72 << 16);
        out.zeros(4);
        out.u16(1); // frame_count
        out.zeros(32); // compressorname
        out.u16(24); // depth
        out.u16(0xffff);
        config(out);
    });
    let (timescale, size, entry) = (VIDEO_TIMESCALE, Some(size), entry.into());
    Description { timescale, size, entry, reorder_depth, is_depth_stated }
}

fn audio(
    kind: &[u8; 4],
    channels: u8,
    bits: u16,
    rate: u32,
    config: impl FnOnce(&mut Vec<u8>),
) -> Description {
    let mut entry = Vec::new();
    put_box(&mut entry, kind, |out| {
        out.zeros(6);
        out.u16(1); // data_reference_index
        out.zeros(8);
        out.u16(u16::from(channels.max(1)));
        out.u16(bits);
        out.zeros(4);
        // 16.16 fixed point. What does not fit stands in the timescale.
        out.u32(u16::try_from(rate).map_or(0, |rate| u32::from(rate) << 16));
        config(out);
    });
    Description {
        timescale: rate.max(1),
        size: None,
        entry: entry.into(),
        reorder_depth: 0,
        is_depth_stated: true,
    }
}

fn h264(sps: &[Bytes], pps: &[Bytes]) -> Result<Description, &'static str> {
    use h264::nal_type::SPS;
    const EXTENSION: u8 = 13;
    let of_type = |kind: u8| {
        let sets = sps.iter().filter(move |nal| h264::nal_unit_type(nal) == kind);
        sets.take(31).collect::<Vec<_>>()
    };
    let (sets, extensions) = (of_type(SPS), of_type(EXTENSION));
    let pps: Vec<_> = pps.iter().take(255).collect();
    let read: Vec<_> = sets.iter().filter_map(|nal| h264::Sps::parse(nal).ok()).collect();
    let first = read.first().ok_or("no SPS that can be read")?;
    if pps.is_empty() {
        return Err("no PPS");
    }
    let depth = read.iter().map(h264::Sps::reorder_depth).max().unwrap_or(0);
    let is_stated = read.iter().all(|sps| sps.max_num_reorder_frames.is_some());
    Ok(video(b"avc1", (first.width, first.height), (depth, is_stated), |out| {
        put_box(out, b"avcC", |out| {
            out.bytes(&[1, first.profile_idc, first.constraint_flags, first.level_idc]);
            out.u8(0xfc | 3); // lengths of four bytes
            out.u8(0xe0 | sets.len() as u8);
            put_nal_units(out, &sets);
            out.u8(pps.len() as u8);
            put_nal_units(out, &pps);
            if !matches!(first.profile_idc, 66 | 77 | 88) {
                out.u8(0xfc | first.chroma_format_idc);
                out.u8(0xf8 | first.bit_depth_luma.saturating_sub(8));
                out.u8(0xf8 | first.bit_depth_chroma.saturating_sub(8));
                out.u8(extensions.len() as u8);
                put_nal_units(out, &extensions);
            }
        });
    }))
}

fn h265(vps: &[Bytes], sps: &[Bytes], pps: &[Bytes]) -> Result<Description, &'static str> {
    use h265::nal_type::{PPS, SPS, VPS};
    let read: Vec<_> = sps.iter().filter_map(|nal| h265::Sps::parse(nal).ok()).collect();
    let first = read.first().ok_or("no SPS that can be read")?;
    if vps.is_empty() || pps.is_empty() {
        return Err("no VPS or PPS");
    }
    let depth = read.iter().map(|sps| sps.max_num_reorder_pics).max().unwrap_or(0);
    Ok(video(b"hvc1", (first.width, first.height), (depth, true), |out| {
        put_box(out, b"hvcC", |out| {
            let profile = first.profile;
            out.u8(1);
            out.u8(profile.profile_space << 6
                | u8::from(profile.high_tier) << 5
                | profile.profile_idc);
            out.u32(profile.compatibility_flags);
            out.bytes(profile.constraint_flags.to_be_bytes().get(2..).unwrap_or_default());
            out.u8(profile.level_idc);
            out.u16(0xf000); // min_spatial_segmentation_idc: unknown
            out.u8(0xfc); // parallelismType: unknown
            out.u8(0xfc | first.chroma_format_idc);
            out.u8(0xf8 | first.bit_depth_luma.saturating_sub(8));
            out.u8(0xf8 | first.bit_depth_chroma.saturating_sub(8));
            out.u16(0); // avgFrameRate: unknown
            // constantFrameRate unknown, numTemporalLayers, temporalIdNested, four-byte lengths
            out.u8(first.sub_layers << 3 | u8::from(first.temporal_id_nesting) << 2 | 3);
            out.u8(3);
            for (kind, nals) in [(VPS, vps), (SPS, sps), (PPS, pps)] {
                let nals: Vec<_> = nals.iter().take(255).collect();
                out.u8(0x80 | kind); // complete: none stand in the samples
                out.u16(nals.len() as u16);
                put_nal_units(out, &nals);
            }
        });
    }))
}

/// NAL units with their lengths. Parameter sets have 16 KiB at most.
fn put_nal_units(out: &mut Vec<u8>, nals: &[&Bytes]) {
    for nal in nals {
        out.u16(nal.len() as u16);
        out.bytes(nal);
    }
}

fn put_esds(out: &mut Vec<u8>, object_type: u8, specific: &[u8]) {
    let mut config = vec![object_type, 5 << 2 | 1]; // an audio stream
    config.zeros(3 + 4 + 4); // buffer size, rates: unknown
    if !specific.is_empty() {
        put_descriptor(&mut config, 5, specific);
    }
    let mut stream = vec![0, 0, 0]; // ES_ID, flags
    put_descriptor(&mut stream, 4, &config);
    put_descriptor(&mut stream, 6, &[2]); // SLConfigDescriptor: of MP4 files
    put_full_box(out, b"esds", 0, 0, |out| put_descriptor(out, 3, &stream));
}

/// A descriptor with its length in four bytes (ISO/IEC 14496-1 section 8.3.3).
fn put_descriptor(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    let len = content.len() as u32;
    out.u8(tag);
    for shift in [21, 14, 7] {
        out.u8(0x80 | (len >> shift) as u8 & 0x7f);
    }
    out.u8(len as u8 & 0x7f);
    out.bytes(content);
}
