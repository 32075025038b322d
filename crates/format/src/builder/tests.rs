//! Encoding: round trips and limits.
