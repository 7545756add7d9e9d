#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::server::connection;

fuzz_target!(|data: &[u8]| connection(data));
