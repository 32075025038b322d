//! libFuzzer's door to `tidelog_fuzz::batch`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::batch::run(data));
