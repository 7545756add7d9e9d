#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video_formats::vp9_depacketizer;

fuzz_target!(|data: &[u8]| vp9_depacketizer(data));
