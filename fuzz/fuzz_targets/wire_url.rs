#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::url;

fuzz_target!(|data: &[u8]| url(data));
