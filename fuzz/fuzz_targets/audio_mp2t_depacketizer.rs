#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::mp2t_depacketizer;

fuzz_target!(|data: &[u8]| mp2t_depacketizer(data));
