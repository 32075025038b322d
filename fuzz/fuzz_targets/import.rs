//! libFuzzer's door to `tidelog_fuzz::import`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::import::run(data));
