#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video_formats::av1_depacketizer;

fuzz_target!(|data: &[u8]| av1_depacketizer(data));
