//! libFuzzer's door to `tidelog_fuzz::fields`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::fields::run(data));
