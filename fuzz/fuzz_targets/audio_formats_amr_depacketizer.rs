#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio_formats::amr_depacketizer;

fuzz_target!(|data: &[u8]| amr_depacketizer(data));
