//! libFuzzer's door to `tidelog_fuzz::topic_file`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::topic_file::run(data));
