//! Batches: exact bytes, and what happens to damaged ones.
