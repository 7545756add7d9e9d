#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::http::tunnel;

fuzz_target!(|data: &[u8]| tunnel(data));
