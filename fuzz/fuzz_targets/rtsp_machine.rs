#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::rtsp::machine;

fuzz_target!(|data: &[u8]| machine(data));
