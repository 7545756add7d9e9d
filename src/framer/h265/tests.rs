use super::*;
use crate::codec::h265::Sps;
use crate::framer::testing::{
    H265Vui, assert_units, frames_of, h265_parameter_sets, h265_sets_with, h265_slice, timing_sei,
};
use std::time::Duration;

const AUD: [u8; 3] = [0x46, 1, 0x50];
const PREFIX_SEI: [u8; 4] = [0x4e, 1, 0x80, 0x80];
const SUFFIX_SEI: [u8; 4] = [0x50, 1, 0x80, 0x80];
const EOS: [u8; 2] = [0x48, 1];

fn pictures(pictures: &[(u8, u32)]) -> Vec<u64> {
    let mut units = vec![h265_parameter_sets(2).to_vec()];
    for (i, &(nal_type, poc)) in pictures.iter().enumerate() {
        let slice = h265_slice(nal_type, true, poc);
        if i == 0 { units[0].push(slice) } else { units.push(vec![slice]) }
    }
    let frames = assert_units::<H265Syntax>(&units);
    assert!(frames.iter().all(|frame| frame.pts >= frame.dts));
    assert!(frames.windows(2).all(|pair| pair[0].dts <= pair[1].dts));
    // 50 pictures per second.
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
    let frames = assert_units::<H265Syntax>(&[
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

/// Presentation times in milliseconds of pictures with this VUI, whose orders are given, with what
/// `more` makes of their numbers in front.
fn shown(vui: H265Vui, orders: &[u32], more: impl Fn(usize) -> Vec<u8>) -> Vec<u128> {
    let mut nals = h265_sets_with(2, vui).to_vec();
    for (n, &poc) in orders.iter().enumerate() {
        nals.push(more(n));
        nals.push(h265_slice(if poc == 0 { 20 } else { 1 }, true, poc));
    }
    let nals = nals.iter().map(Vec::as_slice).filter(|nal| !nal.is_empty());
    let frames = frames_of::<H265Syntax>(&annexb::from_nal_units(nals), 1000);
    assert!(frames.iter().all(|frame| frame.pts >= frame.dts));
    frames.iter().map(|frame| frame.pts.as_millis()).collect()
}

#[test]
fn a_tick_that_is_no_picture_rate_is_not_believed() {
    let orders: Vec<_> = (0..101).collect();
    for (timing, last) in [
        ((1, 1000), 4000),
        ((1, 600), 4000),
        ((1, 90_000), 4000),
        // 192 by 112 in level 3.1.
        ((1, 240), 416),
        ((1001, 30_000), 3336),
        ((1, 1), 100_000),
        ((11, 1), 4000),
    ] {
        let vui = H265Vui { timing, ..H265Vui::default() };
        assert_eq!(shown(vui, &orders, |_| vec![])[100], last, "{timing:?}");
    }
}

#[test]
fn times_proportional_to_orders_are_those() {
    let vui = H265Vui { timing: (1, 1000), poc_ticks: Some(10), ..H265Vui::default() };
    // Pictures are left out; a second sequence, which follows a usual picture.
    let orders = [0, 12, 4, 8, 16, 40, 30, 0, 4, 100];
    let times = shown(vui, &orders, |_| vec![]);
    assert_eq!(times, [0, 120, 40, 80, 160, 400, 300, 440, 480, 1440]);
}

#[test]
fn pic_struct_tells_how_often_fields_and_pictures_are_shown() {
    let structures = [0, 3, 5, 7, 8, 1, 9, 0];
    let more = |n: usize| timing_sei(&[0x4e, 1], false, &[(4, structures[n]), (2, 0), (1, 0)]);
    let orders: Vec<_> = (0..8).collect();
    let vui = H265Vui { pic_struct: true, ..H265Vui::default() };
    assert_eq!(shown(vui, &orders, more), [0, 20, 60, 120, 160, 220, 240, 260]);
    // Where a tick is as long as a frame, both its fields last no longer.
    let vui = H265Vui { timing: (1, 25), ..vui };
    assert_eq!(shown(vui, &orders, more), [0, 40, 80, 140, 220, 340, 380, 420]);
}

#[test]
fn a_reference_decoder_s_clock_tells_the_times_of_variable_rate() {
    let vui = H265Vui { timing: (1, 100), hrd: true, ..H265Vui::default() };
    let due = [0_u32, 4, 8, 20, 21, 25, 100, 104, 250, 255];
    let more = |n: usize| {
        let since = due[(n.max(1) - 1) / 4 * 4];
        let removal = due[n].saturating_sub(since).saturating_sub(1);
        timing_sei(&[0x4e, 1], n % 4 == 0, &[(8, removal), (8, 6)])
    };
    let orders: Vec<_> = (0..10).collect();
    assert_eq!(shown(vui, &orders, more), due.map(|at| u128::from(at) * 10));
}

#[test]
fn a_recovery_point_is_a_key() {
    let mut units = vec![h265_parameter_sets(0).to_vec()];
    units[0].push(h265_slice(20, true, 0));
    units.push(vec![vec![0x4e, 1, 6, 1, 0xc0, 0x80], h265_slice(1, true, 1)]);
    units.push(vec![h265_slice(1, true, 2)]);
    let keys: Vec<_> =
        assert_units::<H265Syntax>(&units).iter().map(|frame| frame.flags.key).collect();
    assert_eq!(keys, [true, true, false]);
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
