#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::rtcp;

fuzz_target!(|data: &[u8]| rtcp(data));
