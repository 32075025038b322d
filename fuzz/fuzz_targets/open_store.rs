//! libFuzzer's door to `tidelog_fuzz::open_store`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::open_store::run(data));
