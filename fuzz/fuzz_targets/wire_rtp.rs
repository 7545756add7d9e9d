#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::rtp;

fuzz_target!(|data: &[u8]| rtp(data));
