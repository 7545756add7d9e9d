#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::aac_depacketizer;

fuzz_target!(|data: &[u8]| aac_depacketizer(data));
