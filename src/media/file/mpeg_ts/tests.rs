//! Tests with the files that people have, and with made ones.

use super::probe::MAX_WINDOWS;
use super::*;
use crate::framer::mpeg_ts::tests::{packet, stream};
use crate::framer::mpeg_ts::{M2TS_STRIDE, Pcr, PesStart};
use crate::media::file::ProbePoll;
use crate::media::file::testing::*;

/// Packets without what may differ where they are sent again: continuity counter and
/// discontinuity_indicator.
fn plain(mut bytes: Vec<u8>) -> Vec<u8> {
    for packet in bytes.chunks_mut(PACKET_LEN) {
        if packet[3] & 0x20 != 0 && packet[4] > 0 {
            packet[5] &= 0x7f;
        }
        packet[3] &= 0xf0;
    }
    bytes
}

/// Whether `part` is the end of `all`, but for what `plain` leaves out, and for packets that go on
/// with something that was not sent.
fn is_end_of(all: &[Frame], part: &[Frame]) -> bool {
    let (all, part) = (plain(played(all)), plain(played(part)));
    let skip = all.len() - part.len();
    all[skip..].chunks(PACKET_LEN).zip(part.chunks(PACKET_LEN)).all(|(was, is)| {
        let goes_on = was[1] & 0x40 == 0;
        was == is || goes_on && is[1..3] == [0x1f, 0xff] || goes_on && is[3] & 0x30 == 0x20
    })
}

fn played(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|f| f.data.to_vec()).collect()
}

#[test]
fn every_packet_is_played_once_in_time() {
    for (name, stride) in [("program.ts", 188), ("program.m2ts", 192)] {
        let file = probed(probe_mpeg_ts, &media(name)).unwrap();
        let frames = Player::new(&file).rest();
        let bytes = std::fs::read(media(name)).unwrap();
        let expected: Vec<u8> =
            bytes.chunks(stride).flat_map(|p| p[stride - PACKET_LEN..].to_vec()).collect();
        assert!(played(&frames) == expected, "{name}");
        assert!(frames.iter().zip(&frames[1..]).all(|(a, b)| a.dts <= b.dts));
        let duration = file.tracks()[0].duration.unwrap();
        let last = frames.last().unwrap();
        assert!((last.dts + last.duration).abs_diff(duration) < Duration::from_millis(100));
        assert!(duration.abs_diff(Duration::from_secs(5)) < Duration::from_millis(200), "{name}");
    }
}

#[test]
fn error_correction_behind_the_packets_is_left_out() {
    let plain = std::fs::read(media("program.ts")).unwrap();
    let long: Vec<u8> = plain.chunks(PACKET_LEN).flat_map(|p| [p, &[0xa5; 16]].concat()).collect();
    let (plain_file, held) = (probed(probe_mpeg_ts, &media("program.ts")).unwrap(), file_of(&long));
    let file = probed(probe_mpeg_ts, held.path()).unwrap();
    let (expected, found) = (&plain_file.tracks()[0], &file.tracks()[0]);
    let difference = expected.duration.unwrap().abs_diff(found.duration.unwrap());
    assert!(difference < Duration::from_millis(1));
    assert!(played(&Player::new(&file).rest()) == plain);
    let (mut player, mut other) = (Player::new(&file), Player::new(&plain_file));
    for ms in [4900, 100, 2500] {
        let npt = Duration::from_millis(ms);
        assert_eq!(player.seek(npt), other.seek(npt));
        assert!(player.rest() == other.rest(), "{ms}");
    }
}

#[test]
fn seeking_goes_to_a_point_of_random_access_and_sends_the_tables_again() {
    for name in ["program.ts", "program.m2ts"] {
        let file = probed(probe_mpeg_ts, &media(name)).unwrap();
        let mut player = Player::new(&file);
        let all = player.rest();
        for ms in [4900, 100, 1000, 2500, 3999] {
            let npt = Duration::from_millis(ms);
            let at = player.seek(npt).unwrap();
            // There is a key frame every second.
            assert!(at <= npt && npt - at <= Duration::from_millis(1100), "{npt:?} → {at:?}");
            let frames = player.rest();
            assert_eq!(frames[0].pts, at);
            assert!(frames[0].flags.discontinuity);
            let mut body = &frames[..];
            if body[0].data.len() == 2 * PACKET_LEN {
                let tables = Tables::from_packets(&body[0].data);
                assert!(tables.pcr_pids().next().is_some());
                body = &body[1..];
            }
            let pcr = Pcr::parse(&body[0].data).filter(|pcr| pcr.random_access);
            assert!(pcr.is_some() || at.is_zero(), "{npt:?}");
            assert!(is_end_of(&all, body), "{name} from {npt:?}");
            // The same packets have the same time as when played from the start.
            let last = (all.last().unwrap().dts, body.last().unwrap().dts);
            assert!(last.0.abs_diff(last.1) < Duration::from_millis(60), "{last:?}");
        }
        assert!(player.seek(Duration::from_secs(6)).is_err());
        assert_eq!(player.seek(Duration::ZERO), Ok(Duration::ZERO));
        let again = player.rest();
        assert!(again[0].flags.discontinuity);
        assert!(again.len() == all.len() && is_end_of(&all, &again));
    }
}

#[test]
fn a_long_file_is_searched_with_few_reads() {
    // 15 MB, 100 s, over the wrap of the clock.
    let packets = 80_000;
    let ticks = 33_750;
    let file = file_of(&stream(packets, PCR_MODULUS - 900_000_000, ticks));
    let found = probed(probe_mpeg_ts, file.path()).unwrap();
    let duration = found.tracks()[0].duration.unwrap();
    assert!(duration.abs_diff(Duration::from_secs(100)) < Duration::from_millis(10));
    let mut player = Player::new(&found);
    for ms in (0..100_000).step_by(7919) {
        let npt = Duration::from_millis(ms);
        let at = player.seek(npt).unwrap();
        assert!(at <= npt && npt - at <= Duration::from_millis(13), "{npt:?} → {at:?}");
        assert_eq!(player.poll().unwrap().pts, at);
    }
}

/// A stretch of `ms` milliseconds with a packet each, PCRs of `pid` on every tenth from `start` on,
/// and, every 100 packets, tables that name that PID.
fn stretch(pid: u16, ms: u64, start: u64) -> Vec<u8> {
    let tables = tables_naming(pid);
    (0..ms)
        .flat_map(|i| match i % 100 {
            1 => tables[..PACKET_LEN].to_vec(),
            2 => tables[PACKET_LEN..].to_vec(),
            _ => packet(pid, (i % 10 == 0).then_some(start + i * 27_000), i as u8),
        })
        .collect()
}

/// An association of program 1 and its map, with this PID for the PCR.
fn tables_naming(pid: u16) -> Vec<u8> {
    let section = |pid: u16, bytes: &[u8]| {
        let mut packet = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x10, 0];
        packet.extend_from_slice(bytes);
        packet.resize(PACKET_LEN, 0xff);
        packet
    };
    let [high, low] = pid.to_be_bytes();
    let association = [0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0, 0x20, 0, 0, 0, 0];
    let map = [2, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0xe0 | high, low, 0xf0, 0, 0, 0, 0, 0];
    [section(0, &association), section(0x20, &map)].concat()
}

/// The file has about this duration, all is played in it, and positions are where they belong: by
/// how many milliseconds a packet is from the start.
fn check_times(bytes: &[u8], ms: u64, slack: u64) {
    let slack = Duration::from_millis(slack);
    let held = file_of(bytes);
    let file = probed(probe_mpeg_ts, held.path()).unwrap();
    let duration = file.tracks()[0].duration.unwrap();
    assert!(duration.abs_diff(Duration::from_millis(ms)) <= slack, "{duration:?}");
    let mut player = Player::new(&file);
    let all = player.rest();
    assert!(played(&all) == bytes);
    let mut packets = 0;
    for frame in &all {
        let due = Duration::from_millis(packets * ms / (bytes.len() / PACKET_LEN) as u64);
        assert!(frame.pts.abs_diff(due) <= slack, "{:?} instead of {due:?}", frame.pts);
        packets += (frame.data.len() / PACKET_LEN) as u64;
    }
    let flat = plain(bytes.to_vec());
    for npt in (0..ms).step_by(ms as usize / 11).map(Duration::from_millis) {
        let at = player.seek(npt).unwrap();
        assert!(at <= npt && npt - at <= slack, "{npt:?} → {at:?}");
        let mut frame = player.poll().unwrap();
        if frame.duration.is_zero() {
            frame = player.poll().unwrap();
        }
        let packet = plain(frame.data[..PACKET_LEN].to_vec());
        let place = flat.chunks(PACKET_LEN).position(|p| p == packet);
        let due = place.unwrap() as u64 * ms / (bytes.len() / PACKET_LEN) as u64;
        assert!(at.abs_diff(Duration::from_millis(due)) <= slack, "{npt:?} is at {due} ms");
    }
    assert_eq!(player.seek(duration), Err(SeekError::OutOfRange));
}

#[test]
fn where_the_clock_jumps_time_goes_on() {
    let (second, hour) = (27_000_000, 3600 * 27_000_000);
    // Backwards, far forwards, and by no more than some pieces of a file last.
    for (first, then) in [(20 * hour, 0), (0, 10 * hour), (100 * second, 130 * second)] {
        let bytes = [stretch(256, 10_000, first), stretch(256, 10_000, then)].concat();
        check_times(&bytes, 20_000, 100);
    }
    // Several pieces, a short one among them, over the wrap.
    let pieces = [(7000, 5 * hour), (900, 0), (12_000, PCR_MODULUS - 5 * second), (4000, hour)];
    let bytes: Vec<u8> = pieces.iter().flat_map(|&(ms, at)| stretch(256, ms, at)).collect();
    check_times(&bytes, 23_900, 100);
}

#[test]
fn where_another_pid_has_the_clock_it_is_followed() {
    let second = 27_000_000;
    // The same clock on another PID, as over a change of programme; and another clock as well.
    for then in [10 * second, 7200 * second] {
        let bytes = [stretch(256, 10_000, 0), stretch(512, 9000, then)].concat();
        check_times(&bytes, 19_000, 100);
        // Near the end, and near the start.
        let bytes = [stretch(256, 30_000, 0), stretch(512, 5000, then * 3)].concat();
        check_times(&bytes, 35_000, 100);
        let bytes = [stretch(256, 5000, 0), stretch(512, 30_000, then / 2)].concat();
        check_times(&bytes, 35_000, 100);
    }
    let three = [stretch(256, 9000, 5), stretch(300, 9000, 9 * second), stretch(256, 9000, 0)];
    check_times(&three.concat(), 27_000, 100);
}

#[test]
fn the_tables_of_a_position_are_those_before_it() {
    let bytes = [stretch(256, 10_000, 0), stretch(512, 9000, 270_000_000)].concat();
    let held = file_of(&bytes);
    let file = probed(probe_mpeg_ts, held.path()).unwrap();
    let mut player = Player::new(&file);
    for (ms, pid) in [(15_000, 512), (5000, 256), (10_500, 512)] {
        player.seek(Duration::from_millis(ms)).unwrap();
        let prelude = player.poll().unwrap();
        assert!(plain(prelude.data.to_vec()) == tables_naming(pid), "{ms}");
    }
}

#[test]
fn one_of_several_programs_ends_in_mid_file() {
    // Two programs side by side, each with its clock; in the second half only the other.
    let (one, other) = (stretch(256, 20_000, 0), stretch(700, 20_000, 5_000_000_000));
    let tables = two_programs();
    let mut bytes = Vec::new();
    for (i, (a, b)) in one.chunks(PACKET_LEN).zip(other.chunks(PACKET_LEN)).enumerate() {
        match i % 100 {
            1 | 2 => bytes.extend_from_slice(&tables[..2 * PACKET_LEN]),
            3 => bytes.extend_from_slice(&[&tables[2 * PACKET_LEN..], b].concat()),
            _ if i < 12_000 => bytes.extend_from_slice(&[a, b].concat()),
            _ => bytes.extend_from_slice(&[b, &packet(0x1fff, None, 0xff)].concat()),
        }
    }
    let held = file_of(&bytes);
    let file = probed(probe_mpeg_ts, held.path()).unwrap();
    let duration = file.tracks()[0].duration.unwrap();
    assert!(duration.abs_diff(Duration::from_secs(20)) < Duration::from_millis(200));
    let mut player = Player::new(&file);
    let last = player.rest().last().unwrap().pts;
    assert!(last.abs_diff(Duration::from_secs(20)) < Duration::from_millis(200), "{last:?}");
    for ms in [19_000, 3000, 13_000] {
        let npt = Duration::from_millis(ms);
        let at = player.seek(npt).unwrap();
        assert!(at <= npt && npt - at < Duration::from_millis(200), "{npt:?} → {at:?}");
    }
}

/// An association of two programs and their maps.
fn two_programs() -> Vec<u8> {
    let (mut tables, mut second) = (tables_naming(256), tables_naming(700));
    // Program 2 has its map on PID 0x21.
    tables[5..25].copy_from_slice(&[
        0, 0xb0, 17, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0, 0x20, 0, 2, 0xe0, 0x21, 0, 0, 0, 0,
    ]);
    second[PACKET_LEN + 2] = 0x21;
    tables.extend_from_slice(&second[PACKET_LEN..]);
    tables
}

#[test]
fn clocks_that_jump_all_the_time_cost_no_more() {
    let bytes: Vec<u8> = (0..400).flat_map(|i| stretch(256, 100, i % 7 * 90_000_000_000)).collect();
    let held = file_of(&bytes);
    let file = probed(probe_mpeg_ts, held.path()).unwrap();
    let duration = file.tracks()[0].duration.unwrap();
    assert!(duration < Duration::from_secs(80), "{duration:?}");
    let mut player = Player::new(&file);
    assert!(played(&player.rest()) == bytes);
    player.seek(duration / 2).unwrap();
    player.poll().unwrap();
}

/// What a receiver notes of the packets that it gets: gaps of the counters, and the times of each
/// PID's PCRs and decoding time stamps in units of 90 kHz.
#[derive(Default)]
struct Receiver {
    counters: std::collections::HashMap<u16, u8>,
    gaps: u32,
    marks: u32,
    pcrs: Vec<u64>,
    stamps: std::collections::HashMap<u16, Vec<u64>>,
}

impl Receiver {
    fn handle(&mut self, frames: &[Frame]) {
        for frame in frames {
            for packet in frame.data.chunks(PACKET_LEN) {
                let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
                if pid == 0x1fff {
                    continue;
                }
                let due = self.counters.get(&pid).map(|last| (last + (packet[3] >> 4 & 1)) & 15);
                self.gaps += u32::from(due.is_some_and(|due| due != packet[3] & 15));
                self.counters.insert(pid, packet[3] & 15);
                if let Some(pcr) = Pcr::parse(packet) {
                    self.marks += u32::from(pcr.discontinuity);
                    self.pcrs.push(pcr.value / TICKS);
                }
                if let Some(pes) = PesStart::parse(packet) {
                    self.stamps.entry(pid).or_default().push(pes.dts);
                }
            }
        }
    }

    /// The longest step of any clock or time stamp, none of which goes back.
    fn longest_step(&self) -> u64 {
        let all = self.stamps.values().chain([&self.pcrs]);
        let steps = all.flat_map(|times| times.windows(2).map(|two| since(two[0], two[1])));
        steps.max().unwrap()
    }
}

fn since(a: u64, b: u64) -> u64 {
    let step = (b + (1 << 33) - a) % (1 << 33);
    assert!(step < 1 << 32, "from {a} back to {b}");
    step
}

/// Moves all times of a stream.
fn moved(bytes: &[u8], ticks: u64) -> Vec<u8> {
    let (mut stamps, mut bytes) = (crate::framer::mpeg_ts::Stamps::default(), bytes.to_vec());
    stamps.go_on(ticks);
    bytes.chunks_mut(PACKET_LEN).for_each(|packet| stamps.handle_packet(packet));
    bytes
}

#[test]
fn a_stream_that_begins_anew_goes_on_without_a_jump() {
    let bytes = std::fs::read(media("program.ts")).unwrap();
    // Also over the wrap of clock and time stamps, in the file and in a later pass.
    for ticks in [0, PCR_MODULUS - 5 * 27_000_000, PCR_MODULUS - 12 * 27_000_000] {
        let held = file_of(&moved(&bytes, ticks));
        let file = probed(probe_mpeg_ts, held.path()).unwrap();
        let period = file.tracks()[0].duration.unwrap();
        let mut receiver = Receiver::default();
        let mut player = Player::new(&file);
        receiver.handle(&player.rest());
        let (gaps, step) = (receiver.gaps, receiver.longest_step());
        assert_eq!(gaps, 0);
        for _ in 0..3 {
            player.begin_anew(period).unwrap();
            let frames = player.rest();
            assert!(!frames[0].flags.discontinuity);
            assert!(frames.iter().all(|frame| frame.dts <= period));
            receiver.handle(&frames);
        }
        assert_eq!((receiver.gaps, receiver.marks), (0, 0));
        // 90 ms are less than what the file itself has between two packets of its sound.
        assert!(receiver.longest_step() <= step.max(8100), "{step} {}", receiver.longest_step());
        let first = receiver.pcrs[0];
        let passes = since(first, *receiver.pcrs.last().unwrap()) as f64 / 90_000.0;
        let expected = period.as_secs_f64() * 4.0;
        assert!((passes - expected).abs() < 0.2, "{passes} s instead of {expected}");
    }
}

#[test]
fn pieces_with_several_clocks_begin_anew_as_one() {
    let hour = 3600 * 27_000_000;
    let bytes = [stretch(256, 5000, 2 * hour), stretch(256, 5000, 0)].concat();
    let held = file_of(&bytes);
    let file = probed(probe_mpeg_ts, held.path()).unwrap();
    let period = file.tracks()[0].duration.unwrap();
    let mut player = Player::new(&file);
    player.rest();
    let mut last = 5 * 90_000 - 900;
    player.begin_anew(period).unwrap();
    let mut receiver = Receiver::default();
    receiver.handle(&player.rest());
    let step = since(last, receiver.pcrs[0]);
    assert!(step <= 2000, "{step}");
    last = *receiver.pcrs.last().unwrap();
    player.begin_anew(period).unwrap();
    let mut receiver = Receiver::default();
    receiver.handle(&player.rest());
    assert!(since(last, receiver.pcrs[0]) <= 2000);
}

#[test]
fn a_position_is_marked_and_its_counters_go_on() {
    let file = probed(probe_mpeg_ts, &media("program.ts")).unwrap();
    let mut player = Player::new(&file);
    let mut receiver = Receiver::default();
    for ms in [3500, 0, 1200, 4900] {
        let frames: Vec<Frame> = (0..100).filter_map(|_| player.poll().ok()).collect();
        receiver.handle(&frames);
        receiver.marks = 0;
        player.seek(Duration::from_millis(ms)).unwrap();
        let frames: Vec<Frame> = (0..40).filter_map(|_| player.poll().ok()).collect();
        let first = frames.iter().flat_map(|f| f.data.chunks(PACKET_LEN)).find_map(Pcr::parse);
        assert!(first.unwrap().discontinuity, "{ms}");
        receiver.handle(&frames);
        assert_eq!((receiver.gaps, receiver.marks), (0, 1), "{ms}");
    }
    // The times are those of the place again, whatever was added before.
    player.rest();
    player.begin_anew(file.tracks()[0].duration.unwrap()).unwrap();
    player.rest();
    player.seek(Duration::ZERO).unwrap();
    let bytes = std::fs::read(media("program.ts")).unwrap();
    assert!(plain(played(&player.rest())) == plain(bytes));
}

#[test]
fn what_is_no_transport_stream_is_refused() {
    for bytes in [vec![], vec![0x47; 100], vec![1; 500_000]] {
        let file = file_of(&bytes);
        assert!(matches!(probed(probe_mpeg_ts, file.path()), Err(ProbeError::Content(_))));
    }
    let without_pcr: Vec<u8> =
        stream(1000, 0, 1000).chunks(188).filter(|p| p[3] == 0x10).flatten().copied().collect();
    let file = file_of(&without_pcr);
    let error = probed(probe_mpeg_ts, file.path()).unwrap_err();
    assert!(error.to_string().contains("no PCR"), "{error}");
    // A terabyte of nothing is given up soon.
    let file = file_of(b"");
    file.as_file().set_len(1 << 40).unwrap();
    let mut probe = probe_mpeg_ts(file.path()).unwrap();
    let calls =
        (0..).take_while(|_| matches!(probe.poll_probe(65_536), ProbePoll::Pending)).count();
    assert!(calls <= 2 * MAX_WINDOWS as usize, "{calls}");
}

#[test]
fn damaged_and_shrinking_files() {
    check_damage(probe_mpeg_ts, &std::fs::read(media("program.ts")).unwrap());
    check_damage(probe_mpeg_ts, &std::fs::read(media("program.m2ts")).unwrap());
    check_shrinking(probe_mpeg_ts, &stream(5000, 0, 10_000));
}

/// Far more waits for the next PCR than is read at once, and then much less: the memory changes,
/// the packets do not.
#[test]
fn much_that_waits_for_a_pcr_is_played_whole() {
    for stride in [PACKET_LEN, M2TS_STRIDE] {
        let has_pcr = |i: u64| i % 700 == 0 || i % 7000 > 6000 && i % 10 == 0;
        let packets = (0..20_000).map(|i| packet(256, has_pcr(i).then_some(i * 2700), i as u8));
        let bytes: Vec<u8> =
            packets.flat_map(|p| [vec![7; stride - PACKET_LEN], p].concat()).collect();
        let held = file_of(&bytes);
        let file = probed(probe_mpeg_ts, held.path()).unwrap();
        let mut player = Player::new(&file);
        let frames = player.rest();
        assert_eq!(frames.len(), 20_000_usize.div_ceil(7));
        let expected: Vec<u8> =
            bytes.chunks(stride).flat_map(|p| p[stride - PACKET_LEN..].to_vec()).collect();
        assert!(played(&frames) == expected, "{stride}");
        drop(frames);
        assert_eq!(player.seek(Duration::ZERO), Ok(Duration::ZERO));
        let mut again = Vec::new();
        while let Ok(frame) = player.poll() {
            again.extend_from_slice(&frame.data);
        }
        assert!(plain(again) == plain(expected), "frames that go at once: {stride}");
    }
}
