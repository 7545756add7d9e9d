#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::interleaved;

fuzz_target!(|data: &[u8]| interleaved(data));
