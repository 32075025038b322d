//! libFuzzer's door to `tidelog_fuzz::journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::journal::run(data));
