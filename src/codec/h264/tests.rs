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
