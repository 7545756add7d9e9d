#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::request_head;

fuzz_target!(|data: &[u8]| request_head(data));
