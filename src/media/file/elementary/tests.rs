//! Tests with the files that people have.

use super::*;
use crate::media::file::adts::probe_adts;
use crate::media::file::mpeg_audio::probe_mpeg_audio;
use crate::media::file::testing::*;

/// Name, frames, samples a frame, rate: what other programs count in these files.
const AUDIO: [(&str, u64, u32, u32); 4] = [
    ("stereo.aac", 217, 1024, 44_100),
    ("vbr.mp3", 193, 1152, 44_100),
    ("cbr.mp3", 194, 576, 22_050),
    ("layer2.mp2", 209, 1152, 48_000),
];

fn probe_any(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    if path.extension().is_some_and(|e| e == "aac") {
        probe_adts(path)
    } else {
        probe_mpeg_audio(path)
    }
}

#[test]
fn the_index_stays_small_and_finds_the_way() {
    let header = |n: u64| UnitHeader {
        frame_len: n as usize * 3,
        sampling_rate: 8000,
        samples: 160,
        blocks: 1,
        kind: 0,
        joins: false,
    };
    let mut index = Index::new();
    for n in 0..1_000_000 {
        index.push(n, n * 10, header(n));
    }
    assert!(index.entries.len() <= Index::MAX_ENTRIES);
    for n in (0..1_000_000).step_by(997) {
        let (number, offset, found) = index.before(n).unwrap();
        assert!(number <= n && n - number < 2 * index.every);
        assert_eq!((offset, found), (number * 10, header(number)));
    }
}

#[test]
fn every_frame_is_played_once_at_its_exact_time() {
    for (name, frames, samples, rate) in AUDIO {
        let file = probed(probe_any, &media(name)).unwrap();
        let track = &file.tracks()[0];
        assert_eq!(track.duration, Some(frame_time(frames, samples, rate)), "{name}");
        assert!(track.seekable);
        let played = Player::new(&file).rest();
        assert_eq!(played.len() as u64, frames, "{name}");
        for (n, frame) in (0..).zip(&played) {
            assert_eq!(frame.pts, frame_time(n, samples, rate), "{name}");
            assert_eq!(frame.pts + frame.duration, frame_time(n + 1, samples, rate), "{name}");
            assert!(!frame.flags.discontinuity);
        }
        let bits = played.iter().map(|f| f.data.len() as u128 * 8).sum::<u128>();
        let rate = bits * 1_000_000_000 / track.duration.unwrap().as_nanos();
        let of_headers = if name.ends_with("aac") { 7 * 8 * 50 } else { 0 };
        assert!(u128::from(track.bitrate.unwrap()).abs_diff(rate) <= of_headers, "{name}");
    }
}

#[test]
fn seeking_finds_the_frame() {
    for (name, ..) in AUDIO {
        check_seeks(&probed(probe_any, &media(name)).unwrap());
    }
}

/// Everything of `pieces` is played, at its time, and positions are right on both sides of each
/// change. A piece: frames of so many samples at so many a second.
fn check_changes(pieces: &[(Vec<Vec<u8>>, u32, u32)]) {
    let bytes: Vec<u8> = pieces.iter().flat_map(|(frames, ..)| frames.concat()).collect();
    let held = file_of(&bytes);
    let file = probed(probe_mpeg_audio, held.path()).unwrap();
    let (mut at, mut expected) = (Duration::ZERO, Vec::new());
    for (frames, samples, rate) in pieces {
        let time = |n: usize| at + frame_time(n as u64, *samples, *rate);
        expected.extend(frames.iter().enumerate().map(|(n, frame)| (time(n), frame.clone())));
        at = time(frames.len());
    }
    // Times are cut to nanoseconds where the parameters change.
    let close = |a: Duration, b: Duration| a.abs_diff(b) < Duration::from_nanos(10);
    assert!(close(file.tracks()[0].duration.unwrap(), at));
    let played = Player::new(&file).rest();
    assert_eq!(played.len(), expected.len());
    for (frame, (at, data)) in played.iter().zip(&expected) {
        assert!(close(frame.pts, *at) && frame.data == data, "{at:?}");
    }
    check_seeks(&file);
}

#[test]
fn mpeg_audio_whose_parameters_change_is_played_whole() {
    use crate::framer::mpeg_audio::tests::{OTHERS, frames_with, stream};
    for (head, samples, rate) in OTHERS {
        let other = (frames_with(head, 300), samples, rate);
        check_changes(&[(stream(90, 1), 1152, 44_100), other.clone()]);
        // There and back, and the short part first.
        check_changes(&[(stream(9, 1), 1152, 44_100), other, (stream(500, 2), 1152, 44_100)]);
    }
    // Other channels and bit rates are no other stream.
    let mono = frames_with([0xff, 0xfb, 0x50, 0xc4], 100);
    check_changes(&[(stream(50, 3), 1152, 44_100), (mono, 1152, 44_100)]);
}

#[test]
fn files_put_one_behind_the_other_with_their_tags_are_played_whole() {
    use crate::framer::mpeg_audio::tests::{OTHERS, frames_with, stream};
    let tag = b"ID3\x04\0\0\0\0\0\x05hello";
    let end = [&b"TAG"[..], &[0x20; 125]].concat();
    let second = frames_with(OTHERS[1].0, 40).concat();
    let bytes = [&tag[..], &stream(40, 1).concat(), &end, tag, &second, &end].concat();
    let held = file_of(&bytes);
    let file = probed(probe_mpeg_audio, held.path()).unwrap();
    let frames = Player::new(&file).rest();
    assert_eq!(frames.len(), 80);
    assert!(!frames.iter().any(|frame| frame.flags.discontinuity));
}

#[test]
fn of_adts_that_changes_what_one_description_carries_is_played() {
    use crate::framer::adts::tests::{configured, stream};
    let (jingle, (song, units)) = (configured(&stream(30, 1).0, 0x5c, 0x40), stream(200, 2));
    let (voice, _) = stream(20, 3);
    let voice = configured(&voice, 0x50, 0x40);
    let bytes = [&jingle[..], &song, &voice, &song].concat();
    let held = file_of(&bytes);
    let file = probed(probe_adts, held.path()).unwrap();
    let expected = CodecParameters::Aac {
        config: Bytes::from_static(&[0x12, 0x10]),
        sampling_rate: 44_100,
        channels: 2,
    };
    assert_eq!(file.tracks()[0].parameters, expected);
    let intro = frame_time(30, 1024, 22_050);
    let first_end = intro + frame_time(200, 1024, 44_100);
    let second = first_end + frame_time(20, 1024, 44_100);
    let close = |a: Duration, b: Duration| a.abs_diff(b) < Duration::from_nanos(10);
    let duration = file.tracks()[0].duration.unwrap();
    assert!(close(duration, second + frame_time(200, 1024, 44_100)));
    let mut player = Player::new(&file);
    let frames = player.rest();
    assert_eq!(frames.len(), 400);
    assert_eq!(frames[0].pts, intro);
    assert!(frames[0].flags.discontinuity);
    assert!(close(frames[200].pts, second) && frames[200].flags.discontinuity);
    assert!(frames.iter().zip(units.iter().cycle()).all(|(frame, unit)| frame.data == unit));
    // A position in what is left out is answered; what comes next has its own time.
    for at in [Duration::ZERO, first_end + Duration::from_millis(30), second] {
        let landed = player.seek(at).unwrap();
        assert!(landed <= at && close(landed, at) || at - landed < Duration::from_millis(24));
        let next = frames.iter().find(|frame| frame.pts >= landed).unwrap();
        let got = player.poll().unwrap();
        assert_eq!((got.pts, &got.data), (next.pts, &next.data));
    }
}

#[test]
fn a_file_that_changes_with_every_other_frame_costs_no_more() {
    use crate::framer::mpeg_audio::tests::{OTHERS, frames_with};
    let pair: Vec<u8> =
        OTHERS[..2].iter().flat_map(|&(head, ..)| frames_with(head, 3).concat()).collect();
    let file = file_of(&pair.repeat(3000));
    let found = probed(probe_mpeg_audio, file.path()).unwrap();
    let frames = Player::new(&found).rest();
    assert_eq!(frames.len(), 18_000);
    assert!(frames.windows(2).all(|pair| pair[0].pts < pair[1].pts));
    let end = frames.last().map(|last| last.pts + last.duration);
    assert_eq!(found.tracks()[0].duration, end);
}

#[test]
fn parameters() {
    let aac = probed(probe_any, &media("stereo.aac")).unwrap();
    let expected = CodecParameters::Aac {
        config: Bytes::from_static(&[0x12, 0x10]),
        sampling_rate: 44_100,
        channels: 2,
    };
    assert_eq!(aac.tracks()[0].parameters, expected);
    let mp3 = probed(probe_any, &media("vbr.mp3")).unwrap();
    assert_eq!(mp3.tracks()[0].parameters, CodecParameters::MpegAudio);
}

#[test]
fn damaged_files() {
    check_damage(probe_adts, &std::fs::read(media("stereo.aac")).unwrap());
    check_damage(probe_mpeg_audio, &std::fs::read(media("vbr.mp3")).unwrap());
}

#[test]
fn shrinking_files() {
    check_shrinking(probe_adts, &std::fs::read(media("stereo.aac")).unwrap());
    check_shrinking(probe_mpeg_audio, &std::fs::read(media("layer2.mp2")).unwrap());
}

#[test]
fn what_is_no_audio_is_refused_soon() {
    let refused = |bytes: &[u8]| {
        let file = file_of(bytes);
        match probed(probe_mpeg_audio, file.path()) {
            Err(ProbeError::Content(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(&[]).contains("no MPEG audio frames"));
    assert!(refused(&[0xff, 0xfb, 0x00, 0x44].repeat(1000)).contains("free format"));
    // A tag that claims to go on behind the end of the file.
    assert!(refused(b"ID3\x04\0\0\x7f\x7f\x7f\x7f and nothing else").contains("no MPEG"));
    // Endless garbage is given up long before its end.
    let file = file_of(b"");
    file.as_file().set_len(1 << 40).unwrap();
    let mut probe = probe_mpeg_audio(file.path()).unwrap();
    let calls =
        (0..).take_while(|_| matches!(probe.poll_probe(65_536), ProbePoll::Pending)).count();
    assert!(calls <= 70, "{calls}");
}

#[test]
fn several_raw_data_blocks_are_refused() {
    let mut frame = vec![0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfd];
    frame.resize(16, 0x55);
    let file = file_of(&frame.repeat(20));
    let error = probed(probe_adts, file.path()).unwrap_err();
    assert!(error.to_string().contains("several raw data blocks"), "{error}");
}

#[test]
fn readers_share_one_descriptor() {
    let file = file_of(&std::fs::read(media("stereo.aac")).unwrap());
    let found = probed(probe_adts, file.path()).unwrap();
    let mut first = Player::new(&found);
    // The name may go away while it is played.
    drop(file);
    let mut second = Player::new(&found);
    assert_eq!(first.rest().len(), 217);
    assert_eq!(second.rest().len(), 217);
}

#[test]
fn at_another_scale_runs_of_frames_of_mpeg_audio_are_skipped_or_repeated() {
    for (name, frames, samples, rate) in &AUDIO[1..] {
        let file = probed(probe_any, &media(name)).unwrap();
        let all = Player::new(&file).rest();
        for (scale, from) in [(4.0, 0), (0.5, 2000), (-2.0, 4000)] {
            let mut player = Player::new(&file);
            assert_eq!(player.source.test_scale_factor(scale), Some(scale), "{name}");
            player.source.set_scale(scale);
            let at = player.seek(Duration::from_millis(from)).unwrap();
            let played = player.rest();
            let whole = frame_time(*frames, *samples, *rate);
            let left = if scale < 0.0 { at } else { whole - at };
            let lasts = left.as_secs_f32() / scale.abs();
            let each = frame_time(1, *samples, *rate).as_secs_f32();
            let count = (lasts / each) as usize;
            assert!(
                played.len().abs_diff(count) <= RUN as usize,
                "{name}: {} {count}",
                played.len()
            );
            for (n, frame) in played.iter().enumerate() {
                let due = at.as_secs_f32() + n as f32 * each * scale;
                assert!((frame.pts.as_secs_f32() - due).abs() < 0.001, "{name} at {scale}: {n}");
                assert_eq!(frame.flags.discontinuity, n % RUN as usize == 0);
                // What is heard is within a run of the place.
                let heard = all.iter().filter(|other| other.data == frame.data);
                let near = |other: &Frame| {
                    let off = (other.pts.as_secs_f32() - due).abs();
                    off <= each * (RUN as f32 + 1.0) * scale.abs().max(1.0)
                };
                assert!(heard.into_iter().any(near), "{name} at {scale}: {n}");
            }
        }
    }
    let aac = probed(probe_any, &media("stereo.aac")).unwrap();
    assert_eq!(Player::new(&aac).source.test_scale_factor(4.0), None);
}
