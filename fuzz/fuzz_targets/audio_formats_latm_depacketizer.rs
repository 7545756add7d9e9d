#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio_formats::latm_depacketizer;

fuzz_target!(|data: &[u8]| latm_depacketizer(data));
