#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::rtp::receiver;

fuzz_target!(|data: &[u8]| receiver(data));
