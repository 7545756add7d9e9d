#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::mpeg_video::mpv_depacketizer;

fuzz_target!(|data: &[u8]| mpv_depacketizer(data));
