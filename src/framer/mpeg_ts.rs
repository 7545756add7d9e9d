//! MPEG-2 transport streams → groups of packets that are due at the time of their PCR.
//!
//! Read ISO/IEC 13818-1 sections 2.4.3.2 (packet), 2.4.3.4 (adaptation field) and 2.4.2.2 (PCR).
//! Packets of 192 bytes (.m2ts) have four bytes in front of them, which are not sent.

use crate::frame::Frame;
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// Bytes of a packet as it is sent.
pub const PACKET_LEN: usize = 188;
/// Bytes from one packet to the next in an .m2ts file.
pub const M2TS_STRIDE: usize = 192;
const SYNC: u8 = 0x47;
/// Packets that must follow each other before sync is believed.
const CONFIRMATIONS: usize = 4;
/// PCR values count modulo this, in units of 1/27 µs.
pub(crate) const PCR_MODULUS: u64 = (1 << 33) * 300;
/// A longer way from one PCR to the next is no way but a jump; ISO/IEC 13818-1 demands 0.1 s.
const MAX_PCR_STEP: u64 = 10 * 27_000_000;
/// Bytes that wait for the next PCR before their time is guessed from the rate so far: 0.1 s of
/// 40 Mbit/s.
const MAX_LOOKAHEAD: usize = 512 * 1024;
/// Packets without a PCR of the chosen PID after which another PID may replace it.
const PCR_PID_PATIENCE: u64 = 50_000;
/// Ticks in so many packets until two PCRs tell better: 10 Mbit/s.
const ASSUMED_RATE: (u64, u64) = (4061, 1);

/// A program clock reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcr {
    /// PID of the packet that carries it.
    pub pid: u16,
    /// Units of 1/27 µs, modulo 2³³ × 300.
    pub value: u64,
    /// The packet says that the time base changes with it.
    pub discontinuity: bool,
    /// The packet says that decoding can start with it.
    pub random_access: bool,
}

impl Pcr {
    /// The PCR of a packet, if it has one.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let &[sync, p0, p1, flags, len, adaptation, b0, b1, b2, b3, b4, b5] =
            packet.first_chunk::<12>()?;
        // transport_error_indicator clear, adaptation field there and long enough, PCR_flag set.
        if sync != SYNC || p0 & 0x80 != 0 || flags & 0x20 == 0 || len < 7 || adaptation & 0x10 == 0
        {
            return None;
        }
        let base = u64::from(u32::from_be_bytes([b0, b1, b2, b3])) << 1 | u64::from(b4 >> 7);
        let extension = u64::from(b4 & 1) << 8 | u64::from(b5);
        Some(Self {
            pid: u16::from(p0 & 0x1f) << 8 | u16::from(p1),
            value: (base * 300 + extension) % PCR_MODULUS,
            discontinuity: adaptation & 0x80 != 0,
            random_access: adaptation & 0x40 != 0,
        })
    }

    /// Units from `earlier` to this, over the wrap.
    pub const fn since(&self, earlier: u64) -> u64 {
        (self.value + PCR_MODULUS - earlier) % PCR_MODULUS
    }
}

/// Units of 1/27 µs as a duration.
pub(crate) fn ticks_to_duration(ticks: u64) -> Duration {
    Duration::from_micros(ticks / 27) + Duration::from_nanos(ticks % 27 * 1000 / 27)
}

/// A duration in units of 1/27 µs.
pub(crate) fn duration_to_ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() * 27 / 1000).unwrap_or(u64::MAX)
}

/// Where packets begin in `bytes` and how far apart they are. `ended`: nothing follows, so fewer
/// packets will do. `Err`: the bytes before this offset hold no packet; more are needed to tell.
pub(crate) fn find_sync(
    bytes: &[u8],
    strides: &[usize],
    ended: bool,
) -> Result<(usize, usize), usize> {
    let mut from = 0;
    while let Some(i) = bytes.get(from..).and_then(|rest| memchr::memchr(SYNC, rest)) {
        let at = from + i;
        let mut undecided = false;
        for &stride in strides {
            match run(bytes, at, stride, ended) {
                Run::Packets if stride == PACKET_LEN => return Ok((at, stride)),
                // The time stamps in front of the packets may look like sync bytes as well.
                Run::Packets => match run(bytes, at + M2TS_STRIDE - PACKET_LEN, stride, ended) {
                    Run::Packets => return Ok((at + M2TS_STRIDE - PACKET_LEN, stride)),
                    Run::No => return Ok((at, stride)),
                    Run::NeedMore => undecided = true,
                },
                Run::NeedMore => undecided = true,
                Run::No => {}
            }
        }
        if undecided {
            return Err(at);
        }
        from = at + 1;
    }
    Err(bytes.len())
}

enum Run {
    Packets,
    No,
    NeedMore,
}

/// Whether packets follow each other from `at` on.
fn run(bytes: &[u8], at: usize, stride: usize, ended: bool) -> Run {
    for i in 0..CONFIRMATIONS {
        match bytes.get(at + i * stride) {
            Some(&SYNC) => {}
            Some(_) => return Run::No,
            None if !ended => return Run::NeedMore,
            None if bytes.len() >= at + PACKET_LEN => return Run::Packets,
            None => return Run::No,
        }
    }
    Run::Packets
}

/// The packets in a piece of a stream, each with its offset; garbage between them is passed over.
pub(crate) fn packets(bytes: &[u8], stride: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let mut synced = false;
    std::iter::from_fn(move || {
        if !synced || bytes.get(at) != Some(&SYNC) {
            let rest = bytes.get(at..).filter(|_| stride > 0)?;
            at += find_sync(rest, &[stride], true).ok()?.0;
            synced = true;
        }
        let packet = (at, bytes.get(at..at + PACKET_LEN)?);
        at += stride;
        Some(packet)
    })
}

/// Cuts a byte stream into groups of transport stream packets (seven, unless told otherwise).
/// Their times are interpolated between the PCRs around them, and count from the first PCR; jumps
/// and wraps of the clock are bridged at the rate so far.
///
/// Feed with [`handle_bytes`](Self::handle_bytes), then [`poll_frame`](Self::poll_frame) until it
/// gives nothing; [`handle_end`](Self::handle_end) lets the last frames out. Packets wait for the
/// PCR that follows them, but never more than half a megabyte.
#[derive(Debug)]
pub struct TsFramer {
    buffer: BytesMut,
    /// Bytes from packet to packet, once known.
    stride: Option<usize>,
    synced: bool,
    per_frame: usize,
    clock: Clock,
    /// Packets cut so far.
    packets: u64,
    gap: bool,
    /// Groups whose time is not yet known: number of the first packet, bytes, flag.
    waiting: VecDeque<(u64, Bytes, bool)>,
    waiting_bytes: usize,
    ready: VecDeque<Frame>,
    ended: bool,
}

impl Default for TsFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl TsFramer {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            stride: None,
            synced: false,
            per_frame: 7,
            clock: Clock::default(),
            packets: 0,
            gap: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// With another number of packets a frame, at least one.
    pub fn with_packets_per_frame(mut self, n: usize) -> Self {
        self.per_frame = n.clamp(1, 1000);
        self
    }

    /// Starts anew in the same stream: the next PCR stands for `time`.
    pub fn resume_at(&mut self, time: Duration) {
        let pid = self.clock.pid;
        *self = Self { stride: self.stride, per_frame: self.per_frame, ..Self::new() };
        self.clock.pid = pid;
        self.clock.last = duration_to_ticks(time);
    }

    /// Marks the next frame as following a gap.
    pub(crate) fn mark_gap(&mut self) {
        self.gap = true;
    }

    /// Takes PCRs from this PID; unset, from the PID of the first.
    pub fn set_pcr_pid(&mut self, pid: u16) {
        self.clock.pid = Some(pid);
    }

    /// Takes the bytes that follow. What is not polled is kept.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Lets `read` put up to `len` bytes straight behind those that are already here, and returns
    /// how many it did.
    pub(crate) fn handle_read(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let before = self.buffer.len();
        self.buffer.resize(before + len, 0);
        let got = read(self.buffer.get_mut(before..).unwrap_or_default());
        self.buffer.truncate(before + got.as_ref().map_or(0, |&n| n.min(len)));
        got
    }

    /// No more bytes will come.
    pub fn handle_end(&mut self) {
        self.ended = true;
    }

    /// Bytes from packet to packet: 188 or 192, once known.
    pub const fn stride(&self) -> Option<usize> {
        self.stride
    }

    /// The next group of packets.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        while self.ready.is_empty() {
            if !self.cut_group() {
                if self.ended {
                    self.settle_all();
                }
                break;
            }
            if self.waiting_bytes > MAX_LOOKAHEAD {
                self.settle_all();
            }
        }
        self.ready.pop_front()
    }

    /// Takes one group out of the buffer; `false` if there is none in it.
    fn cut_group(&mut self) -> bool {
        loop {
            let stride = match (self.synced, self.stride) {
                (true, Some(stride)) => stride,
                (_, known) => {
                    let found = match known {
                        Some(stride) => find_sync(&self.buffer, &[stride], self.ended),
                        None => find_sync(&self.buffer, &[PACKET_LEN, M2TS_STRIDE], self.ended),
                    };
                    match found {
                        Ok((at, stride)) => {
                            self.gap |= at > 0 && self.packets > 0;
                            self.buffer.advance(at);
                            self.stride = Some(stride);
                            self.synced = true;
                            stride
                        }
                        Err(useless) => {
                            self.gap |= useless > 0 && self.packets > 0;
                            self.buffer.advance(useless);
                            return false;
                        }
                    }
                }
            };
            // A packet counts as being here when the bytes before the next one are, too.
            let needed = if self.ended { PACKET_LEN } else { stride };
            let mut n = 0;
            while n < self.per_frame
                && self.buffer.len() >= n * stride + needed
                && self.buffer.get(n * stride) == Some(&SYNC)
            {
                n += 1;
            }
            if n < self.per_frame {
                // The four bytes in front of the first packet of an .m2ts file are no gap; those
                // in front of the others are passed over with the packet before.
                match self.buffer.get(n * stride) {
                    Some(&SYNC) | None if !self.ended => return false,
                    Some(&SYNC) | None => {
                        if n == 0 {
                            self.buffer.clear();
                            return false;
                        }
                    }
                    Some(_) => self.synced = false,
                }
            }
            if n > 0 {
                self.take_group(n, stride);
                return true;
            }
        }
    }

    fn take_group(&mut self, n: usize, stride: usize) {
        let raw = self.buffer.split_to((n * stride).min(self.buffer.len()));
        let data = if stride == PACKET_LEN {
            raw.freeze()
        } else {
            let mut data = Vec::with_capacity(n * PACKET_LEN);
            for packet in raw.chunks(stride) {
                data.extend_from_slice(packet.get(..PACKET_LEN).unwrap_or_default());
            }
            data.into()
        };
        let first = self.packets;
        self.packets += n as u64;
        self.waiting_bytes += data.len();
        let gap = std::mem::take(&mut self.gap);
        self.waiting.push_back((first, data.clone(), gap));
        for (i, packet) in data.chunks(PACKET_LEN).enumerate() {
            if let Some(pcr) = Pcr::parse(packet) {
                if self.clock.handle_pcr(pcr, first + i as u64) {
                    self.settle_all();
                }
            }
        }
    }

    /// Gives the groups that wait their time.
    fn settle_all(&mut self) {
        self.waiting_bytes = 0;
        while let Some((first, data, gap)) = self.waiting.pop_front() {
            let pts = self.clock.time_of(first);
            let duration = self.clock.span_of((data.len() / PACKET_LEN) as u64);
            let mut frame = Frame::new(data, pts, duration);
            frame.flags.discontinuity = gap;
            self.ready.push_back(frame);
        }
    }
}

/// Counts time along the PCRs of one PID.
#[derive(Debug, Default)]
struct Clock {
    pid: Option<u16>,
    /// The last PCR: its value, the time it stands for, the number of its packet.
    anchor: Option<(u64, u64, u64)>,
    /// Ticks that passed in so many packets, between the last two PCRs.
    rate: Option<(u64, u64)>,
    /// Time given out last; it never decreases.
    last: u64,
}

impl Clock {
    /// Takes the PCR of packet number `index`; says whether the times of the packets before it
    /// are now known.
    fn handle_pcr(&mut self, pcr: Pcr, index: u64) -> bool {
        let Some((value, time, at)) = self.anchor else {
            if *self.pid.get_or_insert(pcr.pid) != pcr.pid && index < PCR_PID_PATIENCE {
                return false;
            }
            self.pid = Some(pcr.pid);
            self.anchor = Some((pcr.value, self.last, index));
            return true;
        };
        let packets = index.saturating_sub(at);
        let mut jump = pcr.discontinuity;
        if self.pid != Some(pcr.pid) {
            if packets < PCR_PID_PATIENCE {
                return false;
            }
            self.pid = Some(pcr.pid);
            jump = true;
        }
        let step = pcr.since(value);
        if step == 0 && !jump {
            // A clock that stands says nothing; taken at its word, all would be sent at once.
            return false;
        }
        let time = if jump || step > MAX_PCR_STEP {
            time.saturating_add(self.ticks(packets))
        } else {
            // The packets between lie on the line from the last PCR to this; `time_of` counts
            // backwards from here, on the same line.
            self.rate = (packets > 0).then_some((step, packets)).or(self.rate);
            time.saturating_add(step)
        };
        self.anchor = Some((pcr.value, time, index));
        true
    }

    /// Ticks of `packets` packets at the rate so far.
    fn ticks(&self, packets: u64) -> u64 {
        let (ticks, per) = self.rate.unwrap_or(ASSUMED_RATE);
        let ticks = u128::from(ticks) * u128::from(packets) / u128::from(per.max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    fn time_of(&mut self, index: u64) -> Duration {
        if let Some((_, time, at)) = self.anchor {
            let ticks = if index >= at {
                time.saturating_add(self.ticks(index - at))
            } else {
                time.saturating_sub(self.ticks(at - index))
            };
            self.last = self.last.max(ticks);
        }
        ticks_to_duration(self.last)
    }

    fn span_of(&self, packets: u64) -> Duration {
        ticks_to_duration(self.ticks(packets))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::payload::testing::XorShift;

    /// A packet; with a PCR if `pcr` says so.
    pub(crate) fn packet(pid: u16, pcr: Option<u64>, fill: u8) -> Vec<u8> {
        let mut packet = vec![fill; PACKET_LEN];
        packet[..4].copy_from_slice(&[SYNC, (pid >> 8) as u8, pid as u8, 0x10]);
        if let Some(value) = pcr {
            let value = value % PCR_MODULUS;
            let (base, extension) = (value / 300, value % 300);
            packet[3] = 0x30;
            packet[4..6].copy_from_slice(&[7, 0x10]);
            packet[6..10].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
            packet[10] = ((base & 1) as u8) << 7 | 0x7e | (extension >> 8) as u8;
            packet[11] = extension as u8;
        }
        packet
    }

    /// `n` packets, `ticks` apart, with a PCR on every tenth, the first at `start`.
    pub(crate) fn stream(n: u64, start: u64, ticks: u64) -> Vec<u8> {
        (0..n)
            .flat_map(|i| packet(256, (i % 10 == 0).then_some(start + i * ticks), i as u8))
            .collect()
    }

    fn whole(bytes: &[u8], piece: usize) -> Vec<Frame> {
        let mut framer = TsFramer::new();
        let mut frames = Vec::new();
        for bytes in bytes.chunks(piece) {
            framer.handle_bytes(bytes);
            frames.extend(std::iter::from_fn(|| framer.poll_frame()));
        }
        framer.handle_end();
        frames.extend(std::iter::from_fn(|| framer.poll_frame()));
        frames
    }

    fn bytes_of(frames: &[Frame]) -> Vec<u8> {
        frames.iter().flat_map(|f| f.data.to_vec()).collect()
    }

    #[test]
    fn pcr() {
        let value = 1_234_567_890_123;
        let expected = Pcr { pid: 257, value, discontinuity: false, random_access: false };
        assert_eq!(Pcr::parse(&packet(257, Some(value), 0)), Some(expected));
        assert_eq!(Pcr::parse(&packet(257, None, 0xff)), None);
    }

    #[test]
    fn times_lie_on_the_line_between_pcrs_also_over_the_wrap() {
        for start in [0, 900_000, PCR_MODULUS - 500_000] {
            let bytes = stream(100, start, 27_000);
            let frames = whole(&bytes, usize::MAX);
            assert_eq!(frames.len(), 15);
            for (i, frame) in frames.iter().enumerate() {
                assert_eq!(frame.pts, Duration::from_millis(i as u64 * 7), "from {start}");
            }
            assert_eq!(frames[3].duration, Duration::from_millis(7));
            assert!(bytes_of(&frames) == bytes);
        }
    }

    #[test]
    fn any_pieces_give_the_same() {
        let mut bytes = stream(60, 77, 1000);
        bytes.splice(188 * 31..188 * 31, XorShift::new(5).bytes(1000));
        bytes.splice(0..0, XorShift::new(6).bytes(333));
        bytes.truncate(bytes.len() - 100);
        let frames = whole(&bytes, usize::MAX);
        assert_eq!(frames.iter().map(|f| f.data.len()).sum::<usize>(), 59 * 188);
        assert_eq!(frames.iter().filter(|f| f.flags.discontinuity).count(), 1);
        for piece in [1, 5, 188, 191, 5000] {
            assert_eq!(whole(&bytes, piece), frames, "{piece}");
        }
    }

    #[test]
    fn m2ts_loses_its_extra_bytes() {
        let plain = stream(50, 0, 500);
        let m2ts: Vec<u8> =
            plain.chunks(PACKET_LEN).flat_map(|p| [&[0x47, 1, 2, 3], p].concat()).collect();
        assert!(bytes_of(&whole(&m2ts, usize::MAX)) == plain);
        assert!(whole(&m2ts, 100) == whole(&plain, usize::MAX));
    }

    #[test]
    fn a_jump_of_the_clock_is_bridged() {
        let mut bytes = stream(50, 500_000_000_000, 27_000);
        bytes.extend_from_slice(&stream(50, 7, 27_000));
        let frames = whole(&bytes, usize::MAX);
        for (i, frame) in frames.iter().enumerate() {
            assert_eq!(frame.pts, Duration::from_millis(i as u64 * 7));
        }
    }

    #[test]
    fn another_pid_does_not_disturb() {
        let bytes: Vec<u8> = (0..50)
            .flat_map(|i| {
                let mut two = packet(256, Some(i * 27_000), 1);
                two.extend_from_slice(&packet(300, Some(99_999_999_999 - i), 1));
                two
            })
            .collect();
        let frames = whole(&bytes, usize::MAX);
        for (i, frame) in frames.iter().enumerate() {
            assert_eq!(frame.pts, Duration::from_micros(i as u64 * 3500));
        }
    }

    #[test]
    fn a_clock_that_stands_or_never_comes_back_does_not_let_all_go_at_once() {
        let mut bytes = stream(10, 0, 27_000);
        for _ in 0..5000 {
            bytes.extend_from_slice(&packet(256, Some(0), 3));
        }
        let frames = whole(&bytes, 10_000);
        assert!(frames.last().unwrap().pts > Duration::from_millis(700));
    }

    #[test]
    fn without_a_pcr_memory_stays_small_and_time_stands_still() {
        let mut framer = TsFramer::new();
        let run: Vec<u8> = (0..1000).flat_map(|_| packet(99, None, 0)).collect();
        let mut packets = 0;
        for _ in 0..20 {
            framer.handle_bytes(&run);
            while let Some(frame) = framer.poll_frame() {
                assert_eq!(frame.pts, Duration::ZERO);
                packets += frame.data.len() / PACKET_LEN;
            }
            assert!(framer.waiting_bytes <= MAX_LOOKAHEAD);
        }
        assert!(packets > 15_000);
    }

    #[test]
    fn garbage_gives_nothing_and_ends() {
        for seed in 0..10 {
            let mut bytes = XorShift::new(seed).bytes(30_000);
            for byte in bytes.iter_mut().step_by(seed as usize + 2) {
                *byte = SYNC;
            }
            whole(&bytes, 1000);
        }
        assert!(whole(&[], 1).is_empty());
        assert!(whole(&[SYNC; 100], 7).is_empty());
    }
}
