//! AC-3, AMR, G.722 and motion JPEG.

use super::*;
use crate::codec::ac3::tests::{ac3, enhanced};
use crate::media::file::ac3::probe_ac3;
use crate::media::file::amr::probe_amr;
use crate::media::file::g722::probe_g722;
use crate::media::file::mjpeg::probe_mjpeg;
use crate::media::file::testing::*;
use crate::payload::testing::XorShift;

/// The frames that a file plays, which are those of `frames` in time.
fn check(
    probe: fn(&Path) -> Result<Box<dyn Probe>, ProbeError>,
    front: &[u8],
    frames: &[Vec<u8>],
    (samples, rate): (u32, u32),
    parameters: &CodecParameters,
) {
    let bytes = [front, &frames.concat()].concat();
    let held = file_of(&bytes);
    let file = probed(probe, held.path()).unwrap();
    let track = &file.tracks()[0];
    assert_eq!(track.parameters, *parameters);
    assert_eq!(track.duration, Some(frame_time(frames.len() as u64, samples, rate)));
    let played = Player::new(&file).rest();
    assert_eq!(played.len(), frames.len());
    for ((n, played), frame) in (0..).zip(&played).zip(frames) {
        assert_eq!(played.pts, frame_time(n, samples, rate));
        assert!(played.data == *frame && played.flags.key && !played.flags.discontinuity);
    }
    if !matches!(parameters, CodecParameters::G722 { .. }) {
        // A position of G.722 is between any two octets.
        check_seeks(&file);
    }
    check_damage(probe, &bytes);
    check_shrinking(probe, &bytes);
}

/// A frame with noise behind its header.
fn filled(mut frame: Vec<u8>, header: usize, seed: u64) -> Vec<u8> {
    let noise = XorShift::new(seed).bytes(frame.len());
    frame[header..].copy_from_slice(&noise[header..]);
    frame
}

#[test]
fn ac3_and_its_enhanced_form() {
    let frames: Vec<_> = (1..150).map(|n| filled(ac3(0, 8, 2, false), 7, n)).collect();
    let parameters = CodecParameters::Ac3 { sampling_rate: 48_000, channels: 2 };
    check(probe_ac3, &[], &frames, (1536, 48_000), &parameters);
    // Each with a dependent and a further substream of the same time.
    let unit = |n| {
        let parts = [enhanced(0, 0, 200, 3), enhanced(1, 0, 90, 3), enhanced(0, 1, 60, 3)];
        parts.map(|part| filled(part, 7, n)).concat()
    };
    let frames: Vec<_> = (1..150).map(unit).collect();
    let parameters = CodecParameters::Eac3 { sampling_rate: 48_000, channels: 6 };
    check(probe_ac3, &[], &frames, (1536, 48_000), &parameters);
}

#[test]
fn amr_of_either_band() {
    // RFC 4867 section 5.3: 12.2 kbit/s, comfort noise, a frame that was not sent; 23.85 kbit/s.
    let narrow = |n: u64| match n % 5 {
        3 => filled(vec![8 << 3 | 4; 6], 1, n),
        4 => vec![15 << 3 | 4],
        _ => filled(vec![7 << 3 | 4; 32], 1, n),
    };
    let frames: Vec<_> = (1..400).map(narrow).collect();
    let parameters = CodecParameters::Amr { wideband: false, channels: 1 };
    check(probe_amr, b"#!AMR\n", &frames, (160, 8000), &parameters);
    let frames: Vec<_> = (1..400).map(|n| filled(vec![8 << 3 | 4; 61], 1, n)).collect();
    let parameters = CodecParameters::Amr { wideband: true, channels: 1 };
    check(probe_amr, b"#!AMR-WB\n", &frames, (320, 16_000), &parameters);
    for other in [&b""[..], b"#!AMR_MC1.0\n\0\0\0\x02", b"#!AM", b"#!AMR\n"] {
        let held = file_of(other);
        assert!(matches!(probed(probe_amr, held.path()), Err(ProbeError::Content(_))));
    }
}

#[test]
fn g722_is_cut_into_frames_of_20_ms() {
    let frames: Vec<_> = (1..150).map(|n| XorShift::new(n).bytes(160)).collect();
    let parameters = CodecParameters::G722 { channels: 1 };
    check(probe_g722, &[], &frames, (160, 8000), &parameters);
}

#[test]
fn images_one_behind_the_other() {
    // ITU-T T.81 annex B: tables, a baseline frame of 16 × 16, one component, a scan.
    let mut head = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    head.extend([16; 64]);
    head.extend([0xff, 0xc0, 0, 17, 8, 0, 16, 0, 16, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    head.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    let image = |n: u64| {
        let noise = XorShift::new(n).bytes(100 + n as usize % 50 * 40);
        let scan: Vec<u8> = noise.into_iter().map(|byte| byte & 0x7f).collect();
        [&head[..], &scan, &[0xff, 0xd9]].concat()
    };
    let frames: Vec<_> = (1..120).map(image).collect();
    check(probe_mjpeg, &[], &frames, (1, 25), &CodecParameters::Jpeg);
}
