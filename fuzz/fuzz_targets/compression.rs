//! libFuzzer's door to `tidelog_fuzz::compression`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::compression::run(data));
