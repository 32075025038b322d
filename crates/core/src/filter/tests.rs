//! Filters: what they mean, compared with an evaluator that was written apart from them; how they read, and where what
//! is wrong is said to be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod generate;
mod meaning;
mod naive;
mod passing;
mod properties;
mod wrong;

use tidelog_format::batch::{Batch, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::compression::Compression;

use super::Filter;

/// A record as a test says it.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The encoded batch of these records, which begin at offset 0.
pub(super) fn batch(records: &[Given], timestamps: TimestampType) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, timestamps);
    for record in records {
        let headers = record.headers.iter();
        builder
            .append(
                record.timestamp,
                record.key.as_deref(),
                Some(b"value"),
                headers.map(|(name, value)| (name.as_str(), value.as_deref())),
            )
            .unwrap();
    }
    builder.finish().unwrap()
}

/// Whether a filter keeps a record, the only one of partition 3 of `orders`.
pub(super) fn keeps(text: &str, record: &Given) -> bool {
    let filter = Filter::compile(text).unwrap_or_else(|error| panic!("{error}"));
    let bytes = batch(std::slice::from_ref(record), TimestampType::CreateTime);
    let mut scratch = Vec::new();
    let mut records = Batch::check(&bytes).unwrap().records(&mut scratch).unwrap();
    filter.keeps("orders", 3, &records.next().unwrap().unwrap())
}
