#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::mpa_depacketizer;

fuzz_target!(|data: &[u8]| mpa_depacketizer(data));
