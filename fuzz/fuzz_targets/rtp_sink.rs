#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::rtp::sink;

fuzz_target!(|data: &[u8]| sink(data));
