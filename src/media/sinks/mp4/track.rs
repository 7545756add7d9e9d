//! [`Track`]: the way of one track's frames into a fragment.

use super::fragment::{Run, Sample};
use super::pictures::Pictures;
use super::sample_entry::Description;
use super::sound::Sound;
use super::times::{DecodeTimes, TrackLine};
use super::unit::Unit;
use crate::codec::CodecParameters;
use crate::frame::Frame;

/// What the last sample of a file lasts if nothing tells, in nanoseconds.
const USUAL_DURATION: i64 = 40_000_000;

#[derive(Debug)]
enum Media {
    Pictures(Pictures),
    Sound(Sound),
}

/// A sample whose end is not known.
#[derive(Debug)]
struct Open {
    dts: i64,
    pts: i64,
    unit: Unit,
}

/// A sample that has its decoding time, with the changes that it brings.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) key: bool,
    /// What the header has to say from here on, if that is another thing than before.
    pub(super) change: Option<Description>,
    open: Open,
}

/// One track of a recording.
#[derive(Debug)]
pub(super) struct Track {
    media: Media,
    line: TrackLine,
    queue: DecodeTimes<Unit>,
    open: Option<Open>,
    /// Duration of the last sample.
    last_duration: i64,
    /// What goes into the next fragment.
    pub(super) run: Run,
    /// What the header says of the track, or is going to.
    pub(super) description: Option<Description>,
    /// Its number in the file that is being written, if it is in there.
    pub(super) id: Option<u32>,
    /// No frame follows.
    pub(super) finished: bool,
}

impl Track {
    /// # Errors
    /// Such a track does not go into an MP4 file; says why.
    pub(super) fn new(
        parameters: &CodecParameters,
        may_redeclare: bool,
    ) -> Result<Self, &'static str> {
        let (media, description) = media(parameters, may_redeclare)?;
        let mut queue = DecodeTimes::new();
        if let Some(said) = &description {
            queue.set_depth(said.reorder_depth, said.is_depth_stated);
        }
        Ok(Self {
            media,
            line: TrackLine::default(),
            queue,
            open: None,
            last_duration: 0,
            run: Run::default(),
            description,
            id: None,
            finished: false,
        })
    }

    pub(super) const fn is_video(&self) -> bool {
        matches!(self.media, Media::Pictures(_))
    }

    /// Takes a frame. `shared` is the distance of the source's times from the recording's.
    pub(super) fn handle_frame(&mut self, frame: &Frame, shared: &mut i64) {
        let pts = self.line.place(frame.pts, shared);
        let unit = match &mut self.media {
            Media::Pictures(pictures) => pictures.handle_frame(frame, pts),
            Media::Sound(sound) => sound.handle_frame(frame, pts),
        };
        let Some(unit) = unit else { return };
        if let Some(description) = &unit.description {
            self.queue.set_depth(description.reorder_depth, description.is_depth_stated);
        }
        self.queue.push(unit.pts, unit.data.len(), unit);
    }

    /// The stream goes on with other parameters. What waits for its decoding time has been taken out.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn change(
        &mut self,
        parameters: &CodecParameters,
        may_redeclare: bool,
    ) -> Result<(), &'static str> {
        if let Media::Pictures(pictures) = &mut self.media {
            if pictures.change(parameters) {
                return Ok(());
            }
        }
        // The first sample brings what the header is to say.
        if let Some(pictures) = Pictures::new(parameters, may_redeclare) {
            self.media = Media::Pictures(pictures);
            return Ok(());
        }
        let sound = Sound::new(parameters)?;
        let description = sound.describe();
        if description.is_none() || description != self.description {
            self.media = Media::Sound(sound);
        }
        Ok(())
    }

    /// Lets go of what waits for its decoding time.
    pub(super) const fn end_queue(&mut self) {
        self.queue.end();
    }

    /// The next sample that has a decoding time.
    pub(super) fn poll(&mut self) -> Option<Next> {
        let (dts, pts, mut unit) = self.queue.poll()?;
        let said = unit.description.take();
        let change = said.filter(|said| self.description.as_ref() != Some(said));
        let key = unit.key;
        Some(Next { dts, pts, key, change, open: Open { dts, pts, unit } })
    }

    /// The open sample ends at `end`, where the next begins.
    pub(super) fn close_sample(&mut self, end: i64) {
        let Some(Open { dts, pts, unit }) = self.open.take() else { return };
        let end = end.max(dts);
        self.last_duration = end - dts;
        let (len, key, wall_clock) = (unit.data.len() as u32, unit.key, unit.wall_clock);
        self.run.samples.push(Sample { dts, pts, end, len, key, wall_clock });
        self.run.data.extend_from_slice(&unit.data);
    }

    /// The open sample is the last.
    pub(super) fn close_last_sample(&mut self) {
        let Some(open) = &self.open else { return };
        let known = [open.unit.duration, self.last_duration, USUAL_DURATION];
        let duration = known.into_iter().find(|&duration| duration > 0).unwrap_or(USUAL_DURATION);
        self.close_sample(open.dts.saturating_add(duration));
    }

    /// Goes on with the next sample, behind the one that was closed.
    pub(super) fn open_sample(&mut self, next: Next) {
        if next.change.is_some() {
            self.description = next.change;
        }
        self.open = Some(next.open);
    }

    /// Decoding time of the first sample that is not in a file.
    pub(super) fn begins_at(&self) -> Option<i64> {
        let open = self.open.as_ref().map(|open| open.dts);
        self.run.samples.first().map(|first| first.dts).or(open)
    }
}

fn media(
    parameters: &CodecParameters,
    may_redeclare: bool,
) -> Result<(Media, Option<Description>), &'static str> {
    if let Some(mut pictures) = Pictures::new(parameters, may_redeclare) {
        let description = pictures.describe();
        return Ok((Media::Pictures(pictures), description));
    }
    let sound = Sound::new(parameters)?;
    let description = sound.describe();
    Ok((Media::Sound(sound), description))
}
