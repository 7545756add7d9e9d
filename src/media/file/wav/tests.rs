//! Tests with the files that people have.

use super::*;
use crate::codec::PcmEncoding;
use crate::framer::wav::tests::{fmt, riff};
use crate::media::file::testing::*;
use std::io::Write;

/// Name, encoding, rate, channels, sampling instants.
const FILES: [(&str, PcmEncoding, u32, u8, u64); 5] = [
    ("pcm8.wav", PcmEncoding::L8, 11_025, 1, 44_100),
    ("pcm16.wav", PcmEncoding::L16, 44_100, 2, 176_400),
    ("pcm24.wav", PcmEncoding::L24, 24_000, 2, 96_000),
    ("mulaw.wav", PcmEncoding::Pcmu, 8_000, 1, 40_000),
    ("alaw.wav", PcmEncoding::Pcma, 8_000, 1, 40_000),
];

#[test]
fn all_samples_in_network_byte_order_at_their_exact_time() {
    for (name, encoding, rate, channels, samples) in FILES {
        let file = probed(probe_wav, &media(name)).unwrap();
        let expected = CodecParameters::Pcm { encoding, sampling_rate: rate, channels };
        assert_eq!(file.tracks()[0].parameters, expected);
        assert_eq!(file.tracks()[0].duration, Some(frame_time(samples, 1, rate)));
        let frames = Player::new(&file).rest();
        let mut at = 0;
        for frame in &frames {
            assert_eq!(frame.pts, frame_time(at, 1, rate), "{name}");
            at += (frame.data.len() / encoding.bytes_per_sample() / usize::from(channels)) as u64;
        }
        assert_eq!(at, samples, "{name}");
        assert_eq!(
            frames[0].data.len() / encoding.bytes_per_sample() / usize::from(channels),
            rate as usize / 50
        );
        // Behind the samples these files have nothing.
        let bytes = std::fs::read(media(name)).unwrap();
        let width = encoding.bytes_per_sample();
        let sent: Vec<u8> = frames.iter().flat_map(|f| f.data.to_vec()).collect();
        let as_in_file: Vec<u8> =
            sent.chunks(width).flat_map(|s| s.iter().rev().copied().collect::<Vec<_>>()).collect();
        assert!(bytes.ends_with(&as_in_file), "{name}");
    }
}

#[test]
fn seeking_is_exact_to_the_sample() {
    for (name, _, rate, ..) in FILES {
        let file = probed(probe_wav, &media(name)).unwrap();
        let all: Vec<u8> = Player::new(&file).rest().iter().flat_map(|f| f.data.to_vec()).collect();
        let mut player = Player::new(&file);
        for ms in [3999, 0, 1, 777, 2000] {
            let npt = Duration::from_millis(ms);
            let at = player.seek(npt).unwrap();
            assert!(at <= npt && npt - at <= Duration::from_secs(1) / rate);
            let frames = player.rest();
            assert_eq!(frames[0].pts, at);
            assert!(frames[0].flags.discontinuity);
            assert!(!frames.get(1).is_some_and(|frame| frame.flags.discontinuity));
            let rest: Vec<u8> = frames.iter().flat_map(|f| f.data.to_vec()).collect();
            assert!(all.ends_with(&rest), "{name} from {ms} ms");
        }
        let duration = file.tracks()[0].duration.unwrap();
        assert_eq!(player.seek(duration), Err(SeekError::OutOfRange));
    }
}

#[test]
fn chunks_before_the_samples_are_not_read() {
    // A chunk of a gigabyte, which the file has as a hole.
    let mut bytes = riff(&[fmt(1, 1, 8000, 8)]);
    bytes.extend_from_slice(b"LIST");
    bytes.extend_from_slice(&(1u32 << 30).to_le_bytes());
    let file = file_of(&bytes);
    file.as_file().set_len(bytes.len() as u64 + (1 << 30)).unwrap();
    let tail = riff(&[(b"data", vec![9; 400])]);
    let mut end = File::options().append(true).open(file.path()).unwrap();
    end.write_all(&tail[12..]).unwrap();
    let mut probe = probe_wav(file.path()).unwrap();
    let ProbePoll::Ready(found) = probe.poll_probe(64 * 1024) else { panic!("not found at once") };
    assert_eq!(found.tracks()[0].duration, Some(Duration::from_millis(50)));
}

#[test]
fn lengths_that_lie() {
    for size in [0u32, u32::MAX, u32::MAX - 1, 90_000] {
        let mut bytes = riff(&[fmt(1, 1, 8000, 16), (b"data", vec![])]);
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&[1; 1601]);
        let file = file_of(&bytes);
        let found = probed(probe_wav, file.path()).unwrap();
        assert_eq!(found.tracks()[0].duration, Some(Duration::from_millis(100)));
        assert_eq!(Player::new(&found).rest().len(), 5);
    }
    let file = file_of(&riff(&[fmt(1, 1, 8000, 16), (b"data", vec![1])]));
    assert!(probed(probe_wav, file.path()).is_err());
}

#[test]
fn damaged_and_shrinking_files() {
    check_damage(probe_wav, &std::fs::read(media("mulaw.wav")).unwrap());
    check_shrinking(probe_wav, &std::fs::read(media("pcm16.wav")).unwrap());
}

#[test]
fn at_another_scale_samples_are_skipped_or_repeated() {
    for (name, encoding, rate, channels, samples) in FILES {
        let file = probed(probe_wav, &media(name)).unwrap();
        let block = encoding.bytes_per_sample() * usize::from(channels);
        let all: Vec<u8> = Player::new(&file).rest().iter().flat_map(|f| f.data.to_vec()).collect();
        let all: Vec<_> = all.chunks(block).collect();
        for (scale, from) in
            [(2.0, 0), (32.0, 0), (3.0, 1000), (0.5, 2000), (-1.0, 3000), (-4.0, 3999)]
        {
            let mut player = Player::new(&file);
            assert_eq!(player.source.test_scale_factor(scale), Some(scale), "{name}");
            player.source.set_scale(scale);
            let at = player.seek(Duration::from_millis(from)).unwrap();
            let first = frame_at(at, 1, rate) as i64;
            let frames = player.rest();
            let heard: Vec<u8> = frames.iter().flat_map(|f| f.data.to_vec()).collect();
            let nth = |n: i64| first + (n as f64 * f64::from(scale)).floor() as i64;
            let expected: Vec<_> = (0..)
                .map(nth)
                .take_while(|n| (0..samples as i64).contains(n))
                .flat_map(|n| all[n as usize])
                .copied()
                .collect();
            assert!(heard == expected, "{name} at {scale}: {} {}", heard.len(), expected.len());
            // Normal play time goes on as much faster as there are fewer samples.
            for pair in frames.windows(2) {
                let lasts = frame_time((pair[0].data.len() / block) as u64, 1, rate);
                let step = pair[1].pts.abs_diff(pair[0].pts).as_secs_f32();
                assert!(
                    (step - lasts.as_secs_f32() * scale.abs()).abs() < 1e-4,
                    "{name} at {scale}"
                );
                assert_eq!(pair[1].pts < pair[0].pts, scale < 0.0);
            }
            player.source.set_scale(1.0);
            player.seek(Duration::ZERO).unwrap();
            assert_eq!(
                player.rest().iter().map(|f| f.data.len()).sum::<usize>(),
                all.len() * block
            );
        }
    }
}
