//! Tests with the files that people have, and with made ones.

use super::*;
use crate::framer::mpeg_ts::tests::stream;
use crate::media::file::testing::*;

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
                assert!(tables.pcr_pid().is_some());
                body = &body[1..];
            }
            let pcr = Pcr::parse(&body[0].data).filter(|pcr| pcr.random_access);
            assert!(pcr.is_some() || at.is_zero(), "{npt:?}");
            assert!(played(&all).ends_with(&played(body)), "{name} from {npt:?}");
            // The same packets have the same time as when played from the start.
            let last = (all.last().unwrap().dts, body.last().unwrap().dts);
            assert!(last.0.abs_diff(last.1) < Duration::from_millis(60), "{last:?}");
        }
        assert!(player.seek(Duration::from_secs(6)).is_err());
        assert_eq!(player.seek(Duration::ZERO), Ok(Duration::ZERO));
        let again = player.rest();
        assert!(again[0].flags.discontinuity && played(&again) == played(&all));
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

#[test]
fn where_the_clock_jumps_there_is_no_duration() {
    let mut bytes = stream(20_000, 80_000_000_000, 13_500);
    bytes.extend_from_slice(&stream(20_000, 0, 13_500));
    let file = file_of(&bytes);
    let found = probed(probe_mpeg_ts, file.path()).unwrap();
    assert_eq!(found.tracks()[0].duration, None);
    let mut player = Player::new(&found);
    assert_eq!(player.seek(Duration::from_secs(3)), Err(SeekError::NotSeekable));
    let frames = player.rest();
    assert!(
        frames.last().unwrap().dts.abs_diff(Duration::from_secs(20)) < Duration::from_millis(50)
    );
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
    use crate::framer::mpeg_ts::tests::packet;
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
        assert!(again == expected, "frames that go at once: {stride}");
    }
}
