#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio_formats::vorbis_headers;

fuzz_target!(|data: &[u8]| vorbis_headers(data));
