#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::srtp::mikey;

fuzz_target!(|data: &[u8]| mikey(data));
