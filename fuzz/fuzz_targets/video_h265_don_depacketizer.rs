#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video::h265_don_depacketizer;

fuzz_target!(|data: &[u8]| h265_don_depacketizer(data));
