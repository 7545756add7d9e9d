#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::range;

fuzz_target!(|data: &[u8]| range(data));
