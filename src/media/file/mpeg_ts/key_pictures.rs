//! [`KeyPictures`]: plays the key pictures of a transport stream alone, forwards or backwards, without
//! an index file.
//!
//! Key pictures are found in the file: by the timeline, and from there on by the packets that say that
//! decoding can start with them (ISO/IEC 13818-1 section 2.4.3.5, random_access_indicator) or begin with
//! what a key picture begins with. What is sent is a transport stream again: the tables, and of each key
//! picture the packets of the video. Its clock and the time stamps are changed so that the clock goes on
//! at its normal rate, and a picture comes as long after another as it is presented.

use super::layout::{Layout, OVERLAP, WINDOW};
use super::tables::{Video, VideoCodec};
use super::timeline::{Anchor, Timeline};
use crate::frame::Frame;
use crate::framer::mpeg_ts::{
    PACKET_LEN, PCR_MODULUS, Pcr, PesStart, Stamps, TICKS, drop_payload, drop_pcr,
    duration_to_ticks, payload_of, ticks_to_duration,
};
use crate::media::file::shared::read_window;
use crate::media::scale::{LEAST_INTERVAL, scaled};
use crate::media::{Ending, FramePoll, Wait};
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io;
use std::time::Duration;

/// Windows that are looked at in one call.
const WINDOWS_A_POLL: usize = 16;
/// A key picture is cut off behind as many bytes, and where it goes on behind as many windows: what
/// lies between its packets is no longer than a picture.
const MAX_PICTURE: usize = 4 << 20;
const MAX_PICTURE_WINDOWS: usize = 96;

/// The file that they are in, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiplex<'a> {
    pub(super) file: &'a File,
    pub(super) len: u64,
    pub(super) layout: Layout,
    pub(super) first: Anchor,
    pub(super) timeline: &'a Timeline,
}

impl Multiplex<'_> {
    /// A packet with a PCR not far before a time: where it is, and when.
    fn clock_before(&self, ticks: u64) -> io::Result<(u64, u64)> {
        self.layout.clock_before(self.file, self.timeline, self.len, ticks)
    }
}

/// Plays key pictures.
#[derive(Debug)]
pub(super) struct KeyPictures {
    video: Video,
    scale: f32,
    /// Packets of the tables, which go out in front of each picture.
    tables: Bytes,
    search: Search,
    /// The picture that was given last: where it begins and ends, and when it is.
    last: Option<Picture>,
    /// The first picture since the last seek, and its clock.
    first: Option<(Times, u64)>,
}

/// Where the next picture is looked for.
#[derive(Clone, Copy, Debug)]
enum Search {
    /// Forwards from this offset, whose time is known, if it is.
    From { offset: u64, ticks: Option<u64> },
    /// Backwards: the last one that is not later than `latest`, and begins before `below`.
    Before { below: u64, latest: u64 },
    /// There is none.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Picture {
    offset: u64,
    ticks: u64,
}

/// The times of a picture in the file, in units of 1/27 µs.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// From the beginning of the file.
    ticks: u64,
    /// What its PTS is; `None` if it has none.
    pts: Option<u64>,
}

impl KeyPictures {
    pub(super) fn new(video: Video, scale: f32, tables: Bytes) -> Self {
        let search = Search::From { offset: 0, ticks: Some(0) };
        Self { video, scale, tables, search, last: None, first: None }
    }

    /// Sends other tables from now on.
    pub(super) fn set_tables(&mut self, tables: Bytes) {
        self.tables = tables;
    }

    const fn is_backwards(&self) -> bool {
        self.scale < 0.0
    }

    /// Begins at a place of the file.
    pub(super) fn begin(&mut self, offset: u64, ticks: u64) {
        self.search = if self.is_backwards() {
            Search::Before { below: offset.saturating_add(1), latest: u64::MAX }
        } else {
            Search::From { offset, ticks: Some(ticks) }
        };
        (self.last, self.first) = (None, None);
    }

    /// The next key picture.
    pub(super) fn poll_picture(
        &mut self,
        of: &Multiplex<'_>,
        stamps: &mut Stamps,
    ) -> io::Result<FramePoll> {
        for _ in 0..WINDOWS_A_POLL {
            let found = match self.search {
                Search::Over => return Ok(FramePoll::Ended(Ending::EndOfStream)),
                Search::From { offset, ticks } => self.look_on(of, offset, ticks)?,
                Search::Before { below, latest } => self.look_back(of, below, latest)?,
            };
            if let Some(picture) = found {
                let frame = self.picture(of, picture, stamps)?;
                self.last = Some(picture);
                self.find_next(of)?;
                return Ok(FramePoll::Ready(frame));
            }
        }
        Ok(FramePoll::Pending(Wait::Work))
    }

    /// Decides where the picture behind the last one is looked for.
    fn find_next(&mut self, of: &Multiplex<'_>) -> io::Result<()> {
        let Some(last) = self.last else { return Ok(()) };
        let step = duration_to_ticks(scaled(LEAST_INTERVAL, self.scale));
        if self.is_backwards() {
            // The first picture is shown in any case.
            let latest = last.ticks.saturating_sub(step);
            let place = of.clock_before(latest)?.0;
            let below = place.saturating_add(2 * WINDOW as u64).min(last.offset);
            self.search = Search::Before { below, latest };
            return Ok(());
        }
        let behind = (last.offset + PACKET_LEN as u64, last.ticks);
        let place = of.clock_before(last.ticks.saturating_add(step))?;
        let (offset, ticks) = if place.0 > behind.0 { place } else { behind };
        self.search = Search::From { offset, ticks: Some(ticks) };
        Ok(())
    }

    /// Looks for a key picture in the window at `offset`.
    fn look_on(
        &mut self,
        of: &Multiplex<'_>,
        offset: u64,
        mut ticks: Option<u64>,
    ) -> io::Result<Option<Picture>> {
        let bytes = read_window(of.file, WINDOW + OVERLAP, offset)?;
        for (at, packet) in of.layout.packets(&bytes).take_while(|(at, _)| *at < WINDOW) {
            let at = offset + at as u64;
            let own = Pcr::parse(packet).and_then(|pcr| of.timeline.ticks(at, pcr));
            ticks = own.or(ticks);
            if self.begins_key_picture(packet) {
                if let Some(ticks) = ticks {
                    return Ok(Some(Picture { offset: at, ticks }));
                }
            }
        }
        self.search = if bytes.len() < WINDOW || offset >= of.len {
            Search::Over
        } else {
            Search::From { offset: offset + WINDOW as u64, ticks }
        };
        Ok(None)
    }

    /// Looks for the last key picture in the window that ends at `below`.
    fn look_back(
        &mut self,
        of: &Multiplex<'_>,
        below: u64,
        latest: u64,
    ) -> io::Result<Option<Picture>> {
        let begin = below.saturating_sub(WINDOW as u64);
        let bytes = read_window(of.file, WINDOW + OVERLAP, begin)?;
        let mut ticks = None;
        let mut found = None;
        for (at, packet) in of.layout.packets(&bytes) {
            let at = begin + at as u64;
            let own = Pcr::parse(packet).and_then(|pcr| of.timeline.ticks(at, pcr));
            ticks = own.or(ticks);
            if at >= below {
                break;
            }
            if !self.begins_key_picture(packet) {
                continue;
            }
            // One in front of the first PCR of the window has about the time of that.
            let soon = || {
                of.layout
                    .packets(bytes.get((at - begin) as usize..)?)
                    .find_map(|(i, packet)| of.timeline.ticks(at + i as u64, Pcr::parse(packet)?))
            };
            if let Some(ticks) = ticks.or_else(soon).filter(|ticks| *ticks <= latest) {
                found = Some(Picture { offset: at, ticks });
            }
        }
        if found.is_none() {
            self.search = if begin <= of.first.offset {
                // The first picture may come later than what was looked for.
                Search::Over
            } else {
                Search::Before { below: begin, latest }
            };
        }
        Ok(found)
    }

    /// Whether a packet begins a picture with which decoding can start.
    fn begins_key_picture(&self, packet: &[u8]) -> bool {
        let &[_, b1, _, b3, len, flags, ..] = packet else { return false };
        let Some((pid, payload)) = payload_of(packet) else { return false };
        if pid != self.video.pid || b1 & 0x40 == 0 {
            return false;
        }
        let is_marked = b3 & 0x20 != 0 && len > 0 && flags & 0x40 != 0;
        is_marked || begins_with_headers(self.video.codec, payload)
    }

    /// Reads a key picture: the packets up to the next picture.
    fn picture(
        &mut self,
        of: &Multiplex<'_>,
        picture: Picture,
        stamps: &mut Stamps,
    ) -> io::Result<Frame> {
        let pcr_pid = of.timeline.before(picture.offset).unwrap_or(of.first).pcr.pid;
        let mut data = BytesMut::from(&self.tables[..]);
        let mut pts = None;
        let (mut offset, mut has_pcr) = (picture.offset, false);
        'windows: for _ in 0..MAX_PICTURE_WINDOWS {
            let bytes = read_window(of.file, WINDOW + OVERLAP, offset)?;
            for (at, packet) in of.layout.packets(&bytes).take_while(|(at, _)| *at < WINDOW) {
                let &[_, b1, b2, ..] = packet else { continue };
                let pid = u16::from(b1 & 0x1f) << 8 | u16::from(b2);
                let is_video = pid == self.video.pid;
                let is_first = offset + at as u64 == picture.offset;
                if is_video && b1 & 0x40 != 0 && !is_first || data.len() >= MAX_PICTURE {
                    break 'windows;
                }
                let is_clock = pid == pcr_pid && Pcr::parse(packet).is_some();
                if !(is_video || is_clock && !has_pcr) {
                    continue;
                }
                let mut own = [0; PACKET_LEN];
                own.copy_from_slice(packet.get(..PACKET_LEN).unwrap_or(&[0; PACKET_LEN]));
                if is_first {
                    pts = PesStart::parse(&own).map(|start| start.pts * TICKS);
                }
                // The clock is told once a picture: the next one may come earlier than in the file.
                if is_clock && has_pcr {
                    drop_pcr(&mut own);
                }
                has_pcr |= is_clock;
                if !is_video {
                    drop_payload(&mut own);
                }
                data.extend_from_slice(&own);
            }
            if bytes.len() < WINDOW {
                break;
            }
            offset += WINDOW as u64;
        }
        self.retime(of, picture, pts, stamps);
        data.chunks_exact_mut(PACKET_LEN).for_each(|packet| stamps.handle_packet(packet));
        let is_first = self.last.is_none();
        let time = ticks_to_duration(picture.ticks);
        let mut frame = Frame::new(data.freeze(), time, Duration::ZERO);
        frame.flags.discontinuity = is_first;
        Ok(frame)
    }

    /// Says what is to be added to the times of a picture.
    fn retime(
        &mut self,
        of: &Multiplex<'_>,
        picture: Picture,
        pts: Option<u64>,
        stamps: &mut Stamps,
    ) {
        let anchor = of.timeline.before(picture.offset).unwrap_or(of.first);
        let since = picture.ticks.saturating_sub(anchor.ticks);
        let clock = (anchor.pcr.value + since % PCR_MODULUS) % PCR_MODULUS;
        let times = Times { ticks: picture.ticks, pts };
        let (first, first_clock) = *self.first.get_or_insert((times, clock));
        let later = presented(first.ticks.abs_diff(times.ticks), self.scale);
        let shift = (first_clock + later % PCR_MODULUS + PCR_MODULUS - clock) % PCR_MODULUS;
        // How much earlier or later its time stamp is than that of the first, against the clock.
        let lead = first.pts.zip(pts).map_or(0, |(first, own)| {
            let first = (first % PCR_MODULUS + PCR_MODULUS - first_clock) % PCR_MODULUS;
            let own = (own % PCR_MODULUS + PCR_MODULUS - clock) % PCR_MODULUS;
            (first + PCR_MODULUS - own) % PCR_MODULUS
        });
        stamps.retime(shift, lead);
    }
}

/// How long it takes to present what takes `ticks`.
fn presented(ticks: u64, scale: f32) -> u64 {
    (ticks as f64 / f64::from(scale.abs().max(f32::MIN_POSITIVE))) as u64
}

/// Whether a PES packet begins with headers as only key pictures have them.
fn begins_with_headers(codec: VideoCodec, payload: &[u8]) -> bool {
    let mut rest = payload;
    while let Some(at) = memchr::memmem::find(rest, &[0, 0, 1]) {
        let Some(&code) = rest.get(at + 3) else { return false };
        let is_header = match codec {
            // A sequence header.
            VideoCodec::Mpeg2 => code == 0xb3,
            // A visual object sequence, or a video object layer.
            VideoCodec::Mpeg4 => code == 0xb0 || (0x20..=0x2f).contains(&code),
            // A sequence parameter set, or a slice of an IDR picture.
            VideoCodec::H264 => code < 0x80 && matches!(code & 0x1f, 5 | 7),
            // A video or sequence parameter set, or a slice of an IRAP picture. Stream ids of PES
            // packets have the bit set that is forbidden here.
            VideoCodec::H265 => code < 0x80 && matches!(code >> 1, 16..=21 | 32 | 33),
        };
        if is_header {
            return true;
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests;
