#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::rtp::reorder;

fuzz_target!(|data: &[u8]| reorder(data));
