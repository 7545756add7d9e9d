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
    let mut index = Index::new();
    for n in 0..1_000_000 {
        index.push(n, n * 10);
    }
    assert!(index.entries.len() <= Index::MAX_ENTRIES);
    for n in (0..1_000_000).step_by(997) {
        let (number, offset) = index.before(n).unwrap();
        assert!(number <= n && n - number < 2 * index.every);
        assert_eq!(offset, number * 10);
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
