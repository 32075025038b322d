//! libFuzzer's door to `tidelog_fuzz::segment_scan`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::segment_scan::run(data));
