#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::rtp::rtcp_instance;

fuzz_target!(|data: &[u8]| rtcp_instance(data));
