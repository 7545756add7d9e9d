#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::client::media_session;

fuzz_target!(|data: &[u8]| media_session(data));
