#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::media::matroska;

fuzz_target!(|data: &[u8]| matroska(data));
