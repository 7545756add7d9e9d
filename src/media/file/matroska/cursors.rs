//! [`Cursors`]: the places of a file where a demultiplexer reads.
//!
//! That is one place for all tracks, as long as what they play at the same time is stored close
//! together. A track that is stored apart from the others has a place of its own until the two
//! meet again, so that nothing has to be held in memory from here to there.

use super::media::MatroskaMedia;
use super::walker::{Step, Walker};
use crate::media::file::container::window::{Input, PLAY_CHUNK, Window};
use std::io;

/// A place in the file.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) walker: Walker,
    pub(super) window: Window,
}

/// The place of one track.
#[derive(Debug)]
struct Own {
    cursor: Cursor,
    /// It has to catch up with the others' place; otherwise these have to with it.
    behind: bool,
}

#[derive(Debug)]
pub(super) struct Cursors {
    input: Input,
    segment_end: u64,
    shared: Cursor,
    own: Vec<Option<Box<Own>>>,
}

impl Cursors {
    /// All tracks at the beginning.
    pub(super) fn new(media: &MatroskaMedia) -> io::Result<Self> {
        let walker = Walker::new(media.first_cluster, media.segment_end);
        Ok(Self {
            input: media.input.clone(),
            segment_end: media.segment_end,
            shared: Cursor { walker, window: Window::new(media.input.clone(), PLAY_CHUNK)? },
            own: media.infos.iter().map(|_| None).collect(),
        })
    }

    /// All tracks at the cluster at this position.
    pub(super) fn seek(&mut self, cluster: u64) {
        self.shared.walker = Walker::new(cluster, self.segment_end);
        self.own.fill_with(|| None);
    }

    /// Where `track` is read.
    pub(super) fn of(&mut self, track: usize) -> &mut Cursor {
        match self.own.get_mut(track) {
            Some(Some(own)) => &mut own.cursor,
            _ => &mut self.shared,
        }
    }

    pub(super) fn has_own(&self, track: usize) -> bool {
        self.own.get(track).is_some_and(Option::is_some)
    }

    /// Goes on by an element where `track` is read.
    pub(super) fn step(&mut self, track: usize) -> io::Result<Step> {
        let cursor = self.of(track);
        cursor.walker.step(&mut cursor.window)
    }

    /// Whether a block of `track` that the shared place has come upon is read at the track's own
    /// place, or was. Where that has been passed, the track is read at the shared one again.
    pub(super) fn is_read_elsewhere(&mut self, track: usize) -> bool {
        let Some(place) = self.own.get_mut(track) else { return false };
        let Some(own) = place else { return false };
        if own.behind || self.shared.walker.position() <= own.cursor.walker.position() {
            return true;
        }
        *place = None;
        false
    }

    /// Gives `track` a place of its own: the shared one, which stays at `before`, in front of the
    /// element that it has just come upon.
    pub(super) fn fork(&mut self, track: usize, before: Walker) -> io::Result<()> {
        self.shared.walker = before.clone();
        self.go_to(track, before, false)
    }

    /// Gives `track` a place of its own at a cluster in front of the shared place.
    pub(super) fn go_back(&mut self, track: usize, cluster: u64) -> io::Result<()> {
        self.go_to(track, Walker::new(cluster, self.segment_end), true)
    }

    fn go_to(&mut self, track: usize, walker: Walker, behind: bool) -> io::Result<()> {
        let Some(place) = self.own.get_mut(track) else { return Ok(()) };
        match place {
            Some(own) => (own.cursor.walker, own.behind) = (walker, behind),
            None => {
                let window = Window::new(self.input.clone(), PLAY_CHUNK)?;
                *place = Some(Box::new(Own { cursor: Cursor { walker, window }, behind }));
            }
        }
        Ok(())
    }

    /// Lets `track` be read at the shared place again, if its own has caught up with that, or if
    /// nobody else is read there: then that moves to the track's. Returns whether it did.
    pub(super) fn join(&mut self, track: usize, is_alone: bool) -> bool {
        let Some(place) = self.own.get_mut(track) else { return false };
        let caught_up =
            |own: &Own| own.behind && own.cursor.walker.position() >= self.shared.walker.position();
        if !is_alone && !place.as_deref().is_some_and(caught_up) {
            return false;
        }
        let Some(own) = place.take() else { return false };
        if is_alone {
            self.shared = own.cursor;
        }
        is_alone
    }
}
