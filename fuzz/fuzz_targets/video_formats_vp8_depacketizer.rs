#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video_formats::vp8_depacketizer;

fuzz_target!(|data: &[u8]| vp8_depacketizer(data));
