#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio_formats::ac3_depacketizer;

fuzz_target!(|data: &[u8]| ac3_depacketizer(data));
