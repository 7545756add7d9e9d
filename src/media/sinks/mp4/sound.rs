//! [`Sound`]: frames of audio as samples of the file.

use super::sample_entry::Description;
use super::times::{AudioLine, from_ticks};
use super::unit::Unit;
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::mpeg_audio::FrameHeader;
use crate::codec::opus::{SAMPLING_RATE, packet_samples};
use crate::codec::{CodecParameters, OtherCodec, PcmEncoding, g711};
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
            &CodecParameters::Opus { channels, mapping: None } => {
                (Kind::Opus, SAMPLING_RATE, Some(Description::of_opus(channels)))
            }
            CodecParameters::Other(codec) if is_opus(codec) => {
                let channels = codec.channels.unwrap_or(2).clamp(1, 2);
                (Kind::Opus, codec.clock_rate, Some(Description::of_opus(channels)))
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
                opus_samples(&frame.data)
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

fn is_opus(codec: &OtherCodec) -> bool {
    codec.encoding_name.eq_ignore_ascii_case("opus")
}

/// Samples of an Opus packet at 48 kHz; of one that is malformed, the usual number.
fn opus_samples(packet: &[u8]) -> u32 {
    packet_samples(packet).unwrap_or(960)
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
    fn opus_packets_say_how_long_they_are() {
        // Table of contents: configuration, stereo, number of frames.
        for (packet, samples) in [
            (&[0x78_u8][..], 960),
            (&[0x00], 480),
            (&[0x19], 2 * 2880),
            (&[0x82], 2 * 120),
            (&[0xfb, 0x03], 3 * 960),
            (&[0xfb], 960),
        ] {
            assert_eq!(opus_samples(packet), samples, "{packet:02x?}");
        }
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
        let metadata = OtherCodec::new("application", "vnd.onvif.metadata", 90_000);
        for parameters in [CodecParameters::Mp2t, metadata.into()] {
            assert!(Sound::new(&parameters).is_err());
        }
        let opus = OtherCodec::new("audio", "opus", 48_000).with_channels(2);
        assert!(Sound::new(&opus.into()).is_ok());
    }
}
