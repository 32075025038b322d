//! One function a target, each taking bytes that mean whatever the target says: run by libFuzzer, guided by
//! coverage, and by `cargo test` over the committed corpus with seeded mutations. A target panics when something
//! that must hold does not; an error that has a type is a right answer to bytes that make no sense.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target fails by panicking"
)]

pub mod batch;
pub mod checkpoint;
pub mod compression;
pub mod fields;
pub mod filter;
pub mod import;
pub mod indexes;
pub mod journal;
pub mod mutate;
pub mod names;
pub mod offset_commit;
pub mod open_store;
pub mod packed;
pub mod producer_snapshot;
pub mod published;
pub mod seeds;
pub mod segment_scan;
pub mod topic_file;
pub mod transaction_state;

mod disk;
mod image;
mod input;
mod read_back;
mod seal;

/// A target: its name, which its corpus and its binary have too, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 17] = [
    ("batch", batch::run),
    ("checkpoint", checkpoint::run),
    ("compression", compression::run),
    ("fields", fields::run),
    ("filter", filter::run),
    ("import", import::run),
    ("indexes", indexes::run),
    ("journal", journal::run),
    ("names", names::run),
    ("offset_commit", offset_commit::run),
    ("open_store", open_store::run),
    ("packed", packed::run),
    ("producer_snapshot", producer_snapshot::run),
    ("published", published::run),
    ("segment_scan", segment_scan::run),
    ("topic_file", topic_file::run),
    ("transaction_state", transaction_state::run),
];
