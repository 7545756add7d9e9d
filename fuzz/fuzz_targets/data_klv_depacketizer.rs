#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::data::klv_depacketizer;

fuzz_target!(|data: &[u8]| klv_depacketizer(data));
