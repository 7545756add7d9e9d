use super::*;
use crate::codec::h264::Sps;
use crate::error::Error;
use crate::framer::testing::{
    H264Slice, H264Sps, assert_units, frames_of, h264_marking_slice, h264_pps, h264_whole_pps,
    timing_sei,
};
use std::time::Duration;

const AUD: [u8; 2] = [9, 0xf0];
const SEI: [u8; 4] = [6, 0x80, 0, 0x80];

fn sets(sps: H264Sps) -> Vec<Vec<u8>> {
    vec![sps.nal(), h264_pps(0)]
}

#[test]
fn slices_sei_and_delimiters_find_their_access_unit() {
    let slice = |base: H264Slice, first_mb| H264Slice { first_mb, ..base }.nal();
    let (i, p) = (H264Slice::idr(0), H264Slice::other(true, 1, 2));
    let b = H264Slice::other(false, 2, 4);
    let mut first = sets(H264Sps::default());
    first.insert(0, AUD.to_vec());
    first.extend([SEI.to_vec(), slice(i, 0), slice(i, 20), slice(i, 40)]);
    let frames = assert_units::<H264Syntax>(&[
        first,
        vec![AUD.to_vec(), SEI.to_vec(), slice(p, 0), slice(p, 33), vec![12, 0xff]],
        // Nothing between the pictures.
        vec![slice(b, 0), slice(b, 9)],
        vec![SEI.to_vec(), slice(H264Slice::other(false, 2, 6), 0)],
        // Two IDR pictures in a row; parameter sets in between.
        vec![slice(H264Slice::idr(1), 0)],
        vec![h264_pps(0), slice(H264Slice::idr(2), 0), vec![10], vec![11, 0xff]],
    ]);
    let keys: Vec<_> = frames.iter().map(|frame| frame.flags.key).collect();
    assert_eq!(keys, [true, false, false, false, true, true]);
    assert!(frames.iter().all(|frame| frame.flags.ends_access_unit));
}

#[test]
fn identical_idr_pictures_are_several() {
    let slice = |first_mb| H264Slice { first_mb, ..H264Slice::idr(0) }.nal();
    let mut first = sets(H264Sps::default());
    first.extend([slice(0), slice(30)]);
    let units = [first, vec![slice(0)], vec![slice(0), slice(30)], vec![AUD.to_vec(), slice(0)]];
    assert!(assert_units::<H264Syntax>(&units).iter().all(|frame| frame.flags.key));
}

#[test]
fn both_fields_of_a_frame_are_one_access_unit() {
    let field =
        |base: H264Slice, bottom| H264Slice { bottom: Some(bottom), fields: true, ..base }.nal();
    let idr = H264Slice::idr(0);
    let second = H264Slice::other(true, 0, 1);
    let mut first = sets(H264Sps { fields: true, ..H264Sps::default() });
    first.extend([field(idr, false), AUD.to_vec(), field(second, true)]);
    let frames = assert_units::<H264Syntax>(&[
        first,
        vec![
            AUD.to_vec(),
            field(H264Slice::other(true, 1, 2), false),
            field(H264Slice::other(true, 1, 3), true),
        ],
        vec![
            field(H264Slice::other(false, 2, 4), true),
            field(H264Slice::other(false, 2, 5), false),
        ],
        vec![H264Slice { fields: true, ..H264Slice::other(true, 2, 6) }.nal()],
    ]);
    assert!(frames[0].flags.key && !frames[1].flags.key);
}

#[test]
fn pictures_are_presented_in_output_order() {
    // I0 P6 B2 b4 P12 B8 b10 I(IDR)0 P2: orders as multiples of two.
    let order = [(0, 0), (1, 6), (2, 2), (2, 4), (2, 12), (3, 8), (3, 10)];
    let mut units = vec![sets(H264Sps::default())];
    units[0].push(H264Slice::idr(0).nal());
    for &(frame_num, poc) in &order[1..] {
        units.push(vec![H264Slice::other(poc % 6 == 0, frame_num, poc).nal()]);
    }
    units.push(vec![H264Slice::idr(1).nal()]);
    units.push(vec![H264Slice::other(true, 1, 2).nal()]);
    let frames = assert_units::<H264Syntax>(&units);
    let frame_time = |n: u64| Duration::from_nanos(n * 1_000_000_000 / 30);
    let shown: Vec<_> = frames.iter().map(|frame| frame.pts).collect();
    assert_eq!(shown, [0, 3, 1, 2, 6, 4, 5, 7, 8].map(frame_time));
    let sent: Vec<_> = frames.iter().map(|frame| frame.dts).collect();
    assert_eq!(sent, [0, 0, 0, 1, 2, 3, 4, 5, 6].map(frame_time));
    for frame in &frames {
        assert!(frame.pts >= frame.dts);
        assert!(frame.duration.abs_diff(frame_time(1)) <= Duration::from_nanos(1));
    }
}

#[test]
fn order_count_wraps_without_a_trace() {
    let mut units = vec![sets(H264Sps::default())];
    units[0].push(H264Slice::idr(0).nal());
    // P B P B …, far beyond the 64 values of the low bits and the 16 of frame_num.
    for n in 0..100 {
        units.push(vec![H264Slice::other(true, n + 1, 4 * n + 4).nal()]);
        units.push(vec![H264Slice::other(false, n + 2, 4 * n + 2).nal()]);
    }
    let frames = assert_units::<H264Syntax>(&units);
    for (n, pair) in frames[1..].chunks(2).enumerate() {
        let at = |n: usize| Duration::from_nanos(n as u64 * 1_000_000_000 / 30);
        assert_eq!((pair[0].pts, pair[1].pts), (at(2 * n + 2), at(2 * n + 1)));
    }
}

#[test]
fn streams_without_reordering_are_due_when_they_are_presented() {
    for poc_type in [0, 2] {
        let sps = H264Sps { poc_type, timing: None, reorder: Some(0), ..H264Sps::default() };
        let slice = |slice: H264Slice| {
            let poc_lsb = slice.poc_lsb.filter(|_| poc_type == 0);
            H264Slice { poc_lsb, ..slice }.nal()
        };
        let mut units = vec![sets(sps)];
        units[0].push(slice(H264Slice::idr(0)));
        for n in 1..30 {
            units.push(vec![slice(H264Slice::other(true, n, 2 * n))]);
        }
        for (n, frame) in assert_units::<H264Syntax>(&units).iter().enumerate() {
            let at = Duration::from_millis(40 * n as u64);
            assert_eq!((frame.pts, frame.dts), (at, at));
        }
    }
}

#[test]
fn rates_are_exact_and_absurd_ones_ignored() {
    for (timing, last) in [
        ((1001, 60_000), Duration::from_nanos(1001 * 1_000_000_000 * 300 / 30_000)),
        ((1, 180_000), Duration::from_secs(12)),
        ((0, 50), Duration::from_secs(12)),
    ] {
        let sps = H264Sps { timing: Some(timing), reorder: Some(0), ..H264Sps::default() };
        let mut stream = annexb::from_nal_units([&sps.nal()[..], &h264_pps(0)]);
        stream.extend(annexb::from_nal_units([&H264Slice::idr(0).nal()[..]]));
        for n in 1..=300 {
            let slice = H264Slice::other(true, n, 2 * n).nal();
            stream.extend(annexb::from_nal_units([&slice[..]]));
        }
        assert_eq!(frames_of::<H264Syntax>(&stream, 1000)[300].pts, last);
    }
}

/// Presentation times in milliseconds of a stream with this SPS, whose pictures come with what
/// `more` makes of their numbers in front.
fn shown(sps: H264Sps, count: u32, more: impl Fn(u32) -> Vec<u8>) -> Vec<u128> {
    let mut stream = annexb::from_nal_units([&sps.nal()[..], &h264_pps(0)]);
    for n in 0..count {
        let slice = if n == 0 { H264Slice::idr(0) } else { H264Slice::other(true, n, 2 * n) };
        let nals = [more(n), H264Slice { fields: sps.fields, ..slice }.nal()];
        let nals = nals.iter().map(Vec::as_slice).filter(|nal| !nal.is_empty());
        stream.extend(annexb::from_nal_units(nals));
    }
    let frames = frames_of::<H264Syntax>(&stream, 1000);
    assert!(frames.iter().all(|frame| frame.pts >= frame.dts));
    frames.iter().map(|frame| frame.pts.as_millis()).collect()
}

#[test]
fn a_tick_that_is_no_frame_rate_is_not_believed() {
    let progressive = H264Sps { reorder: Some(0), ..H264Sps::default() };
    for (timing, fixed, last) in [
        // The time base of a container; 192 by 112 in level 3.0 may have 482 frames per second.
        ((1, 2000), false, 4000),
        ((1, 1200), false, 4000),
        ((1, 180_000), false, 4000),
        ((1, 2000), true, 4000),
        // Slower than anybody would encode.
        ((60, 1), false, 4000),
        // Rates that are.
        ((1, 100), false, 2000),
        ((1001, 60_000), false, 3336),
        ((1, 240), true, 833),
        ((1, 2), false, 100_000),
    ] {
        let sps = H264Sps { timing: Some(timing), fixed, ..progressive };
        assert_eq!(shown(sps, 101, |_| vec![])[100], last, "{timing:?} {fixed}");
    }
}

#[test]
fn pic_struct_tells_how_often_fields_and_frames_are_shown() {
    let sps = H264Sps {
        timing: Some((1, 50)),
        reorder: Some(0),
        fields: true,
        pic_struct: true,
        ..H264Sps::default()
    };
    // Frame; top and bottom; three fields, twice; doubled; tripled; one that does not say.
    let structures = [0, 3, 5, 6, 7, 8, 9, 4];
    let more = |n: u32| match structures[n as usize] {
        9 => SEI.to_vec(),
        pic_struct => timing_sei(&[6], false, &[(4, pic_struct)]),
    };
    assert_eq!(shown(sps, 8, more), [0, 40, 80, 140, 200, 280, 400, 440]);
    // Without the flag in the SPS, the message has no such field.
    let mute = H264Sps { pic_struct: false, ..sps };
    assert_eq!(shown(mute, 8, more)[7], 280);
}

#[test]
fn both_fields_of_a_frame_make_one_step_of_time() {
    let field =
        |base: H264Slice, bottom| H264Slice { bottom: Some(bottom), fields: true, ..base }.nal();
    let sps = H264Sps {
        fields: true,
        timing: Some((1, 50)),
        pic_struct: true,
        reorder: Some(0),
        ..H264Sps::default()
    };
    let mut nals = vec![sps.nal(), h264_pps(0)];
    for n in 0..50 {
        let (top, bottom) = match n {
            // Both fields of an IDR picture as IDR pictures.
            0 => (H264Slice::idr(0), H264Slice { poc_lsb: Some(1), ..H264Slice::idr(0) }),
            _ => (H264Slice::other(true, n, 2 * n), H264Slice::other(true, n, 2 * n + 1)),
        };
        nals.extend([timing_sei(&[6], false, &[(4, 1)]), field(top, false)]);
        nals.extend([timing_sei(&[6], false, &[(4, 2)]), field(bottom, true)]);
    }
    let frames =
        frames_of::<H264Syntax>(&annexb::from_nal_units(nals.iter().map(Vec::as_slice)), 999);
    let times: Vec<_> = frames.iter().map(|frame| frame.pts.as_millis()).collect();
    assert_eq!(times, (0..50).map(|n| n * 40).collect::<Vec<_>>());
}

#[test]
fn a_reference_decoder_s_clock_tells_the_times_of_variable_rate() {
    let sps = H264Sps {
        timing: Some((1, 100)),
        fixed: false,
        hrd: true,
        pic_struct: true,
        reorder: Some(0),
        ..H264Sps::default()
    };
    // Hundredths of a second; a buffering period every four pictures, in the last the count wraps.
    let due = [0_u32, 4, 8, 20, 21, 25, 100, 104, 250, 255, 300, 509, 510, 515, 520, 521];
    let delays = |n: u32| {
        let since = due[((n.max(1) - 1) / 4 * 4) as usize];
        let removal = (due[n as usize] - since) % 256;
        timing_sei(&[6], n % 4 == 0, &[(8, removal), (8, 6), (4, 0)])
    };
    assert_eq!(shown(sps, 16, delays), due.map(|at| u128::from(at) * 10));
    // One that stands still is none, and the tick of a time base neither.
    let still = |_| timing_sei(&[6], false, &[(8, 0), (8, 0), (4, 0)]);
    let sps = H264Sps { timing: Some((1, 2000)), ..sps };
    assert_eq!(shown(sps, 101, still)[100], 4000);
}

#[test]
fn times_go_on_at_the_rate_of_new_parameter_sets() {
    let sps = H264Sps { timing: Some((1, 50)), reorder: Some(0), ..H264Sps::default() };
    let faster = H264Sps { timing: Some((1001, 60_000)), ..sps };
    let more = |n| if n == 25 { faster.nal() } else { vec![] };
    let times = shown(sps, 86, more);
    assert_eq!((times[25], times[85]), (1000, 3002));
}

#[test]
fn an_operation_that_forgets_all_pictures_restarts_the_order() {
    let mut units = vec![vec![H264Sps::default().nal(), h264_whole_pps(0)]];
    units[0].push(H264Slice::idr(0).nal());
    // P B P B, then one that counts from 0 again, with operations before and behind it.
    for n in 0..2 {
        units.push(vec![h264_marking_slice(n + 1, 4 * n + 4, &[1, 0, 2, 1])]);
        units.push(vec![H264Slice::other(false, n + 2, 4 * n + 2).nal()]);
    }
    units.push(vec![h264_marking_slice(3, 40, &[3, 1, 1, 5, 4, 0])]);
    for n in 0..2 {
        units.push(vec![h264_marking_slice(n + 1, 4 * n + 4, &[])]);
        units.push(vec![H264Slice::other(false, n + 2, 4 * n + 2).nal()]);
    }
    let frames = assert_units::<H264Syntax>(&units);
    let at = |n: u64| Duration::from_nanos(n * 1_000_000_000 / 30);
    let times: Vec<_> = frames.iter().map(|frame| frame.pts).collect();
    assert_eq!(times, [0, 2, 1, 4, 3, 5, 7, 6, 9, 8].map(at));
}

#[test]
fn an_i_picture_with_its_sps_in_front_is_a_key() {
    let slice = |slice_type, n: u32| H264Slice { slice_type, ..H264Slice::other(true, n, 2 * n) };
    let set = H264Sps::default().nal();
    let mut units = vec![sets(H264Sps::default())];
    units[0].push(H264Slice::idr(0).nal());
    units.push(vec![slice(7, 1).nal()]);
    units.push(vec![set.clone(), slice(2, 2).nal()]);
    units.push(vec![set, slice(5, 3).nal()]);
    let keys: Vec<_> =
        assert_units::<H264Syntax>(&units).iter().map(|frame| frame.flags.key).collect();
    assert_eq!(keys, [true, false, true, false]);
}

#[test]
fn a_recovery_point_is_a_key() {
    let mut units = vec![sets(H264Sps::default())];
    units[0].push(H264Slice::idr(0).nal());
    units.push(vec![vec![6, 6, 1, 0xc0, 0x80], H264Slice::other(true, 1, 2).nal()]);
    units.push(vec![H264Slice::other(true, 2, 4).nal()]);
    let keys: Vec<_> =
        assert_units::<H264Syntax>(&units).iter().map(|frame| frame.flags.key).collect();
    assert_eq!(keys, [true, true, false]);
}

#[test]
fn slices_without_parameter_sets_are_cut_by_their_first_macroblock() {
    let slice = |first_mb| H264Slice { first_mb, ..H264Slice::other(true, 1, 0) }.nal();
    let frames = assert_units::<H264Syntax>(&[
        vec![slice(0), slice(5)],
        vec![AUD.to_vec(), slice(0)],
        vec![slice(0), slice(9)],
    ]);
    assert!(frames.iter().all(|frame| !frame.flags.key));
    assert_eq!(frames[2].pts, Duration::from_millis(80));
}

#[test]
fn no_start_code_no_memory_and_no_frame() {
    let mut framer = H264Framer::with_max_access_unit(1000);
    for _ in 0..1000 {
        framer.handle_bytes(&[0; 500]);
        framer.handle_bytes(&[7; 500]);
        assert!(framer.poll_frame().unwrap().is_none());
    }
    assert!(!framer.has_nal_units());
    framer.handle_end();
    assert!(framer.poll_frame().unwrap().is_none());
    assert!(framer.poll_frame().unwrap().is_none());
}

#[test]
fn an_access_unit_without_end_is_refused() {
    let mut framer = H264Framer::with_max_access_unit(1000);
    framer.handle_bytes(&annexb::from_nal_units([&H264Slice::idr(0).nal()[..]]));
    let mut fed = 0;
    let error = loop {
        framer.handle_bytes(&[0xaa; 100]);
        fed += 100;
        match framer.poll_frame() {
            Ok(None) => assert!(fed <= 1000),
            other => break other,
        }
    };
    assert!(matches!(error, Err(Error::Limit { limit: 1000, .. })));
    assert!(framer.poll_frame().is_err());
}

#[test]
fn goes_on_after_a_seek_with_the_parameter_sets_it_had() {
    let mut stream = annexb::from_nal_units([&H264Sps::default().nal()[..], &h264_pps(0)]);
    stream.extend(annexb::from_nal_units([&H264Slice::idr(0).nal()[..]]));
    let point = stream.len();
    stream.extend(annexb::from_nal_units([&H264Slice::idr(1).nal()[..]]));
    stream.extend(annexb::from_nal_units([&H264Slice::other(true, 1, 2).nal()[..]]));
    let mut framer = H264Framer::new();
    framer.handle_bytes(&stream[..point + 3]);
    assert!(framer.poll_frame().unwrap().is_none());
    framer.handle_seek(point as u64, 300);
    framer.handle_bytes(&stream[point..]);
    framer.handle_end();
    let (frame, position) = framer.poll_positioned().unwrap().unwrap();
    assert!(frame.flags.key && frame.flags.discontinuity);
    assert_eq!((frame.pts, position.offset), (Duration::from_secs(10), point as u64));
    let frame = framer.poll_frame().unwrap().unwrap();
    assert!(!frame.flags.key && !frame.flags.discontinuity);
    assert_eq!(frame.pts, Duration::from_nanos(10_033_333_333));
    assert!(framer.poll_frame().unwrap().is_none());
}

#[test]
fn parameter_sets_are_found_in_an_access_unit() {
    let sps = H264Sps::default().nal();
    assert!(Sps::parse(&sps).is_ok());
    let unit = annexb::from_nal_units([&AUD[..], &sps, &h264_pps(0), &h264_pps(1), &SEI]);
    let (found_sps, found_pps) = parameter_sets_in(&unit.into());
    assert_eq!(found_sps, [sps]);
    assert_eq!(found_pps, [h264_pps(0), h264_pps(1)]);
}

#[test]
fn survives_damaged_streams() {
    let mut stream = Vec::new();
    for n in 0..20 {
        let sets = [H264Sps { poc_type: n % 3, ..H264Sps::default() }.nal(), h264_pps(0)];
        stream.extend(annexb::from_nal_units(sets.iter().map(Vec::as_slice)));
        stream.extend(annexb::from_nal_units([&H264Slice::other(n % 2 == 0, n, n).nal()[..]]));
    }
    let mut random = crate::payload::testing::XorShift::new(5);
    for _ in 0..400 {
        let mut damaged = stream.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next() as u8;
        }
        crate::fuzzing::video::h264_framer(&damaged);
        crate::fuzzing::video::h265_framer(&damaged);
        crate::fuzzing::video::parameter_sets(&damaged);
        crate::fuzzing::video::h264_depacketizer(&damaged);
        crate::fuzzing::video::h265_depacketizer(&damaged);
    }
}
