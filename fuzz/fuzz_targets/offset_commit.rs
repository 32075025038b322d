//! libFuzzer's door to `tidelog_fuzz::offset_commit`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::offset_commit::run(data));
