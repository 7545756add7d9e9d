//! [`OggSource`]: reads one logical stream of a file, past the pages of the others.

use super::media::{OggMedia, Stream};
use super::packets::{Carried, MAX_PACKET};
use super::page::{Page, PageReader, Piece, PieceCursor, Step};
use crate::frame::Frame;
use crate::media::file::container::coding::Coding;
use crate::media::file::container::frame_maker::{FrameMaker, put};
use crate::media::file::container::window::{PLAY_CHUNK, Window};
use crate::media::file::shared::CUT_SHORT;
use crate::media::{Ending, FrameMemory, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Steps of one poll: pages, packets, or bytes that are passed over.
const STEPS_A_POLL: usize = 16;
/// A place that is sought is read up to from here.
const NEAR: u64 = 16 << 10;

/// Reads a stream.
#[derive(Debug)]
pub(super) struct OggSource {
    media: Arc<OggMedia>,
    track: usize,
    window: Window,
    reader: PageReader,
    page: Page,
    /// The next piece of the page; `None` while there is no page.
    cursor: Option<PieceCursor>,
    carried: Carried,
    maker: FrameMaker,
    /// The time of the next packet, where a page begins.
    time: Option<Duration>,
    /// The granule position of the page before.
    granule: Option<i64>,
    search: Option<Search>,
    ended: Option<Ending>,
}

/// A search for a place between two positions.
#[derive(Clone, Copy, Debug)]
struct Search {
    npt: Duration,
    /// A page that ends at or before that time, or the first.
    low: u64,
    high: u64,
    /// The middle, from where on a page is looked for.
    middle: u64,
}

impl OggSource {
    /// At the beginning of `track`.
    pub(super) fn new(media: Arc<OggMedia>, track: usize) -> io::Result<Self> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "no such track");
        let stream = media.streams.get(track).ok_or_else(none)?;
        let mut maker = FrameMaker::new(&stream.parameters, Coding::Sound(stream.codec));
        maker.lengths.clone_from(&stream.lengths);
        Ok(Self {
            window: Window::new(media.input.clone(), PLAY_CHUNK)?,
            reader: PageReader::new(stream.data, media.end),
            page: Page::default(),
            cursor: None,
            carried: Carried::default(),
            maker,
            time: None,
            granule: None,
            search: None,
            ended: None,
            track,
            media,
        })
    }

    /// Goes to the page at `at`.
    fn go_to(&mut self, at: u64) {
        self.reader = PageReader::new(at, self.media.end);
        (self.cursor, self.time, self.granule) = (None, None, None);
        self.carried.restart();
    }

    /// Goes on towards the next packet. `Ok(Err)` is the end.
    fn step(&mut self, memory: &mut FrameMemory) -> io::Result<Result<Option<Frame>, Ending>> {
        let media = Arc::clone(&self.media);
        let Some(stream) = media.streams.get(self.track) else {
            return Ok(Err(Ending::EndOfStream));
        };
        if let Some(search) = self.search {
            self.search = self.search(search, &media, stream)?;
            return Ok(Ok(None));
        }
        if let Some(mut cursor) = self.cursor {
            let piece = self.page.next_piece(&mut cursor);
            self.cursor = piece.is_some().then_some(cursor);
            return match piece {
                Some(piece) => Ok(Ok(self.piece(&piece, stream, memory)?)),
                None if self.page.ends_stream => Ok(Err(Ending::EndOfStream)),
                None => Ok(Ok(None)),
            };
        }
        match self.reader.step(&mut self.window, &mut self.page)? {
            Step::End if self.window.input().len()? < media.end => {
                return Ok(Err(Ending::Failed(CUT_SHORT.into())));
            }
            Step::End => return Ok(Err(Ending::EndOfStream)),
            Step::Work => {}
            // Another chain of streams.
            Step::Page if self.page.begins_stream => return Ok(Err(Ending::EndOfStream)),
            Step::Page if self.page.serial == stream.serial => self.begin_page(&media, stream)?,
            Step::Page => {}
        }
        Ok(Ok(None))
    }

    fn begin_page(&mut self, media: &OggMedia, stream: &Stream) -> io::Result<()> {
        if !self.carried.begin(&self.page) {
            log::debug!("ogg: pages are missing");
            self.maker.gap = true;
            self.granule = None;
        }
        self.cursor = Some(PieceCursor::default());
        let Some(end) = self.page.granule else { return Ok(()) };
        let content = self.page.content(&mut self.window)?;
        let mut lengths = self.maker.lengths;
        let samples = self.carried.samples(&self.page, content, &mut lengths, stream.codec);
        let counted = end.saturating_sub(samples);
        let begin = match (self.page.ends_stream, self.granule.replace(end)) {
            (false, _) => counted,
            // What is behind the granule position of the last page is not to be heard.
            (true, Some(before)) => before,
            (true, None) => counted.max(stream.first),
        };
        self.time = Some(media.npt(stream, begin));
        Ok(())
    }

    fn piece(
        &mut self,
        piece: &Piece,
        stream: &Stream,
        memory: &mut FrameMemory,
    ) -> io::Result<Option<Frame>> {
        let at = self.page.data.saturating_add(piece.range.start as u64);
        let len = piece.range.len();
        let begun = match piece.goes_on {
            true => self.carried.packet(),
            false => Some(&[][..]),
        };
        // The beginning is not there.
        let Some(begun) = begun else { return Ok(None) };
        if !piece.is_last || begun.len() + len > MAX_PACKET {
            if let Some(room) = self.carried.extend(len) {
                self.window.read(at, room)?;
            }
            return Ok(None);
        }
        let mut packet = memory.take(begun.len() + len);
        put(&mut packet, 0, begun);
        let rest = packet.get_mut(begun.len()..).unwrap_or_default();
        self.window.read(at, rest)?;
        self.carried.drop_packet();
        if packet.is_empty() {
            return Ok(None);
        }
        Ok(self.maker.framed_sound(stream.codec, packet.freeze(), self.time.take()))
    }

    /// Goes on with a search by a page, or by some bytes. Returns it unless it is over.
    fn search(
        &mut self,
        search: Search,
        media: &OggMedia,
        stream: &Stream,
    ) -> io::Result<Option<Search>> {
        let Search { npt, low, high, .. } = search;
        let (low, high) = match self.reader.step(&mut self.window, &mut self.page)? {
            Step::Work => return Ok(Some(search)),
            Step::Page if self.page.serial != stream.serial => return Ok(Some(search)),
            Step::Page => match self.page.granule {
                None => return Ok(Some(search)),
                Some(end) if media.npt(stream, end) <= npt => (self.page.at, high),
                Some(_) => (low, search.middle),
            },
            Step::End => (low, search.middle),
        };
        Ok(self.look_between(npt, low, high))
    }

    /// Looks in the middle, or goes to the front if that is near.
    fn look_between(&mut self, npt: Duration, low: u64, high: u64) -> Option<Search> {
        if high.saturating_sub(low) <= NEAR {
            self.go_to(low);
            return None;
        }
        let middle = low + (high - low) / 2;
        self.reader = PageReader::new(middle, high);
        Some(Search { npt, low, high, middle })
    }
}

impl FramedSource for OggSource {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        for _ in 0..STEPS_A_POLL {
            let ending = match self.step(cx.frame_memory()) {
                Ok(Ok(None)) => continue,
                Ok(Ok(Some(frame))) => return FramePoll::Ready(frame),
                Ok(Err(ending)) => ending,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    Ending::Failed(CUT_SHORT.into())
                }
                Err(e) => Ending::Failed(e.to_string()),
            };
            self.ended = Some(ending.clone());
            return FramePoll::Ended(ending);
        }
        FramePoll::Pending(Wait::Work)
    }

    fn check_seek(&self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        match self.media.duration {
            Some(duration) if npt > duration => Err(SeekError::OutOfRange),
            _ => Ok(()),
        }
    }

    fn seek(&mut self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        self.check_seek(npt, cx)?;
        let stream = self.media.streams.get(self.track);
        let data = stream.map_or(self.media.end, |stream| stream.data);
        self.go_to(data);
        self.ended = None;
        self.maker.restart();
        // Every packet is one to start with.
        self.maker.from = npt;
        self.search =
            if npt.is_zero() { None } else { self.look_between(npt, data, self.media.end) };
        Ok(npt)
    }

    fn duration(&self) -> Option<Duration> {
        self.media.duration
    }
}
