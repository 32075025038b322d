//! Records of `__transaction_state`: an input is read as the key of one and as the value of one.

use tidelog::format::transaction_state::{TransactionKey, TransactionValue};

/// Runs the target.
pub fn run(data: &[u8]) {
    match TransactionKey::decode(data) {
        Ok(key) => assert_eq!(key.encode(), data),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match TransactionValue::decode(data) {
        Ok(value) => {
            assert!(value.history.len() * 26 + value.runs.len() * 40 <= data.len());
            assert_eq!(TransactionValue::decode(&value.encode()), Ok(value));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
