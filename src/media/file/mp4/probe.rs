//! [`Mp4Probe`]: finds out what there is to know of a file, a bounded step at a time.

use super::boxes::BoxAt;
use super::fragments::Defaults;
use super::media::Mp4Media;
use super::sample_entry::name_of;
use crate::media::file::container::coding::bitrate;
use crate::media::file::container::steps::{Steps, poll_steps};
use crate::media::file::container::window::{Input, SEARCH_CHUNK, Window};
use crate::media::file::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use movie::{MAX_SMALL, MAX_TRACKS, Movie, RawTrack};
use scan::Scan;
use std::sync::Arc;
use tables::TableScan;

mod movie;
mod random_access;
mod scan;
mod tables;

/// A probe under way.
#[derive(Debug)]
pub(super) struct Mp4Probe {
    /// For the log.
    name: String,
    window: Window,
    phase: Phase,
    /// `ftyp` names QuickTime, or is not there.
    is_quicktime: bool,
    movie: Movie,
    tracks: Vec<RawTrack>,
    /// An index in front of the fragments.
    sidx: Option<BoxAt>,
    first_fragment: Option<u64>,
}

#[derive(Debug)]
enum Phase {
    /// At a box of the file, looking for the movie or, once that was found, for a fragment.
    TopLevel(u64),
    /// At a box in the movie, behind whose end the file goes on there.
    Movie {
        at: u64,
        end: u64,
    },
    /// Goes through the tables of the tracks.
    Tables(TableScan),
    /// Goes through the fragments.
    Scan(Box<Scan>),
    Done,
}

impl Mp4Probe {
    pub(super) fn new(input: Input, name: String) -> Result<Self, ProbeError> {
        Ok(Self {
            name,
            window: Window::new(input, SEARCH_CHUNK)?,
            phase: Phase::TopLevel(0),
            is_quicktime: true,
            movie: Movie::default(),
            tracks: Vec::new(),
            sidx: None,
            first_fragment: None,
        })
    }

    /// Goes on by a step.
    pub(super) fn go_on(&mut self) -> Result<Option<Arc<Mp4Media>>, ProbeError> {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::TopLevel(at) => self.phase = self.top_level(at)?,
            Phase::Movie { at, end } => self.phase = self.movie(at, end)?,
            Phase::Tables(mut scan) => {
                let is_done = scan.step(&mut self.tracks, &mut self.window)?;
                self.phase = if is_done { self.after_tables()? } else { Phase::Tables(scan) };
            }
            Phase::Scan(mut scan) => {
                let is_done = scan.step(&mut self.tracks, &mut self.window)?;
                self.phase = if is_done { Phase::Done } else { Phase::Scan(scan) };
            }
            Phase::Done => return self.finish().map(Some),
        }
        Ok(None)
    }

    fn top_level(&mut self, at: u64) -> Result<Phase, ProbeError> {
        let len = self.window.len();
        let Some(found) = BoxAt::read(&mut self.window, at, len)? else {
            return self.at_end(at);
        };
        match &found.kind {
            b"ftyp" => {
                let brands = found.content(&mut self.window, MAX_SMALL)?.unwrap_or_default();
                self.is_quicktime = brands.chunks(4).any(|brand| brand == b"qt  ");
            }
            b"moov" if self.tracks.is_empty() => {
                if found.end > len {
                    return Err(ProbeError::Content("the MP4 file is cut off".into()));
                }
                return Ok(Phase::Movie { at: found.data, end: found.end });
            }
            b"moof" if !self.tracks.is_empty() => {
                self.first_fragment = Some(at);
                return Ok(self.tables());
            }
            b"sidx" if self.sidx.is_none() => self.sidx = Some(found),
            _ if at == 0 && !found.kind.iter().all(u8::is_ascii_graphic) => {
                return Err(ProbeError::Content("not an MP4 file".into()));
            }
            _ => {}
        }
        Ok(Phase::TopLevel(found.end))
    }

    /// There are no more boxes.
    fn at_end(&self, at: u64) -> Result<Phase, ProbeError> {
        if self.tracks.is_empty() {
            let why = if at == 0 { "not an MP4 file" } else { "an MP4 file without a movie" };
            return Err(ProbeError::Content(why.into()));
        }
        Ok(self.tables())
    }

    fn tables(&self) -> Phase {
        Phase::Tables(TableScan::default())
    }

    fn movie(&mut self, at: u64, end: u64) -> Result<Phase, ProbeError> {
        let Some(found) = BoxAt::read(&mut self.window, at, end)? else {
            return self.after_movie(end);
        };
        let end_of_box = found.end.min(end);
        let found = BoxAt { end: end_of_box, ..found };
        match &found.kind {
            b"mvhd" => self.movie.header(&found, &mut self.window)?,
            b"mvex" => self.movie.extends(&found, &mut self.window)?,
            b"trak" if self.tracks.len() < MAX_TRACKS => {
                match movie::track(&found, &mut self.window, self.is_quicktime)? {
                    Ok(track) => self.tracks.push(track),
                    Err(why) => {
                        log::info!("{}: the track at {at} is left out: {why}", self.name);
                    }
                }
            }
            b"cmov" => log::info!("{}: {} is not read", self.name, name_of(found.kind)),
            _ => {}
        }
        Ok(Phase::Movie { at: end_of_box, end })
    }

    fn after_movie(&mut self, end: u64) -> Result<Phase, ProbeError> {
        if self.tracks.is_empty() {
            return Err(no_track());
        }
        self.movie.set_times(&mut self.tracks);
        let has_samples = self.tracks.iter().any(|track| track.info.samples.count > 0);
        if self.movie.is_fragmented || !has_samples {
            return Ok(Phase::TopLevel(end));
        }
        Ok(self.tables())
    }

    fn after_tables(&mut self) -> Result<Phase, ProbeError> {
        self.tracks.retain(|track| match &track.unsound {
            Some(why) => {
                log::info!("{}: track {} is left out: {why}", self.name, track.info.id);
                false
            }
            None => true,
        });
        if self.tracks.is_empty() {
            return Err(no_track());
        }
        let Some(at) = self.first_fragment else { return Ok(Phase::Done) };
        let defaults = self.defaults();
        let input = self.window.input().clone();
        let scan = Scan::new(input, at, self.sidx, &self.tracks, defaults)?;
        Ok(Phase::Scan(Box::new(scan)))
    }

    fn defaults(&self) -> Vec<Defaults> {
        let of = |track: &RawTrack| self.movie.defaults_of(track.info.id);
        self.tracks.iter().map(of).collect()
    }

    fn finish(&mut self) -> Result<Arc<Mp4Media>, ProbeError> {
        let name = &self.name;
        self.tracks.retain(|track| match track.what_is_missing() {
            Some(why) => {
                log::info!("{name}: track {} is left out: {why}", track.info.id);
                false
            }
            None => true,
        });
        if self.tracks.is_empty() {
            return Err(no_track());
        }
        let defaults = self.defaults();
        let input = self.window.input().clone();
        let duration = movie::lay_out(&mut self.tracks, self.first_fragment, &input)?;
        let infos: Vec<_> = std::mem::take(&mut self.tracks).into_iter().map(|t| t.info).collect();
        let tracks = infos.iter().map(|info| Track {
            parameters: info.parameters.clone(),
            duration,
            seekable: true,
            bitrate: bitrate(&info.parameters),
        });
        let tracks = tracks.collect();
        let first_fragment = self.first_fragment;
        Ok(Arc::new(Mp4Media { input, tracks, infos, defaults, first_fragment, duration }))
    }
}

fn no_track() -> ProbeError {
    ProbeError::Content("no track that can be streamed".into())
}

impl Steps for Mp4Probe {
    /// Where a scan ends, what it has read is no longer counted.
    fn bytes_read(&self) -> u64 {
        let of_scan = match &self.phase {
            Phase::Scan(scan) => scan.bytes_read(),
            _ => 0,
        };
        self.window.bytes_read().saturating_add(of_scan)
    }

    fn step(&mut self) -> Result<Option<Arc<dyn MediaFile>>, ProbeError> {
        Ok(self.go_on()?.map(|media| media as Arc<dyn MediaFile>))
    }
}

impl Probe for Mp4Probe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        poll_steps(self, budget)
    }
}
