#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::rtp::source;

fuzz_target!(|data: &[u8]| source(data));
