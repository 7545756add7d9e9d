//! [`Sound`]: frames of audio as samples of the file.

use super::sample_entry::Description;
use super::times::{AudioLine, from_ticks};
use super::unit::Unit;
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::mpeg_audio::FrameHeader;
use crate::codec::{CodecParameters, PcmEncoding, ac3, g711, opus};
use crate::frame::Frame;
use crate::media::sinks::wav::WavWriter;

/// Most bytes of a frame. What is larger is left out.
const MAX_FRAME: usize = 1 << 20;

/// What the frames of a track are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Aac {
        frame_length: u32,
    },
    /// The header of the last frame.
    MpegAudio(Option<FrameHeader>),
    Opus,
    /// AC-3 and Enhanced AC-3; the header of the last access unit.
    Ac3(Option<ac3::SyncFrame>),
    Pcm {
        encoding: PcmEncoding,
        channels: u8,
    },
}

/// A track of audio.
#[derive(Debug)]
pub(super) struct Sound {
    kind: Kind,
    rate: u32,
    line: AudioLine,
    /// What the next sample begins with.
    description: Option<Description>,
}

impl Sound {
    /// # Errors
    /// Such a track does not go into an MP4 file; says why.
    pub(super) fn new(parameters: &CodecParameters) -> Result<Self, &'static str> {
        let (kind, rate, description) = match parameters {
            CodecParameters::Aac { config, channels, .. } => {
                let read = AudioSpecificConfig::parse(config);
                let read = read.map_err(|_| "the configuration of AAC cannot be read")?;
                let description = Description::of_aac(&read, config, *channels);
                let frame_length = u32::from(read.frame_length);
                (Kind::Aac { frame_length }, read.sampling_rate, Some(description))
            }
            // The frames tell.
            CodecParameters::MpegAudio => (Kind::MpegAudio(None), 0, None),
            &CodecParameters::Pcm { encoding, sampling_rate, channels } => {
                let description = Description::of_pcm(encoding, sampling_rate, channels);
                (Kind::Pcm { encoding, channels }, sampling_rate, Some(description))
            }
            CodecParameters::Opus { channels, mapping } => {
                let description = Description::of_opus(*channels, mapping.as_ref());
                (Kind::Opus, opus::SAMPLING_RATE, Some(description))
            }
            // Without the payload format of Opus its packets come as they are.
            CodecParameters::Other(codec) if codec.encoding_name.eq_ignore_ascii_case("opus") => {
                let channels = codec.channels.unwrap_or(2).clamp(1, 2);
                (Kind::Opus, opus::SAMPLING_RATE, Some(Description::of_opus(channels, None)))
            }
            // The frames tell more.
            CodecParameters::Ac3 { .. } | CodecParameters::Eac3 { .. } => {
                (Kind::Ac3(None), 0, None)
            }
            CodecParameters::Mp2t => return Err("a transport stream is a container itself"),
            _ => return Err("MP4 has no form for this codec"),
        };
        Ok(Self { kind, rate, line: AudioLine::default(), description })
    }

    /// What the header is to say, if that is known before the first frame.
    pub(super) fn describe(&self) -> Option<Description> {
        self.description.clone()
    }

    /// The sample of a frame that is to be presented at `time`.
    pub(super) fn handle_frame(&mut self, frame: &Frame, time: i64) -> Option<Unit> {
        if frame.data.is_empty() || frame.data.len() > MAX_FRAME {
            log::debug!("a frame of {} bytes is left out", frame.data.len());
            return None;
        }
        let mut data = Vec::with_capacity(frame.data.len());
        let samples = match &mut self.kind {
            Kind::Aac { frame_length } => {
                data.extend_from_slice(&frame.data);
                *frame_length
            }
            Kind::MpegAudio(last) => {
                let header = FrameHeader::parse(&frame.data).ok()?;
                if last.is_none_or(|last| {
                    !last.same_stream(&header) || last.channels != header.channels
                }) {
                    self.rate = header.sampling_rate;
                    self.line = AudioLine::default();
                    self.description = Some(Description::of_mpeg_audio(&header));
                }
                *last = Some(header);
                data.extend_from_slice(&frame.data);
                header.samples()
            }
            Kind::Opus => {
                data.extend_from_slice(&frame.data);
                opus::packet_samples(&frame.data)?
            }
            Kind::Ac3(last) => {
                let unit = ac3::access_unit(&frame.data).ok()?;
                let header = unit.first;
                if last.is_none_or(|last| !last.same_stream(&header)) {
                    self.rate = header.sampling_rate;
                    self.line = AudioLine::default();
                    self.description = Some(Description::of_ac3(&unit));
                }
                *last = Some(header);
                data.extend_from_slice(&frame.data);
                header.samples
            }
            Kind::Pcm { encoding, channels } => {
                match encoding {
                    PcmEncoding::Pcmu => data
                        .extend(frame.data.iter().flat_map(|&b| g711::from_mulaw(b).to_le_bytes())),
                    PcmEncoding::Pcma => data
                        .extend(frame.data.iter().flat_map(|&b| g711::from_alaw(b).to_le_bytes())),
                    PcmEncoding::L16 => WavWriter::new(*encoding, self.rate, *channels)
                        .put_samples(&frame.data, &mut data),
                    PcmEncoding::L8 | PcmEncoding::L24 => data.extend_from_slice(&frame.data),
                }
                let block = encoding.bytes_per_sample() * usize::from(*channels).max(1);
                (frame.data.len() / block) as u32
            }
        };
        if data.is_empty() {
            return None;
        }
        let pts = self.line.place(time, samples, self.rate);
        let duration = from_ticks(u64::from(samples), self.rate);
        let (wall_clock, description) = (frame.wall_clock, self.description.take());
        Some(Unit { data, pts, duration, key: true, wall_clock, description })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sinks::testing::frame;

    fn pcm(encoding: PcmEncoding, channels: u8) -> Sound {
        Sound::new(&CodecParameters::Pcm { encoding, sampling_rate: 8000, channels }).unwrap()
    }

    #[test]
    fn samples_of_telephones_become_linear() {
        for (encoding, zero) in [(PcmEncoding::Pcmu, 0xff), (PcmEncoding::Pcma, 0xd5)] {
            let unit = pcm(encoding, 1).handle_frame(&frame(&[zero; 160], 0, 20), 0).unwrap();
            assert_eq!((unit.data.len(), unit.duration), (320, 20_000_000));
            assert!(unit.data.chunks(2).all(|s| i16::from_le_bytes([s[0], s[1]]).abs() <= 8));
        }
        let unit =
            pcm(PcmEncoding::L16, 2).handle_frame(&frame(&[1, 2, 3, 4, 5], 0, 20), 0).unwrap();
        assert_eq!(unit.data, [2, 1, 4, 3]);
        assert!(pcm(PcmEncoding::L16, 2).handle_frame(&frame(&[1, 2, 3], 0, 20), 0).is_none());
    }

    #[test]
    fn the_header_of_ac3_comes_with_its_first_frame() {
        // 48 kHz, 192 kbit/s, stereo (ATSC A/52 section 5.3).
        let mut ac3 = vec![0x0b, 0x77, 0, 0, 20, 8 << 3, 2 << 5];
        ac3.resize(768, 0);
        let mut sound =
            Sound::new(&CodecParameters::Ac3 { sampling_rate: 48_000, channels: 2 }).unwrap();
        assert_eq!(sound.describe(), None);
        assert!(sound.handle_frame(&frame(b"none", 0, 32), 0).is_none());
        let unit = sound.handle_frame(&frame(&ac3, 0, 32), 0).unwrap();
        assert_eq!(unit.duration, 32_000_000);
        let entry = unit.description.unwrap().entry;
        assert_eq!(entry[4..8], *b"ac-3");
        // fscod 0, bsid 8, bsmod 0, acmod 2, lfeon 0, bit_rate_code 10 (ETSI TS 102 366 F.4).
        assert_eq!(
            entry[entry.len() - 11..],
            [0, 0, 0, 11, b'd', b'a', b'c', b'3', 0x10, 0x11, 0x40]
        );
        assert!(sound.handle_frame(&frame(&ac3, 32, 32), 32).unwrap().description.is_none());
    }

    #[test]
    fn opus_of_several_channels_has_its_mapping_in_the_header() {
        let map: &[u8] = &[0, 4, 1, 2, 3, 5];
        let mapping = Some(crate::codec::OpusMapping::new(4, 2, map));
        let sound = Sound::new(&CodecParameters::Opus { channels: 6, mapping }).unwrap();
        let entry = sound.describe().unwrap().entry;
        assert_eq!(entry[entry.len() - 9..], [1, 4, 2, 0, 4, 1, 2, 3, 5]);
        let stereo = CodecParameters::Opus { channels: 2, mapping: None };
        let mut sound = Sound::new(&stereo).unwrap();
        let unit = sound.handle_frame(&frame(&[0x78, 1], 0, 20), 0).unwrap();
        assert_eq!(unit.duration, 20_000_000);
        assert!(sound.handle_frame(&frame(&[0xfb], 20, 20), 20).is_none(), "no packet");
    }

    #[test]
    fn the_header_of_mpeg_audio_comes_with_its_first_frame() {
        let mut sound = Sound::new(&CodecParameters::MpegAudio).unwrap();
        assert_eq!(sound.describe(), None);
        assert!(sound.handle_frame(&frame(b"none", 0, 20), 0).is_none());
        let mut first = vec![0xff, 0xfb, 0x90, 0x00];
        first.resize(417, 0);
        let unit = sound.handle_frame(&frame(&first, 0, 26), 0).unwrap();
        assert_eq!(unit.description.map(|d| d.timescale), Some(44_100));
        assert!(sound.handle_frame(&frame(&first, 26, 26), 26).unwrap().description.is_none());
        first[2] = 0x94;
        let unit = sound.handle_frame(&frame(&first, 52, 24), 52).unwrap();
        assert_eq!(unit.description.map(|d| d.timescale), Some(48_000));
    }

    #[test]
    fn what_mp4_has_no_form_for_is_refused() {
        for parameters in [CodecParameters::Mp2t, CodecParameters::OnvifMetadata] {
            assert!(Sound::new(&parameters).is_err());
        }
    }
}
