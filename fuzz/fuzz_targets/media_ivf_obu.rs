#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::media::ivf_obu;

fuzz_target!(|data: &[u8]| ivf_obu(data));
