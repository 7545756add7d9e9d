#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::mpeg_video::mp4v_depacketizer;

fuzz_target!(|data: &[u8]| mp4v_depacketizer(data));
