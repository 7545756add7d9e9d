#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::access::users_file;

fuzz_target!(|data: &[u8]| users_file(data));
