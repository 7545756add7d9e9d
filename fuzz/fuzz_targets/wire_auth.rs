#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::auth;

fuzz_target!(|data: &[u8]| auth(data));
