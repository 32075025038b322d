//! libFuzzer's door to `tidelog_fuzz::names`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::names::run(data));
