#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::media::elementary;

fuzz_target!(|data: &[u8]| elementary(data));
