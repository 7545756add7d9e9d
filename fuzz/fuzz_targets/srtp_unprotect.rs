#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::srtp::unprotect;

fuzz_target!(|data: &[u8]| unprotect(data));
