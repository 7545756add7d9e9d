//! Tests with the files that people have, and with made ones.

use super::*;
use crate::codec::start_codes::start_codes;
use crate::frame::Frame;
use crate::media::file::mpeg_ps::probe_mpeg_ps;
use crate::media::file::mpeg_ts::{probe_mpeg_ts, probe_mpeg_ts_tracks};
use crate::media::file::mpeg_video::probe_mpeg_video;
use crate::media::file::testing::*;
use crate::media::file::{Probe, ProbeError};
use std::path::Path;

fn data(frames: &[Frame]) -> Vec<&[u8]> {
    frames.iter().map(|frame| &frame.data[..]).collect()
}

/// The pictures of a file of nothing else.
fn pictures(name: &str) -> Vec<Frame> {
    Player::new(&probed(probe_mpeg_video, &media(name)).unwrap()).rest()
}

/// What the files of the same source must have in common: the pictures, and the times of them up to
/// a constant.
fn check_pictures(name: &str, found: &[Frame], alone: &[Frame]) {
    assert!(data(found) == data(alone), "{name}: {} {}", found.len(), alone.len());
    let moved = found[0].pts - alone[0].pts;
    for (found, alone) in found.iter().zip(alone) {
        assert_eq!(found.flags.key, alone.flags.key, "{name}");
        let expected = alone.pts + moved;
        assert!(found.pts.abs_diff(expected) < Duration::from_micros(20), "{name} {found:?}");
    }
    assert!(moved < Duration::from_millis(100), "{name}: {moved:?}");
}

#[test]
fn pictures_alone() {
    for name in ["pictures.m1v", "pictures.m2v"] {
        let file = probed(probe_mpeg_video, &media(name)).unwrap();
        assert_eq!(file.tracks()[0].parameters, CodecParameters::MpegVideo);
        assert_eq!(file.tracks()[0].duration, Some(Duration::from_secs(2)), "{name}");
        let frames = Player::new(&file).rest();
        assert_eq!(frames.len(), 50, "{name}");
        let whole: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_vec()).collect();
        assert!(whole == std::fs::read(media(name)).unwrap(), "{name}");
        let mut times: Vec<_> = frames.iter().map(|frame| frame.pts).collect();
        times.sort();
        assert!(times.iter().zip(0..).all(|(t, n)| *t == Duration::from_millis(n * 40)), "{name}");
        let mut player = Player::new(&file);
        for ms in [1900, 500, 970, 1000] {
            let npt = Duration::from_millis(ms);
            let landed = player.seek(npt).unwrap();
            assert!(landed <= npt && npt - landed <= Duration::from_millis(480), "{name} {ms}");
            let rest = player.rest();
            assert!(rest[0].flags.key && rest[0].flags.discontinuity && rest[0].pts == landed);
            assert!(start_codes(&rest[0].data).any(|(_, code)| code == 0xb3), "{name}");
            assert!(rest.iter().all(|frame| frame.pts >= landed));
            let same = frames.iter().filter(|frame| frame.pts > landed).count();
            assert_eq!(rest.len(), same + 1, "{name} {ms}");
        }
    }
}

#[test]
fn program_streams_have_the_pictures_of_their_source() {
    for (name, alone) in [
        ("mpeg1.mpg", "pictures.m1v"),
        ("mpeg2.mpeg", "pictures.m2v"),
        ("disc.vob", "pictures.m2v"),
    ] {
        let file = probed(probe_mpeg_ps, &media(name)).unwrap();
        assert_eq!(file.tracks()[0].parameters, CodecParameters::MpegVideo, "{name}");
        let duration = file.tracks()[0].duration.unwrap();
        assert!(duration.abs_diff(Duration::from_secs(2)) < Duration::from_millis(100), "{name}");
        let frames = TracksPlayer::new(&file).interleaved();
        check_pictures(name, &frames[0], &pictures(alone));
    }
    let file = probed(probe_mpeg_ps, &media("mpeg1.mpg")).unwrap();
    assert_eq!(file.tracks()[1].parameters, CodecParameters::MpegAudio);
    let sound = TracksPlayer::new(&file).all(1);
    assert_eq!(sound.len(), 84);
    assert!(sound.windows(2).all(|pair| pair[0].pts + pair[0].duration == pair[1].pts));
    assert!(!sound.iter().any(|frame| frame.flags.discontinuity));
}

#[test]
fn transport_streams_are_also_offered_as_their_streams() {
    let file = probed(probe_mpeg_ts, &media("program.ts")).unwrap();
    assert_eq!(file.tracks()[0].parameters, CodecParameters::Mp2t);
    let streams = probed(probe_mpeg_ts_tracks, &media("program.ts")).unwrap();
    assert!(matches!(streams.tracks()[0].parameters, CodecParameters::H264 { .. }));
    assert!(matches!(streams.tracks()[1].parameters, CodecParameters::Aac { .. }));
    let frames = TracksPlayer::new(&streams).interleaved();
    assert_eq!(frames[0].len(), 125);
    // 5 s of 1024 samples, and the encoder's delay.
    assert_eq!(frames[1].len(), 217);
    assert!(frames.iter().flatten().filter(|frame| frame.flags.discontinuity).count() == 0);
    assert_eq!(frames[0].iter().filter(|frame| frame.flags.key).count(), 5);
    let mut times: Vec<_> = frames[0].iter().map(|frame| frame.pts).collect();
    times.sort();
    let step = Duration::from_millis(40);
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(step).as_micros() < 20));

    let file = probed(probe_mpeg_ts_tracks, &media("broadcast.ts")).unwrap();
    let frames = TracksPlayer::new(&file).all(0);
    check_pictures("broadcast.ts", &frames, &pictures("pictures.m2v"));
}

/// All tracks of a file go to the key picture before a position and on from there.
fn check_seeking(name: &str, probe: fn(&Path) -> Result<Box<dyn Probe>, ProbeError>) {
    let file = probed(probe, &media(name)).unwrap();
    let duration = file.tracks()[0].duration.unwrap();
    let all = TracksPlayer::new(&file).interleaved();
    let mut player = TracksPlayer::new(&file);
    for i in (0..20).rev() {
        let npt = duration * i / 20 + Duration::from_millis(1);
        let landed = player.seek(npt).unwrap();
        let keys = all[0].iter().filter(|frame| frame.flags.key && frame.pts <= npt);
        let Some(key) = keys.max_by_key(|frame| frame.pts) else {
            // Sound may begin first.
            assert_eq!(landed, npt);
            continue;
        };
        assert_eq!(landed, key.pts, "{name} {npt:?}");
        let frames = player.interleaved();
        assert!(frames[0][0].flags.key && frames[0][0].flags.discontinuity, "{name}");
        assert_eq!(frames[0][0].pts, landed, "{name}");
        let expected: Vec<&Frame> = all[0].iter().filter(|frame| frame.pts > landed).collect();
        assert!(frames[0][1..].iter().eq(expected), "{name} {npt:?}");
        for (track, (found, all)) in frames.iter().zip(&all).enumerate().skip(1) {
            let expected = all.iter().filter(|f| f.pts + f.duration > landed);
            assert!(found.iter().map(|f| &f.data).eq(expected.map(|f| &f.data)), "{name} {track}");
            assert!(found[0].pts.abs_diff(landed) < Duration::from_millis(60), "{name}");
        }
    }
    assert_eq!(player.seek(Duration::ZERO), Ok(Duration::ZERO));
    assert_eq!(player.seek(duration), Err(SeekError::OutOfRange));
}

#[test]
fn seeking_finds_key_pictures() {
    check_seeking("mpeg1.mpg", probe_mpeg_ps);
    check_seeking("mpeg2.mpeg", probe_mpeg_ps);
    check_seeking("disc.vob", probe_mpeg_ps);
    check_seeking("program.ts", probe_mpeg_ts_tracks);
    check_seeking("program.m2ts", probe_mpeg_ts_tracks);
    check_seeking("broadcast.ts", probe_mpeg_ts_tracks);
}

#[test]
fn damaged_and_shrinking_files() {
    let bytes = |name: &str| std::fs::read(media(name)).unwrap();
    for name in ["mpeg1.mpg", "disc.vob"] {
        check_damage(probe_mpeg_ps, &bytes(name));
        check_shrinking(probe_mpeg_ps, &bytes(name).repeat(4));
    }
    check_damage(probe_mpeg_ts_tracks, &bytes("broadcast.ts"));
    check_shrinking(probe_mpeg_ts_tracks, &bytes("program.ts"));
    check_damage(probe_mpeg_video, &bytes("pictures.m2v"));
    check_damage(probe_mpeg_ts_tracks, &bytes("program.ts"));
}

#[test]
fn sound_of_private_stream_1_is_that_of_the_transport_stream() {
    let disc = probed(probe_mpeg_ps, &media("disc.vob")).unwrap();
    let expected = CodecParameters::Ac3 { sampling_rate: 48_000, channels: 2 };
    assert_eq!(disc.tracks()[1].parameters, expected);
    let broadcast = probed(probe_mpeg_ts_tracks, &media("broadcast.ts")).unwrap();
    assert_eq!(broadcast.tracks()[1].parameters, expected);
    let [disc, broadcast] = [disc, broadcast].map(|file| TracksPlayer::new(&file).all(1));
    // 2 s of 1536 samples.
    assert_eq!(disc.len(), 63);
    assert!(data(&disc) == data(&broadcast));
    assert!(disc.iter().all(|frame| frame.duration == Duration::from_millis(32)));
    assert!(!disc.iter().any(|frame| frame.flags.discontinuity));
}

/// Whoever asks for the streams of a transport stream gets it as a whole where none is known; also
/// one that is named like a program stream.
#[test]
fn transport_streams_of_unknown_streams_are_one_track() {
    use crate::media::file::probe_tracks;
    let bytes = std::fs::read(media("program.ts")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("a.mpg");
    std::fs::write(&named, &bytes).unwrap();
    assert_eq!(probed(probe_tracks, &named).unwrap().tracks().len(), 2);
    assert_eq!(probed(probe_mpeg_ps, &named).unwrap().tracks().len(), 1);
    // No PES packet begins in it.
    let mut clock = bytes;
    clock.chunks_mut(188).filter(|packet| packet[1] & 0x1f == 1).for_each(|p| p[1] &= !0x40);
    let held = file_of(&clock);
    let file = probed(probe_mpeg_ts_tracks, held.path()).unwrap();
    assert_eq!(file.tracks()[0].parameters, CodecParameters::Mp2t);
    assert_eq!(file.tracks().len(), 1);
    assert!(probed(probe_tracks, &media("av1.ivf")).is_ok());
}

/// Each key picture leads to the next, wherever between them it is asked for, and the last to none.
#[test]
fn the_next_key_picture_is_found() {
    let bytes = |name: &str| std::fs::read(media(name)).unwrap();
    let ps = probe_mpeg_ps as fn(&Path) -> Result<Box<dyn Probe>, ProbeError>;
    for (name, bytes, probe) in [
        ("mpeg1.mpg", bytes("mpeg1.mpg"), ps),
        ("disc.vob", bytes("disc.vob"), ps),
        ("mpeg2.mpeg", bytes("mpeg2.mpeg"), ps),
        ("program.ts", bytes("program.ts"), probe_mpeg_ts_tracks),
    ] {
        let held = file_of(&bytes);
        let file = probed(probe, held.path()).unwrap();
        let frames = TracksPlayer::new(&file).all(0);
        let keys: Vec<_> = frames.iter().filter(|f| f.flags.key).map(|f| f.pts).collect();
        assert!(keys.len() >= 4, "{name}");
        let mut player = TracksPlayer::new(&file);
        let cx = &mut SourceContext { now: player.now, demuxers: &mut player.demuxers };
        for pair in keys.windows(2) {
            let ms = Duration::from_millis;
            for after in [pair[0], pair[0] + ms(40), pair[1] - ms(1)] {
                let found = player.sources[0].key_frame_after(after, cx);
                assert_eq!(found, Ok(Some(pair[1])), "{name} after {after:?}");
            }
        }
        let last = keys.last().copied().unwrap();
        assert_eq!(player.sources[0].key_frame_after(last, cx), Ok(None), "{name}");
        assert_eq!(player.sources[0].key_frame_after(Duration::MAX, cx), Ok(None), "{name}");
    }
}

/// Packets that state no length, claim more than there is, or are of streams that never come.
#[test]
fn hostile_program_streams_end() {
    use crate::framer::mpeg_ps::tests::pack_header;
    let pack = |n: u64, packet: &[u8]| [&pack_header(n * 2_700_000)[..], packet].concat();
    let packets: [&[u8]; 6] = [
        &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0],
        &[0, 0, 1, 0xe0, 0xff, 0xff, 0x81, 0xc0, 0xff, 0x31, 0, 1, 0, 1],
        &[0, 0, 1, 0xe0, 0, 3, 0x80, 0, 0xff],
        &[0, 0, 1, 0xbd, 0, 3, 0x80, 0, 0],
        &[0, 0, 1, 0xe0, 0, 7, 0x80, 0, 0, 0, 0, 1, 0xb3],
        &[0, 0, 1, 0xc0, 0, 5, 0x0f, 0xff, 0xfb, 0x90, 0x44],
    ];
    for packet in packets {
        let bytes: Vec<u8> = (0..500).flat_map(|n| pack(n, packet)).collect();
        check_damage(probe_mpeg_ps, &bytes);
    }
    let held = file_of(&packets.concat());
    let refused = probed(probe_mpeg_ps, held.path()).unwrap_err();
    assert!(refused.to_string().contains("no pack"), "{refused}");
}
