//! [`SoundCodec`]: codecs of sound whose frames tell how long they last.

#[cfg(feature = "mp4")]
use crate::codec::amr;
use crate::codec::{CodecParameters, ac3, mpeg_audio, opus, vorbis};

/// A codec of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundCodec {
    /// AAC; samples a frame and a second.
    Aac {
        samples: u16,
        rate: u32,
    },
    /// Frames with their headers.
    MpegAudio,
    Opus,
    Vorbis,
    /// AC-3 or E-AC-3: the synchronization frames of all substreams at a time.
    Ac3,
    /// AMR or AMR-WB: one or several frames in the storage format.
    #[cfg(feature = "mp4")]
    Amr {
        wideband: bool,
    },
}

/// Samples, and how many of them last a second.
pub(crate) type Sampled = (u64, u32);

impl SoundCodec {
    /// Completes `parameters` by a stored frame. Returns whether they hold now.
    ///
    /// # Errors
    /// Frames of this kind cannot be sent; says why.
    pub(super) fn learn(
        self,
        parameters: &mut CodecParameters,
        frame: &[u8],
    ) -> Result<bool, String> {
        let (CodecParameters::Ac3 { sampling_rate, channels }
        | CodecParameters::Eac3 { sampling_rate, channels }) = parameters
        else {
            return Ok(true);
        };
        let Ok(found) = ac3::access_unit(frame) else { return Ok(false) };
        (*sampling_rate, *channels) = (found.first.sampling_rate, found.first.channels);
        Ok(true)
    }
}

/// The lengths of the frames of a track, in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameLengths {
    vorbis: Option<vorbis::Headers>,
    /// The block size of the last packet of Vorbis, with which the next overlaps.
    previous: Option<u32>,
}

impl FrameLengths {
    pub(crate) fn new(parameters: &CodecParameters) -> Self {
        let vorbis = match parameters {
            CodecParameters::Vorbis { headers, .. } => vorbis::Headers::parse(headers).ok(),
            _ => None,
        };
        Self { vorbis, previous: None }
    }

    /// What follows does not continue what was.
    pub(crate) const fn restart(&mut self) {
        self.previous = None;
    }

    /// What the next frame of the track lasts; `None` if that cannot be read.
    pub(crate) fn next(&mut self, codec: SoundCodec, frame: &[u8]) -> Option<Sampled> {
        match codec {
            SoundCodec::Aac { samples, rate } => Some((samples.into(), rate)),
            SoundCodec::MpegAudio => {
                let header = mpeg_audio::FrameHeader::parse(frame).ok()?;
                Some((header.samples().into(), header.sampling_rate))
            }
            SoundCodec::Opus => Some((opus::packet_samples(frame)?.into(), opus::SAMPLING_RATE)),
            SoundCodec::Vorbis => {
                let headers = self.vorbis?;
                let own = headers.block_size(frame)?;
                // The first packet only prepares a decoder for the next. Containers let it last as
                // long as if one of its kind had been in front.
                let before = self.previous.replace(own).unwrap_or(own);
                let samples = headers.packet_samples(Some(before), frame)?;
                Some((samples.into(), headers.sampling_rate))
            }
            SoundCodec::Ac3 => ac3_samples(frame),
            #[cfg(feature = "mp4")]
            SoundCodec::Amr { wideband } => amr_samples(frame, wideband),
        }
    }
}

/// The samples of all access units in a frame, of which there is one as a rule.
fn ac3_samples(frame: &[u8]) -> Option<Sampled> {
    let first = ac3::access_unit(frame).ok()?;
    let (mut samples, mut at) = (u64::from(first.first.samples), first.len);
    while let Some(Ok(next)) = frame.get(at..).map(ac3::access_unit) {
        samples += u64::from(next.first.samples);
        at += next.len.max(1);
    }
    Some((samples, first.first.sampling_rate))
}

#[cfg(feature = "mp4")]
fn amr_samples(frames: &[u8], wideband: bool) -> Option<Sampled> {
    let (mut count, mut rest) = (0, frames);
    while let Some(&header) = rest.first() {
        rest = rest.get(amr::frame_len(header, wideband)?..)?;
        count += 1;
    }
    Some((count * u64::from(amr::frame_samples(wideband)), amr::sampling_rate(wideband)))
}
