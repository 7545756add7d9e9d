#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::small_headers;

fuzz_target!(|data: &[u8]| small_headers(data));
