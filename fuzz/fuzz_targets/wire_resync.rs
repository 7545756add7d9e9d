#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::resync;

fuzz_target!(|data: &[u8]| resync(data));
