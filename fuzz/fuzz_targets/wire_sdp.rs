#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::sdp;

fuzz_target!(|data: &[u8]| sdp(data));
