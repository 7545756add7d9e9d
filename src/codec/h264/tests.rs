use super::*;

#[test]
fn avcc_gives_length_size_and_parameter_sets() {
    let record = [1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 9];
    let (size, sps, pps) = parse_avcc(&record).unwrap();
    assert_eq!(size, 4);
    assert_eq!(sps, [&[0x67, 1, 2][..]]);
    assert_eq!(pps, [&[0x68, 9][..]]);
    for len in 0..record.len() {
        assert!(parse_avcc(&record[..len]).is_err(), "{len} bytes");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// As x264 writes it for 352 by 288 at 30 frames per second, High profile.
const PROGRESSIVE: &str = "6764000dacd9416096c044000003000400000300f03c50a65800";
/// The same, interlaced.
const INTERLACED: &str = "67640015acd941612d8088000003000800000301e0f8a14cb0";

#[test]
fn sps_of_an_encoder() {
    let sps = Sps::parse(&hex(PROGRESSIVE)).unwrap();
    assert_eq!((sps.profile_idc, sps.constraint_flags, sps.level_idc), (100, 0, 13));
    assert_eq!((sps.width, sps.height, sps.frame_mbs_only), (352, 288, true));
    let timing = sps.timing.unwrap();
    assert_eq!((timing.num_units_in_tick, timing.time_scale), (1, 60));
    assert!(!timing.fixed_frame_rate);
    assert_eq!(sps.max_num_reorder_frames, Some(2));
    assert_eq!(sps.reorder_depth(), 2);

    let sps = Sps::parse(&hex(INTERLACED)).unwrap();
    assert_eq!((sps.width, sps.height, sps.frame_mbs_only), (352, 288, false));
}

#[test]
fn sps_cut_short_is_an_error_or_lacks_hints() {
    let whole = hex(PROGRESSIVE);
    for len in 0..whole.len() {
        if let Ok(sps) = Sps::parse(&whole[..len]) {
            assert_eq!((sps.width, sps.height), (352, 288));
        }
    }
    assert!(Sps::parse(&whole[..8]).is_err());
}

#[test]
fn reorder_depth_is_inferred_where_it_is_not_told() {
    let sps = |change: fn(&mut Sps)| {
        let mut sps = Sps::parse(&hex(PROGRESSIVE)).unwrap();
        sps.max_num_reorder_frames = None;
        change(&mut sps);
        sps.reorder_depth()
    };
    // 2,376 macroblocks of the decoded picture buffer at level 1.3, 396 a frame.
    assert_eq!(sps(|_| {}), 6);
    assert_eq!(sps(|sps| sps.profile_idc = 66), 0);
    assert_eq!(sps(|sps| sps.constraint_flags = 0x10), 0);
    assert_eq!(sps(|sps| sps.pic_order_count = PicOrderCount::Type2), 0);
}

fn slice(nal_ref_idc: u8, frame_num: u32) -> SliceHeader {
    SliceHeader {
        nal_ref_idc,
        idr: false,
        first_mb: 0,
        slice_type: 0,
        pps_id: 0,
        frame_num,
        structure: Structure::Frame,
        idr_pic_id: 0,
        poc_lsb: 0,
        delta_poc_bottom: 0,
        delta_poc: [0; 2],
        resets_order: false,
    }
}

#[test]
fn a_picture_starts_where_the_standard_says() {
    let one = slice(1, 3);
    assert!(!one.starts_picture_after(&one));
    assert!(!SliceHeader { first_mb: 9, ..one.clone() }.starts_picture_after(&one));
    let others: [fn(&mut SliceHeader); 9] = [
        |s| s.frame_num = 4,
        |s| s.pps_id = 1,
        |s| s.structure = Structure::TopField,
        |s| s.nal_ref_idc = 0,
        |s| s.poc_lsb = 1,
        |s| s.delta_poc_bottom = 1,
        |s| s.delta_poc[0] = 1,
        |s| s.delta_poc[1] = 1,
        |s| s.idr = true,
    ];
    for change in others {
        let mut other = one.clone();
        change(&mut other);
        assert!(other.starts_picture_after(&one), "{other:?}");
    }
    assert!(!SliceHeader { nal_ref_idc: 3, ..one.clone() }.starts_picture_after(&one));
    let idr = SliceHeader { idr: true, ..one };
    assert!(SliceHeader { idr_pic_id: 1, ..idr.clone() }.starts_picture_after(&idr));
}

#[test]
fn order_count_of_type_1_follows_the_cycle() {
    let mut sps = Sps::parse(&hex(PROGRESSIVE)).unwrap();
    sps.log2_max_frame_num = 4;
    sps.pic_order_count = PicOrderCount::Type1 {
        delta_always_zero: true,
        offset_for_non_ref_pic: -2,
        offset_for_top_to_bottom_field: 1,
        offsets_for_ref_frame: vec![4, 6],
    };
    let mut order = PicOrder::default();
    let mut counts = Vec::new();
    counts.push(order.handle_picture(&SliceHeader { idr: true, ..slice(1, 0) }, &sps));
    for frame_num in 1..20 {
        counts.push(order.handle_picture(&slice(0, frame_num % 16), &sps));
        counts.push(order.handle_picture(&slice(1, frame_num % 16), &sps));
    }
    // Reference frames at 4, 10, 14, 20, …; each other one two before its reference frame would be.
    assert_eq!(counts[..7], [0, -2, 4, 2, 10, 8, 14]);
    assert_eq!(counts.last(), Some(&(9 * 10 + 4)));
}

#[test]
fn order_count_of_type_2_is_decoding_order() {
    let mut sps = Sps::parse(&hex(PROGRESSIVE)).unwrap();
    sps.log2_max_frame_num = 4;
    sps.pic_order_count = PicOrderCount::Type2;
    let mut order = PicOrder::default();
    let mut last = order.handle_picture(&SliceHeader { idr: true, ..slice(1, 0) }, &sps);
    for frame_num in 1..60 {
        let count = order.handle_picture(&slice(1 - (frame_num % 2) as u8, frame_num % 16), &sps);
        assert!(count > last);
        last = count;
    }
}

#[test]
fn recovery_point_is_found_behind_other_messages() {
    assert!(has_recovery_point(&[6, 6, 1, 0xc0, 0x80]));
    assert!(has_recovery_point(&[6, 1, 2, 0xaa, 0xbb, 6, 1, 0xc0, 0x80]));
    assert!(!has_recovery_point(&[6, 1, 2, 6, 6, 0x80]));
    assert!(!has_recovery_point(&[6, 0xff, 0xff, 0xff]));
    assert!(!has_recovery_point(&[6]));
    assert!(!has_recovery_point(&[]));
}

#[test]
fn parameter_sets_are_replaced_by_id() {
    let mut sets = ParameterSets::default();
    assert!(sets.handle_nal(&hex(PROGRESSIVE)));
    assert!(!sets.handle_nal(&hex(PROGRESSIVE)));
    assert!(sets.handle_nal(&hex(INTERLACED)));
    assert_eq!(sets.sps().count(), 1);
    assert!(sets.handle_nal(&hex("68eae3cb22c0")));
    assert!(!sets.handle_nal(&[0x68]));
    assert!(sets.for_slice(0).is_some_and(|(_, sps)| !sps.frame_mbs_only));
    assert!(sets.for_slice(1).is_none());
}
