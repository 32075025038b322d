//! The layouts that are shared with JavaScript.
