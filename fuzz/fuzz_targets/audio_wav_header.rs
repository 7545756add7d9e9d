#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::wav_header;

fuzz_target!(|data: &[u8]| wav_header(data));
