#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::data::onvif_metadata_depacketizer;

fuzz_target!(|data: &[u8]| onvif_metadata_depacketizer(data));
