#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::mpeg_audio_framer;

fuzz_target!(|data: &[u8]| mpeg_audio_framer(data));
