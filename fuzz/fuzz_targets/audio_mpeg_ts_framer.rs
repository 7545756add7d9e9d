#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::audio::mpeg_ts_framer;

fuzz_target!(|data: &[u8]| mpeg_ts_framer(data));
