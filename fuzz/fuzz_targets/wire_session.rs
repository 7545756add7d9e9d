#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::session;

fuzz_target!(|data: &[u8]| session(data));
