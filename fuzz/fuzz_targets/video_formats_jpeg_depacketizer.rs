#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video_formats::jpeg_depacketizer;

fuzz_target!(|data: &[u8]| jpeg_depacketizer(data));
