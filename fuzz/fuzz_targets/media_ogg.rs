#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::media::ogg;

fuzz_target!(|data: &[u8]| ogg(data));
