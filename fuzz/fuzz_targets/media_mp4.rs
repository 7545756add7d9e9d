#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::media::mp4;

fuzz_target!(|data: &[u8]| mp4(data));
