#![no_main]
use libfuzzer_sys::fuzz_target;
use riverrun::fuzzing::video::parameter_sets_in_force;

fuzz_target!(|data: &[u8]| parameter_sets_in_force(data));
