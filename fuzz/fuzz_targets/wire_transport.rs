#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::transport;

fuzz_target!(|data: &[u8]| transport(data));
