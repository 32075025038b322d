//! libFuzzer's door to `tidelog_fuzz::packed`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::packed::run(data));
