//! [`Mp4Media`]: the results of a probe of a file.

use super::fragment_index::FragmentIndex;
use super::fragments::Defaults;
use super::sample_table::SampleTable;
use super::track_time::TrackTime;
use crate::codec::CodecParameters;
use crate::media::SeekError;
use crate::media::access_unit::SetsInForce;
use crate::media::file::container::coding::Coding;
use crate::media::file::container::window::Input;
use crate::media::file::media_file::Track;
use std::io;
use std::time::Duration;

/// The results of a probe.
#[derive(Debug)]
pub(super) struct Mp4Media {
    pub(super) input: Input,
    pub(super) tracks: Vec<Track>,
    pub(super) infos: Vec<TrackInfo>,
    /// What samples in fragments have by default, for each track.
    pub(super) defaults: Vec<Defaults>,
    /// Position of the first fragment.
    pub(super) first_fragment: Option<u64>,
    pub(super) duration: Option<Duration>,
}

/// A track that can be streamed.
#[derive(Clone, Debug)]
pub(super) struct TrackInfo {
    pub(super) id: u32,
    pub(super) parameters: CodecParameters,
    pub(super) coding: Coding,
    /// The parameters hold; otherwise samples have to be looked at.
    pub(super) is_known: bool,
    /// Its sample entries; `None` for those whose samples are left out.
    pub(super) descriptions: Vec<Option<Description>>,
    pub(super) time: TrackTime,
    /// The tick that is presented first, and where it is.
    pub(super) start: i64,
    pub(super) begin: Place,
    pub(super) samples: SampleTable,
    pub(super) index: FragmentIndex,
}

/// The form and the parameter sets of the samples of a sample entry.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) coding: Coding,
    pub(super) sets: Option<SetsInForce>,
}

/// A kind of place to read a track from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// A sample of the tables.
    Sample(u64),
    /// A fragment, or a box in front of it. `dts`: when its first sample is decoded, if it does
    /// not say so.
    Fragment { at: u64, dts: i64 },
}

/// A place to read a track from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) spot: Spot,
    /// The tick at which the frame that is sought is presented.
    pub(super) pts: i64,
}

impl TrackInfo {
    pub(super) const fn is_video(&self) -> bool {
        self.coding.is_video()
    }

    /// The last place at or before `tick` at which decoding can start, or the first one.
    pub(super) fn place(&self, tick: i64, first_fragment: u64, input: &Input) -> io::Result<Place> {
        let tick = tick.max(self.start);
        let has_samples = self.samples.count > 0;
        let entry = self.index.find(tick);
        let entry = if has_samples { entry } else { entry.or_else(|| self.index.first()) };
        if let Some(entry) = entry {
            let spot = Spot::Fragment { at: entry.at, dts: entry.dts };
            return Ok(Place { spot, pts: entry.pts });
        }
        if !has_samples {
            let spot = Spot::Fragment { at: first_fragment, dts: 0 };
            return Ok(Place { spot, pts: i64::MIN });
        }
        let (sample, pts) = if self.is_video() {
            self.samples.key_at(tick, input)?
        } else {
            let sample = self.samples.sample_at(tick, input)?;
            (sample, self.samples.times_of(sample, input)?.1)
        };
        Ok(Place { spot: Spot::Sample(sample), pts })
    }
}

impl Mp4Media {
    /// Where `track` is read from, for `tick`.
    pub(super) fn place(&self, track: &TrackInfo, tick: i64) -> io::Result<Place> {
        track.place(tick, self.first_fragment.unwrap_or(u64::MAX), &self.input)
    }

    /// Where all tracks go for `npt`: to the last key frame of the first video track, if there is
    /// one. Every frame of audio is one to start at.
    pub(super) fn landing(&self, npt: Duration) -> Result<Duration, SeekError> {
        if self.duration.is_some_and(|duration| npt > duration) {
            return Err(SeekError::OutOfRange);
        }
        let video = self.infos.iter().find(|info| info.is_video()).filter(|_| !npt.is_zero());
        let Some(video) = video else { return Ok(npt) };
        let place = self.place(video, video.time.tick(npt));
        let place = place.map_err(|e| SeekError::Failed(e.to_string()))?;
        Ok(video.time.npt(place.pts).min(npt))
    }
}
