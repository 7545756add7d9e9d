#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::media::ts_tracks;

fuzz_target!(|data: &[u8]| ts_tracks(data));
