#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::data::text_depacketizer;

fuzz_target!(|data: &[u8]| text_depacketizer(data));
