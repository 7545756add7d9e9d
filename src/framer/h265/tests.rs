use super::*;
use crate::codec::h265::Sps;
use crate::frame::Frame;
use crate::framer::testing::{h265_parameter_sets, h265_slice};
use std::time::Duration;

const AUD: [u8; 3] = [0x46, 1, 0x50];
const PREFIX_SEI: [u8; 4] = [0x4e, 1, 0x80, 0x80];
const SUFFIX_SEI: [u8; 4] = [0x50, 1, 0x80, 0x80];
const EOS: [u8; 2] = [0x48, 1];

fn frames_of(data: &[u8], size: usize) -> Vec<Frame> {
    let mut framer = H265Framer::new();
    let mut frames = Vec::new();
    for piece in data.chunks(size) {
        framer.handle_bytes(piece);
        while let Some(frame) = framer.poll_frame().unwrap() {
            frames.push(frame);
        }
    }
    framer.handle_end();
    while let Some(frame) = framer.poll_frame().unwrap() {
        frames.push(frame);
    }
    frames
}

/// Access units given as NAL units come out as those, in pieces of any size.
#[track_caller]
fn assert_units(units: &[Vec<Vec<u8>>]) -> Vec<Frame> {
    let mut stream = Vec::new();
    for (i, nal) in units.iter().flatten().enumerate() {
        stream.extend_from_slice(&[0; 5][..i % 4]);
        stream.extend_from_slice(&[0, 0, 1]);
        stream.extend_from_slice(nal);
    }
    let whole = frames_of(&stream, stream.len());
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(frames_of(&stream, size), whole, "in pieces of {size}");
    }
    assert_eq!(whole.len(), units.len());
    for (i, (frame, unit)) in whole.iter().zip(units).enumerate() {
        let nals: Vec<_> = annexb::nal_units(&frame.data).collect();
        assert_eq!(nals, *unit, "access unit {i}");
    }
    whole
}

fn pictures(pictures: &[(u8, u32)]) -> Vec<u64> {
    let mut units = vec![h265_parameter_sets(2).to_vec()];
    for (i, &(nal_type, poc)) in pictures.iter().enumerate() {
        let slice = h265_slice(nal_type, true, poc);
        if i == 0 { units[0].push(slice) } else { units.push(vec![slice]) }
    }
    let frames = assert_units(&units);
    assert!(frames.iter().all(|frame| frame.pts >= frame.dts));
    assert!(frames.windows(2).all(|pair| pair[0].dts <= pair[1].dts));
    // 50 pictures a second.
    frames.iter().map(|frame| frame.pts.as_millis() as u64 / 20).collect()
}

#[test]
fn slices_sei_and_delimiters_find_their_access_unit() {
    let mut first = vec![AUD.to_vec()];
    first.extend(h265_parameter_sets(0));
    first.extend([PREFIX_SEI.to_vec(), h265_slice(20, true, 0), h265_slice(20, false, 0)]);
    first.extend([SUFFIX_SEI.to_vec(), vec![0x4c, 1, 0xff]]);
    // A slice and a parameter set of a further layer.
    let layer = vec![0x02, 0x09, 0x80, 1];
    let frames = assert_units(&[
        first,
        vec![PREFIX_SEI.to_vec(), h265_slice(1, true, 1), layer, vec![0x44, 0x09, 1]],
        vec![h265_slice(1, true, 2), h265_slice(1, false, 2), h265_slice(1, false, 2)],
        vec![h265_slice(1, true, 3), EOS.to_vec()],
        vec![AUD.to_vec(), h265_slice(21, true, 77)],
        vec![h265_parameter_sets(0)[2].clone(), h265_slice(1, true, 78), EOS.to_vec()],
    ]);
    let keys: Vec<_> = frames.iter().map(|frame| frame.flags.key).collect();
    assert_eq!(keys, [true, false, false, false, true, false]);
    for (n, frame) in frames.iter().enumerate() {
        let at = Duration::from_millis(20 * n as u64);
        assert_eq!((frame.pts, frame.dts), (at, at));
    }
}

#[test]
fn pictures_are_presented_in_output_order() {
    // IDR, then P and B; a CRA picture with leading pictures; an IDR picture with leading ones.
    let order = [
        (20, 0),
        (1, 4),
        (1, 2),
        (0, 1),
        (0, 3),
        (21, 8),
        (9, 6),
        (8, 5),
        (8, 7),
        (1, 9),
        (19, 0),
        (7, 254),
        (6, 253),
        (6, 255),
        (1, 1),
    ];
    assert_eq!(pictures(&order), [0, 4, 2, 1, 3, 8, 6, 5, 7, 9, 13, 11, 10, 12, 14]);
}

#[test]
fn order_count_wraps_without_a_trace() {
    let mut order = vec![(20, 0)];
    for n in 1..400 {
        order.extend([(1, 2 * n), (0, 2 * n - 1)]);
    }
    let expected = std::iter::once(0).chain((1..400).flat_map(|n| [2 * n, 2 * n - 1]));
    let expected: Vec<u64> = expected.collect();
    assert_eq!(pictures(&order), expected);
}

#[test]
fn parameter_sets_are_found_and_read() {
    let [vps, sps, pps] = h265_parameter_sets(2);
    let parsed = Sps::parse(&sps).unwrap();
    assert_eq!((parsed.width, parsed.height), (192, 108));
    assert_eq!(parsed.timing.map(|timing| timing.time_scale), Some(50));
    let unit = annexb::from_nal_units([&AUD[..], &vps, &sps, &pps, &PREFIX_SEI]);
    let (found_vps, found_sps, found_pps) = parameter_sets_in(&unit.into());
    assert_eq!(
        (found_vps, found_sps, found_pps),
        (vec![vps.into()], vec![sps.into()], vec![pps.into()])
    );
}

#[test]
fn survives_damaged_streams() {
    let mut stream = Vec::new();
    for n in 0..20u32 {
        stream.extend(annexb::from_nal_units(h265_parameter_sets(n % 4).iter().map(|n| &n[..])));
        stream.extend(annexb::from_nal_units([&h265_slice((n % 22) as u8, true, n)[..]]));
    }
    let mut random = crate::payload::testing::XorShift::new(6);
    for _ in 0..400 {
        let mut damaged = stream.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next() as u8;
        }
        crate::fuzzing::video::h265_framer(&damaged);
        crate::fuzzing::video::parameter_sets(&damaged);
        crate::fuzzing::video::h265_depacketizer(&damaged);
    }
}
