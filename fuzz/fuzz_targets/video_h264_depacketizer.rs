#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video::h264_depacketizer;

fuzz_target!(|data: &[u8]| h264_depacketizer(data));
