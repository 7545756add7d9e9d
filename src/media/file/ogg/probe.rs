//! [`OggProbe`]: finds out what there is to know of a file, a bounded step at a time.

use super::media::{OggMedia, Stream};
use super::page::{MAX_PAGE, Page, PageReader, Step};
use crate::media::file::container::steps::{Steps, poll_steps};
use crate::media::file::container::window::{Input, SEARCH_CHUNK, Window};
use crate::media::file::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use headers::Beginning;
use std::sync::Arc;
use std::time::Duration;

mod headers;

/// Logical streams that are looked at.
const MAX_STREAMS: usize = 64;
/// A file without a page in its first bytes has none.
const MAX_GARBAGE: u64 = 1 << 20;
/// Bytes in which the first page of sound of every stream must lie.
const MAX_FRONT: u64 = 16 << 20;
/// Bytes at the end in which the last page of a stream is looked for, at first and at most.
const FIRST_TAIL: u64 = 2 * MAX_PAGE;
const MAX_TAIL: u64 = 4 << 20;
/// The end of a link is looked for page by page in so many bytes.
const NEAR: u64 = 16 << 10;

/// A probe under way.
#[derive(Debug)]
pub(super) struct OggProbe {
    /// For the log.
    name: String,
    window: Window,
    phase: Phase,
    page: Page,
    beginnings: Vec<Beginning>,
    streams: Vec<Stream>,
    /// Numbers of streams that are left out.
    others: Vec<u32>,
    /// The position behind the last page of these streams.
    end: u64,
    /// The end of the first link was looked for.
    is_chained: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Reads the headers and the first packets.
    Front(PageReader),
    /// Looks for the last pages in so many bytes.
    Tail {
        reader: PageReader,
        len: u64,
        is_own: bool,
    },
    /// Looks for the end of the first of several links between two positions; there are pages of it
    /// at `low`.
    Link {
        reader: PageReader,
        low: u64,
        middle: u64,
        high: u64,
    },
    Done,
}

impl OggProbe {
    pub(super) fn new(input: Input, name: String) -> Result<Self, ProbeError> {
        let window = Window::new(input, SEARCH_CHUNK)?;
        let end = window.len();
        Ok(Self {
            name,
            window,
            phase: Phase::Front(PageReader::new(0, end)),
            page: Page::default(),
            beginnings: Vec::new(),
            streams: Vec::new(),
            others: Vec::new(),
            end,
            is_chained: false,
        })
    }

    fn front(&mut self, mut reader: PageReader) -> Result<Phase, ProbeError> {
        let is_over = match reader.step(&mut self.window, &mut self.page)? {
            Step::Work => false,
            Step::Page => self.front_page()?,
            Step::End => true,
        };
        let is_garbage = self.page.end == 0 && (is_over || reader.at > MAX_GARBAGE);
        if is_garbage {
            return Err(ProbeError::Content("not an Ogg file".into()));
        }
        if !is_over && reader.at <= MAX_FRONT {
            return Ok(Phase::Front(reader));
        }
        for beginning in std::mem::take(&mut self.beginnings) {
            let Beginning { serial, stream, has_begun, fault, .. } = beginning;
            match stream.filter(|_| has_begun) {
                Some(stream) => self.streams.push(stream),
                None => {
                    let why = fault.unwrap_or_else(|| "it has no sound".into());
                    log::info!("{}: stream {serial:08x} is left out: {why}", self.name);
                    self.others.push(serial);
                }
            }
        }
        if self.streams.is_empty() {
            return Err(ProbeError::Content("no track that can be streamed".into()));
        }
        Ok(self.tail_of(FIRST_TAIL))
    }

    /// Takes note of a page at the front. Returns whether that is over.
    fn front_page(&mut self) -> Result<bool, ProbeError> {
        let page = &self.page;
        let content = page.content(&mut self.window)?;
        if page.begins_stream {
            if self.beginnings.iter().any(|beginning| beginning.has_begun) {
                // The next link.
                return Ok(true);
            }
            let count = self.beginnings.len() + self.others.len();
            if count >= MAX_STREAMS || is_one_of(page.serial, &self.beginnings, &self.others) {
                return Ok(false);
            }
            match Beginning::new(page.serial, content) {
                Ok(beginning) => self.beginnings.push(beginning),
                Err(why) => {
                    log::info!("{}: stream {:08x} is left out: {why}", self.name, page.serial);
                    self.others.push(page.serial);
                }
            }
        }
        let own = self.beginnings.iter_mut().find(|beginning| beginning.serial == page.serial);
        if let Some(beginning) = own {
            beginning.handle_page(page, content);
        }
        let is_over = |beginning: &Beginning| beginning.has_begun || beginning.fault.is_some();
        Ok(!page.begins_stream && self.beginnings.iter().all(is_over))
    }

    /// Whether the page is one of the first link.
    fn is_own(&self) -> bool {
        let serial = self.page.serial;
        let is_sent = self.streams.iter().any(|stream| stream.serial == serial);
        !self.page.begins_stream && (is_sent || self.others.contains(&serial))
    }

    /// The first position behind the headers of a stream.
    fn data(&self) -> u64 {
        self.streams.iter().map(|stream| stream.data).min().unwrap_or(self.end)
    }

    /// Looks at the last `len` bytes.
    fn tail_of(&self, len: u64) -> Phase {
        let at = self.end.saturating_sub(len).max(self.data());
        Phase::Tail { reader: PageReader::new(at, self.end), len, is_own: false }
    }

    fn tail(
        &mut self,
        mut reader: PageReader,
        len: u64,
        mut is_own: bool,
    ) -> Result<Phase, ProbeError> {
        match reader.step(&mut self.window, &mut self.page)? {
            Step::Work => return Ok(Phase::Tail { reader, len, is_own }),
            Step::Page if self.is_own() => {
                is_own = true;
                let (serial, granule) = (self.page.serial, self.page.granule);
                let mut streams = self.streams.iter_mut();
                if let Some(stream) = streams.find(|stream| stream.serial == serial) {
                    stream.last = stream.last.max(granule);
                }
                return Ok(Phase::Tail { reader, len, is_own });
            }
            Step::Page if !is_own && !self.is_chained => {
                self.is_chained = true;
                return Ok(self.look_between(self.data(), self.end));
            }
            // Another link begins here at the latest.
            Step::Page => self.end = self.page.at,
            Step::End => {}
        }
        let is_all = len >= MAX_TAIL || self.end.saturating_sub(len) <= self.data();
        if is_all || self.streams.iter().all(|stream| stream.last.is_some()) {
            return Ok(Phase::Done);
        }
        Ok(self.tail_of((4 * len).max(FIRST_TAIL)))
    }

    fn link(
        &mut self,
        mut reader: PageReader,
        low: u64,
        middle: u64,
        high: u64,
    ) -> Result<Phase, ProbeError> {
        match reader.step(&mut self.window, &mut self.page)? {
            Step::Work => Ok(Phase::Link { reader, low, middle, high }),
            Step::Page if self.is_own() => Ok(self.look_between(self.page.at, high)),
            Step::Page | Step::End => Ok(self.look_between(low, middle)),
        }
    }

    fn look_between(&self, low: u64, high: u64) -> Phase {
        if high.saturating_sub(low) <= NEAR {
            return Phase::Tail { reader: PageReader::new(low, self.end), len: 0, is_own: false };
        }
        let middle = low + (high - low) / 2;
        Phase::Link { reader: PageReader::new(middle, high), low, middle, high }
    }

    fn finish(&mut self) -> Result<Arc<OggMedia>, ProbeError> {
        let streams = std::mem::take(&mut self.streams);
        let origin = streams.iter().map(|stream| stream.nanos(stream.first)).min().unwrap_or(0);
        let ends = streams.iter().filter_map(|stream| Some(stream.nanos(stream.last?)));
        let nanos = ends.max().map_or(0, |end| end.saturating_sub(origin));
        let duration = u64::try_from(nanos).ok().filter(|&nanos| nanos > 0);
        let duration = duration.map(Duration::from_nanos);
        let data = streams.first().map_or(0, |stream| stream.data);
        let alone = streams.len() == 1 && self.others.is_empty();
        let bitrate = duration.filter(|_| alone).and_then(|duration| {
            let bits = u128::from(self.end.saturating_sub(data)) * 8_000;
            u32::try_from(bits / duration.as_millis().max(1)).ok()
        });
        let track = |stream: &Stream| Track {
            parameters: stream.parameters.clone(),
            duration,
            seekable: duration.is_some(),
            bitrate,
        };
        Ok(Arc::new(OggMedia {
            input: self.window.input().clone(),
            tracks: streams.iter().map(track).collect(),
            streams,
            origin,
            end: self.end,
            duration,
        }))
    }
}

fn is_one_of(serial: u32, beginnings: &[Beginning], others: &[u32]) -> bool {
    beginnings.iter().any(|beginning| beginning.serial == serial) || others.contains(&serial)
}

impl Steps for OggProbe {
    fn bytes_read(&self) -> u64 {
        self.window.bytes_read()
    }

    fn step(&mut self) -> Result<Option<Arc<dyn MediaFile>>, ProbeError> {
        self.phase = match self.phase {
            Phase::Front(reader) => self.front(reader)?,
            Phase::Tail { reader, len, is_own } => self.tail(reader, len, is_own)?,
            Phase::Link { reader, low, middle, high } => self.link(reader, low, middle, high)?,
            Phase::Done => return Ok(Some(self.finish()?)),
        };
        Ok(None)
    }
}

impl Probe for OggProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        poll_steps(self, budget)
    }
}
