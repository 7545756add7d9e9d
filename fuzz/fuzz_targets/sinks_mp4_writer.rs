#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::sinks::mp4_writer;

fuzz_target!(|data: &[u8]| mp4_writer(data));
