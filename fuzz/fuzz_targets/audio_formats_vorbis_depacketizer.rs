#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio_formats::vorbis_depacketizer;

fuzz_target!(|data: &[u8]| vorbis_depacketizer(data));
