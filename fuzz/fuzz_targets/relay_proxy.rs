#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::relay::proxy;

fuzz_target!(|data: &[u8]| proxy(data));
