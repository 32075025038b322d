//! libFuzzer's door to `tidelog_fuzz::producer_snapshot`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::producer_snapshot::run(data));
