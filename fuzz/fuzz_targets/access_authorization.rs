#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::access::authorization;

fuzz_target!(|data: &[u8]| authorization(data));
