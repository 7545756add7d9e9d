//! [`Extent`]: how long the elementary streams of a transport stream last, from the time stamps at
//! its ends. A file that repeats must not begin again before all of them have ended, and need not
//! wait longer.

use crate::framer::adts::Adts;
use crate::framer::mpeg_audio::MpegAudio;
use crate::framer::mpeg_ts::{PesStart, TICKS, payload_of};
use crate::framer::sync::{SyncFormat, SyncFramer, UnitFramer, frame_time};

/// Elementary streams that are looked at.
const MAX_STREAMS: usize = 16;
/// Bytes of the last PES packet of a stream of audio that are looked at.
const MAX_PES: usize = 64 * 1024;
/// Longest time that one PES packet may stand for: 1 s.
const MAX_LAST: u64 = 90_000;
/// How far a plausible extent lies from what the clock says, at most: 2 s.
const MAX_DIFFERENCE: u64 = 2 * 27_000_000;
const STAMP_MODULUS: u64 = 1 << 33;

#[derive(Debug)]
struct Stream {
    pid: u16,
    /// Earliest presentation and decoding time at the start.
    first: [u64; 2],
    last: Option<Last>,
}

/// The last PES packet of a stream.
#[derive(Debug)]
struct Last {
    /// Offset of the packet that it begins in.
    offset: u64,
    dts: u64,
    pts: u64,
    /// Time from the one before to it.
    step: u64,
    is_audio: bool,
    payload: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Extent {
    streams: Vec<Stream>,
}

/// From `a` to `b` over the wrap; 0 if `b` lies before.
const fn since(a: u64, b: u64) -> u64 {
    let step = (b + STAMP_MODULUS - a) % STAMP_MODULUS;
    if step < STAMP_MODULUS / 2 { step } else { 0 }
}

impl Extent {
    /// Windows that are looked at, at the start and at the end.
    pub(super) const WINDOWS: u64 = 16;

    /// Takes a packet of the start of the file.
    pub(super) fn handle_first(&mut self, packet: &[u8]) {
        let Some(pes) = PesStart::parse(packet) else { return };
        let room = self.streams.len() < MAX_STREAMS;
        match self.streams.iter_mut().find(|stream| stream.pid == pes.pid) {
            Some(stream) => {
                // Frames are reordered: one of the next is shown before the first.
                let [pts, _] = &mut stream.first;
                if since(*pts, pes.pts) == 0 && since(pes.pts, *pts) < MAX_LAST {
                    *pts = pes.pts;
                }
            }
            None if room => {
                self.streams.push(Stream { pid: pes.pid, first: [pes.pts, pes.dts], last: None });
            }
            None => {}
        }
    }

    /// Takes a packet of the end of the file.
    pub(super) fn handle_last(&mut self, offset: u64, packet: &[u8]) {
        let Some((pid, payload)) = payload_of(packet) else { return };
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == pid) else { return };
        let Some(pes) = PesStart::parse(packet) else {
            if let Some(last) = stream.last.as_mut().filter(|l| l.is_audio && offset > l.offset) {
                let room = MAX_PES.saturating_sub(last.payload.len());
                last.payload.extend_from_slice(payload.get(..room).unwrap_or(payload));
            }
            return;
        };
        let is_audio = (0xc0..=0xdf).contains(&pes.stream_id);
        let before = stream.last.take();
        if before.as_ref().is_some_and(|before| offset <= before.offset) {
            stream.last = before;
            return;
        }
        let (step, pts) = before.as_ref().map_or((0, pes.pts), |before| {
            let later = if since(before.pts, pes.pts) > 0 { pes.pts } else { before.pts };
            (since(before.dts, pes.dts), later)
        });
        let mut bytes = before.map(|before| before.payload).unwrap_or_default();
        bytes.clear();
        if is_audio {
            bytes.extend_from_slice(packet.get(pes.payload..).unwrap_or_default());
        }
        stream.last = Some(Last { offset, dts: pes.dts, pts, step, is_audio, payload: bytes });
    }

    /// How long all streams together last, in units of 1/27 µs. `clock`: what the clock says; where
    /// the time stamps say something else altogether, nothing.
    pub(super) fn ticks(&self, clock: u64) -> Option<u64> {
        let longest = self.streams.iter().filter_map(Stream::extent).max()?;
        let ticks = longest.saturating_mul(TICKS);
        (ticks.abs_diff(clock) <= MAX_DIFFERENCE).then_some(ticks)
    }
}

impl Stream {
    /// From the start of the first frame to the end of the last, in units of a 90 kHz clock.
    fn extent(&self) -> Option<u64> {
        let last = self.last.as_ref()?;
        let [pts, dts] = self.first;
        let counted = frames(&Adts, &last.payload).or_else(|| frames(&MpegAudio, &last.payload));
        let length = counted.unwrap_or(last.step).min(MAX_LAST);
        Some(since(dts, last.dts).max(since(pts, last.pts)) + length)
    }
}

/// How long the frames of a PES packet last, in units of a 90 kHz clock.
fn frames(format: &'static dyn SyncFormat, payload: &[u8]) -> Option<u64> {
    let header = format.parse(payload)?;
    let mut sync = SyncFramer::new(format);
    sync.resume(0, header);
    sync.handle_bytes(payload);
    sync.handle_end();
    let units = std::iter::from_fn(|| sync.poll_unit()).count() as u64;
    let time = frame_time(units, header.samples, header.sampling_rate);
    u64::try_from((time.as_nanos() * 9).div_ceil(100_000)).ok()
}
