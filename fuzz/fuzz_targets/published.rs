//! libFuzzer's door to `tidelog_fuzz::published`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::published::run(data));
