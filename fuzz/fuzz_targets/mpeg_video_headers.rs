#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::mpeg_video::headers;

fuzz_target!(|data: &[u8]| headers(data));
