//! The binding: Tidelog's engine as Node-API classes, one file a noun. It converts types, moves batches and
//! nothing else: defaults and checks of options are the engine's or TypeScript's, and `ts/native.ts` is the only
//! importer.
//!
//! Two ways lead across. What is rare and may take long (opening, topics, deletion) is a promise, run on libuv's
//! pool ([`task`]). What moves records is a ticket: the call returns at once, the engine's own threads do the work,
//! and the answer is fetched in bulk from the environment's [`completions`].
#![deny(unsafe_code)]
// Node finds exported functions through a registration that test builds leave out.
#![cfg_attr(test, allow(dead_code))]

mod backup;
mod buffers;
mod completions;
mod error;
mod filter;
mod group_member;
mod import;
mod inspect;
mod metrics;
mod numbers;
mod offsets;
mod options;
mod partition;
mod producer;
mod producer_id;
mod progress;
mod repair;
mod store;
mod task;
mod ticket;
mod topic;
mod transaction;
