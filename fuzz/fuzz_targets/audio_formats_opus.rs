#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio_formats::opus;

fuzz_target!(|data: &[u8]| opus(data));
