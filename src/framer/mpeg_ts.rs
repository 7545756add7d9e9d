//! MPEG-2 transport streams: cuts them into groups of packets that are due at the time of their
//! PCR.
//!
//! References: ISO/IEC 13818-1 sections 2.4.3.2 (packet), 2.4.3.4 (adaptation field) and 2.4.2.2
//! (PCR). Of packets with 192 bytes (.m2ts) the first four are not sent, of packets with 204 bytes
//! (from a demodulator) the last sixteen, which are error correction.

use super::input::read_behind;
use crate::frame::Frame;
use bytes::{Buf, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

mod clock;
mod packet;
mod stamps;
mod sync;

pub(crate) use clock::{Clock, MAX_PCR_STEP};
use packet::SYNC;
pub use packet::{M2TS_STRIDE, PACKET_LEN, Pcr, REED_SOLOMON_STRIDE};
pub(crate) use packet::{PCR_MODULUS, STRIDES, duration_to_ticks, ticks_to_duration};
#[cfg(feature = "more-files")]
pub(crate) use stamps::stamp;
pub(crate) use stamps::{PesStart, Stamps, TICKS, drop_payload, drop_pcr, payload_of};
pub(crate) use sync::{find_sync, packets};

/// Bytes that wait for the next PCR before their time is extrapolated at the rate so far: 0.1 s of
/// 40 Mbit/s.
const MAX_LOOKAHEAD: usize = 512 * 1024;

/// Cuts a byte stream into groups of transport stream packets (seven by default). Their times are
/// interpolated between the PCRs around them, and count from the first PCR. Where the clock jumps
/// or wraps, time continues at the rate so far.
///
/// Call [`handle_bytes`](Self::handle_bytes), then [`poll_frame`](Self::poll_frame) until it
/// returns `None`; [`handle_end`](Self::handle_end) makes the last frames available. Packets wait
/// for the PCR that follows them, but never more than half a megabyte.
#[derive(Debug)]
pub struct TsFramer {
    /// Groups that were not returned yet, followed by uncut input. Returned frames share its
    /// memory; once they are dropped, new input reuses it.
    buffer: BytesMut,
    /// Bytes of groups in the buffer.
    cut: usize,
    /// Bytes between them and the uncut input that are not packets.
    garbage: usize,
    /// Distance between packets in bytes, once known.
    stride: Option<usize>,
    synced: bool,
    per_frame: usize,
    clock: Clock,
    stamps: Stamps,
    /// Packets cut so far.
    packets: u64,
    gap: bool,
    /// Groups whose times are unknown: number of the first packet, and the group.
    waiting: VecDeque<(u64, Group)>,
    waiting_bytes: usize,
    /// Groups with known times: the group, its time and its duration.
    ready: VecDeque<(Group, Duration, Duration)>,
    ended: bool,
}

/// Packets that are sent together, and their position in the buffer relative to the previous group.
#[derive(Clone, Copy, Debug)]
struct Group {
    /// Bytes before the group that are not packets.
    before: usize,
    /// Bytes of the packets.
    len: usize,
    /// Bytes after the group that are not packets.
    after: usize,
    gap: bool,
}

impl Group {
    const fn whole(&self) -> usize {
        self.before + self.len + self.after
    }
}

impl Default for TsFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl TsFramer {
    /// Creates a framer for the beginning of a stream.
    pub fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            cut: 0,
            garbage: 0,
            stride: None,
            synced: false,
            per_frame: 7,
            clock: Clock::default(),
            stamps: Stamps::default(),
            packets: 0,
            gap: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// Sets the number of packets per frame, at least one.
    pub fn with_packets_per_frame(mut self, n: usize) -> Self {
        self.per_frame = n.clamp(1, 1000);
        self
    }

    /// Restarts at another position of the same stream: the next PCR corresponds to `time`.
    pub fn resume_at(&mut self, time: Duration) {
        let pid = self.clock.pid;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut ready = std::mem::take(&mut self.ready);
        buffer.clear();
        waiting.clear();
        ready.clear();
        let (stride, per_frame) = (self.stride, self.per_frame);
        let stamps = std::mem::take(&mut self.stamps);
        *self = Self { buffer, waiting, ready, stride, per_frame, stamps, ..Self::new() };
        self.clock.pid = pid;
        self.clock.last = duration_to_ticks(time);
    }

    /// Marks the next frame as following a gap.
    pub(crate) fn mark_gap(&mut self) {
        self.gap = true;
    }

    /// The relation of the packets that follow to those returned so far.
    pub(crate) const fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    /// Takes PCRs from another PID after the input received so far.
    pub(crate) fn change_pcr_pid(&mut self, pid: u16) {
        let packets = self.stride.map_or(0, |stride| self.uncut().len() / stride);
        self.clock.change_pid(self.packets + packets as u64, pid);
    }

    /// Sets the PID whose PCRs are used; by default the PID of the first PCR.
    pub fn set_pcr_pid(&mut self, pid: u16) {
        self.clock.pid = Some(pid);
    }

    /// Appends the next bytes of the stream. Frames that are not polled stay available.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Lets `read` write up to `len` bytes directly behind the buffered input, and returns their
    /// number.
    pub(crate) fn handle_read(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        read_behind(&mut self.buffer, len, read)
    }

    /// Number of buffered bytes that were not returned.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Size of the buffer in bytes, including memory that returned frames no longer use.
    pub(crate) fn room(&mut self) -> usize {
        let unused = self.buffer.capacity() - self.buffer.len();
        let _ = self.buffer.try_reclaim(unused + 1);
        self.buffer.capacity()
    }

    /// Continues in other memory with the buffered input; returns the previous memory.
    pub(crate) fn move_to(&mut self, mut memory: BytesMut) -> BytesMut {
        memory.clear();
        memory.extend_from_slice(&self.buffer);
        std::mem::replace(&mut self.buffer, memory)
    }

    /// Ends the stream: the remaining frames become available.
    pub fn handle_end(&mut self) {
        self.ended = true;
    }

    /// Returns the distance between packets in bytes: 188, 192 or 204, once known.
    pub const fn stride(&self) -> Option<usize> {
        self.stride
    }

    /// Returns the next group of packets.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        while self.ready.is_empty() {
            let found = self.cut_group();
            if self.waiting_bytes + self.garbage > MAX_LOOKAHEAD || (self.ended && !found) {
                self.settle_all();
            }
            if !found {
                break;
            }
        }
        let (group, pts, duration) = self.ready.pop_front()?;
        self.buffer.advance(group.before.min(self.buffer.len()));
        let whole = group.len + group.after;
        let mut data = self.buffer.split_to(whole.min(self.buffer.len()));
        data.truncate(group.len);
        data.chunks_exact_mut(PACKET_LEN).for_each(|packet| self.stamps.handle_packet(packet));
        self.cut = self.cut.saturating_sub(group.whole());
        let mut frame = Frame::new(data.freeze(), pts, duration);
        frame.flags.discontinuity = group.gap;
        Some(frame)
    }

    /// The uncut input.
    fn uncut(&self) -> &[u8] {
        self.buffer.get(self.cut + self.garbage..).unwrap_or_default()
    }

    /// Skips bytes that are not packets.
    fn pass(&mut self, n: usize) {
        if self.cut == 0 {
            let n = std::mem::take(&mut self.garbage) + n;
            self.buffer.advance(n.min(self.buffer.len()));
        } else {
            self.garbage = (self.garbage + n).min(self.buffer.len().saturating_sub(self.cut));
        }
    }

    /// Removes one group from the buffer; returns false if there is none.
    fn cut_group(&mut self) -> bool {
        loop {
            let stride = match (self.synced, self.stride) {
                (true, Some(stride)) => stride,
                (_, known) => {
                    let found = match known {
                        Some(stride) => find_sync(self.uncut(), &[stride], self.ended),
                        None => find_sync(self.uncut(), &STRIDES, self.ended),
                    };
                    match found {
                        Ok((at, stride)) => {
                            self.gap |= at > 0 && self.packets > 0;
                            self.pass(at);
                            self.stride = Some(stride);
                            self.synced = true;
                            stride
                        }
                        Err(useless) => {
                            self.gap |= useless > 0 && self.packets > 0;
                            self.pass(useless);
                            return false;
                        }
                    }
                }
            };
            // A packet counts as being here when the bytes before the next one are, too.
            let needed = if self.ended { PACKET_LEN } else { stride };
            let uncut = self.uncut();
            let mut n = 0;
            while n < self.per_frame
                && uncut.len() >= n * stride + needed
                && uncut.get(n * stride) == Some(&SYNC)
            {
                n += 1;
            }
            if n < self.per_frame {
                // The four bytes in front of the first packet of an .m2ts file are no gap; those
                // in front of the others are passed over with the packet before.
                match uncut.get(n * stride) {
                    Some(&SYNC) | None if !self.ended => return false,
                    Some(&SYNC) | None => {
                        if n == 0 {
                            self.buffer.truncate(self.cut);
                            self.garbage = 0;
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
        let before = std::mem::take(&mut self.garbage);
        let Some(uncut) = self.buffer.get_mut(self.cut + before..) else { return };
        let whole = (n * stride).min(uncut.len());
        let len = n * PACKET_LEN;
        if stride != PACKET_LEN {
            // The packets move together; the last has nothing behind it at the end of the stream.
            for i in 1..n {
                let (from, to) = (i * stride, i * PACKET_LEN);
                if from + PACKET_LEN <= whole {
                    uncut.copy_within(from..from + PACKET_LEN, to);
                }
            }
        }
        let gap = std::mem::take(&mut self.gap);
        let group = Group { before, len, after: whole.saturating_sub(len), gap };
        let first = self.packets;
        self.packets += n as u64;
        self.waiting.push_back((first, group));
        self.waiting_bytes += len;
        let begin = self.cut + before;
        self.cut += group.whole();
        for i in 0..n {
            let at = begin + i * PACKET_LEN;
            let Some(pcr) = self.buffer.get(at..at + PACKET_LEN).and_then(Pcr::parse) else {
                continue;
            };
            if self.clock.handle_pcr(pcr, first + i as u64) {
                self.settle_all();
            }
        }
    }

    /// Assigns times to the waiting groups.
    fn settle_all(&mut self) {
        self.waiting_bytes = 0;
        while let Some((first, group)) = self.waiting.pop_front() {
            let pts = self.clock.time_of(first);
            let duration = self.clock.span_of((group.len / PACKET_LEN) as u64);
            self.ready.push_back((group, pts, duration));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::framer::drive::frames_of;
    use crate::payload::testing::XorShift;

    /// A packet, with a PCR if given.
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
        frames_of(&mut TsFramer::new(), bytes, piece)
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
    fn error_correction_behind_the_packets_is_not_sent() {
        let plain = stream(50, 0, 500);
        for (seed, parity) in
            [XorShift::new(8).bytes(16), vec![0; 16], vec![0xff; 16]].into_iter().enumerate()
        {
            let long: Vec<u8> =
                plain.chunks(PACKET_LEN).flat_map(|p| [p, &parity].concat()).collect();
            assert!(bytes_of(&whole(&long, usize::MAX)) == plain, "{seed}");
            assert!(whole(&long, 100) == whole(&plain, usize::MAX));
            // The last packet may have none.
            let cut = &long[..long.len() - 16];
            assert!(bytes_of(&whole(cut, 1000)) == plain);
        }
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
    fn garbage_behind_packets_that_wait_is_not_kept() {
        let mut framer = TsFramer::new();
        framer.handle_bytes(&stream(25, 0, 1000));
        let mut frames: Vec<_> = std::iter::from_fn(|| framer.poll_frame()).collect();
        for _ in 0..200 {
            framer.handle_bytes(&[0x55; 10_000]);
            frames.extend(std::iter::from_fn(|| framer.poll_frame()));
            assert!(framer.buffered() < MAX_LOOKAHEAD + 20_000, "{}", framer.buffered());
        }
        framer.handle_bytes(&stream(30, 25_000, 1000));
        framer.handle_end();
        frames.extend(std::iter::from_fn(|| framer.poll_frame()));
        // What follows garbage is believed again; the last packets before it are whole as well.
        let expected = [stream(25, 0, 1000), stream(30, 25_000, 1000)].concat();
        assert!(bytes_of(&frames) == expected);
        assert_eq!(frames.iter().filter(|frame| frame.flags.discontinuity).count(), 1);
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
