#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::audio_specific_config;

fuzz_target!(|data: &[u8]| audio_specific_config(data));
