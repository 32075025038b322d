//! A filter, compiled once and given to reads.

use napi_derive::napi;
use tidelog::Filter;

use crate::error::{Thrown, thrown};

/// Which records a read gives.
#[napi]
pub struct NativeFilter {
    filter: Filter,
}

#[napi]
impl NativeFilter {
    /// Compiles a text.
    #[napi(constructor, catch_unwind)]
    pub fn new(text: String) -> Result<NativeFilter, Thrown> {
        let filter = Filter::compile(&text).map_err(thrown)?;
        Ok(NativeFilter { filter })
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }
}
