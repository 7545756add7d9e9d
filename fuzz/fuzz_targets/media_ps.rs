#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::media::ps;

fuzz_target!(|data: &[u8]| ps(data));
