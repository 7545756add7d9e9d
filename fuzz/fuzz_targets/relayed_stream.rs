#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::relayed::stream;

fuzz_target!(|data: &[u8]| stream(data));
