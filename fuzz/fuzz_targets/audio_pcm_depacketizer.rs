#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::pcm_depacketizer;

fuzz_target!(|data: &[u8]| pcm_depacketizer(data));
