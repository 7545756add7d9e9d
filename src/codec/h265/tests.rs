use super::*;

#[test]
fn hvcc_gives_length_size_and_parameter_sets() {
    let mut record = vec![1];
    record.extend([0; 20]);
    record.extend([0xfd, 4]);
    record.extend([0xa0, 0, 1, 0, 2, 0x40, 1]);
    record.extend([0xa1, 0, 1, 0, 2, 0x42, 1]);
    record.extend([0x22, 0, 2, 0, 2, 0x44, 1, 0, 2, 0x44, 2]);
    record.extend([0x27, 0, 1, 0, 1, 0x4e]);
    let (size, vps, sps, pps) = parse_hvcc(&record).unwrap();
    assert_eq!(size, 2);
    assert_eq!(vps, [&[0x40, 1][..]]);
    assert_eq!(sps, [&[0x42, 1][..]]);
    assert_eq!(pps, [&[0x44, 1][..], &[0x44, 2]]);
    for len in 0..record.len() {
        assert!(parse_hvcc(&record[..len]).is_err(), "{len} bytes");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// As x265 writes them for 352 by 288 at 30 pictures per second, Main profile.
const VPS: &str = "40010c01ffff01600000030090000003000003003c95940900";
const SPS: &str =
    "42010101600000030090000003000003003ca00b080485965654a4c2f0168080000003008000000f04";
/// With two temporal layers.
const LAYERED_VPS: &str = "40010c02ffff01600000030090000003000003003c00009598acc048";
const LAYERED_SPS: &str = "42010201600000030090000003000003003c0000a00b080485965662b349265780b4\
                           0400000300040000030078";

#[test]
fn parameter_sets_of_an_encoder() {
    for (vps, sps) in [(VPS, SPS), (LAYERED_VPS, LAYERED_SPS)] {
        assert!(vps_timing(&hex(vps)).is_ok());
        let sps = Sps::parse(&hex(sps)).unwrap();
        assert_eq!((sps.width, sps.height), (352, 288));
        assert_eq!((sps.profile.profile_idc, sps.profile.level_idc), (1, 60));
        assert!(!sps.profile.high_tier);
        assert_eq!(sps.profile.compatibility_flags, 0x6000_0000);
        assert_eq!(sps.profile.constraint_flags, 0x9000_0000_0000);
        assert_eq!(sps.max_num_reorder_pics, 2);
        let timing = sps.timing.unwrap();
        assert_eq!((timing.num_units_in_tick, timing.time_scale), (1, 30));
    }
}

#[test]
fn sps_cut_short_is_an_error_or_lacks_hints() {
    let whole = hex(LAYERED_SPS);
    for len in 0..whole.len() {
        if let Ok(sps) = Sps::parse(&whole[..len]) {
            assert_eq!((sps.width, sps.height, sps.max_num_reorder_pics), (352, 288, 2));
        }
    }
    assert!(Sps::parse(&whole[..20]).is_err());
}

#[test]
fn nal_unit_header_fields() {
    let nal = [0x43, 0x0b];
    assert_eq!((nal_unit_type(&nal), nuh_layer_id(&nal), temporal_id(&nal)), (33, 33, 2));
    assert_eq!((nal_unit_type(&[]), nuh_layer_id(&[]), temporal_id(&[])), (63, 0, 0));
    assert!(is_irap(16) && is_irap(21) && !is_irap(15) && !is_irap(24));
    assert!(is_idr(19) && is_idr(20) && !is_idr(21));
}

#[test]
fn parameter_sets_are_replaced_by_id() {
    let mut sets = ParameterSets::default();
    for nal in [VPS, SPS, "4401c073c189"] {
        assert!(sets.handle_nal(&hex(nal)));
        assert!(!sets.handle_nal(&hex(nal)));
    }
    assert!(sets.for_slice(0).is_some());
    assert!(sets.for_slice(0).is_some_and(|(_, sps)| sets.clock(sps).is_some()));
    assert!(sets.handle_nal(&hex(LAYERED_SPS)));
    assert_eq!((sets.vps().count(), sets.sps().count(), sets.pps().count()), (1, 1, 1));
    // Sets of further layers are not ours.
    assert!(!sets.handle_nal(&[0x44, 0x09, 0xc0, 0x73]));
}
