#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::wire::rtp_info;

fuzz_target!(|data: &[u8]| rtp_info(data));
