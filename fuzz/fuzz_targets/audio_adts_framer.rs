#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::adts_framer;

fuzz_target!(|data: &[u8]| adts_framer(data));
