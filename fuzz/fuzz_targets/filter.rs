//! libFuzzer's door to `tidelog_fuzz::filter`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::filter::run(data));
