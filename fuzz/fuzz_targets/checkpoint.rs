//! libFuzzer's door to `tidelog_fuzz::checkpoint`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::checkpoint::run(data));
