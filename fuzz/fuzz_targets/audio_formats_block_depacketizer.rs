#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio_formats::block_depacketizer;

fuzz_target!(|data: &[u8]| block_depacketizer(data));
