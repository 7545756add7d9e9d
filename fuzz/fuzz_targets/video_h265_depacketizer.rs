#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video::h265_depacketizer;

fuzz_target!(|data: &[u8]| h265_depacketizer(data));
