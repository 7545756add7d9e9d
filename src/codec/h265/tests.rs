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
