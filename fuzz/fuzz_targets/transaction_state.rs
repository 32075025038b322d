//! libFuzzer's door to `tidelog_fuzz::transaction_state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidelog_fuzz::transaction_state::run(data));
