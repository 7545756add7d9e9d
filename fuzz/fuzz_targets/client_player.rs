#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::client::player;

fuzz_target!(|data: &[u8]| player(data));
