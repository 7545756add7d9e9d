#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::server::operations;

fuzz_target!(|data: &[u8]| operations(data));
