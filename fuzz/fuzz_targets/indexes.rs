//! libFuzzer's door to `tidelog_fuzz::indexes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::indexes::run(data));
