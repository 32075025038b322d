//! Filters: which records a reader is given, said in SQL-92's conditional expressions as JMS has them for its
//! selectors. A text is compiled once, checked whole, and run on raw records where they are read.
//!
//! - *Fields:* `key`, `topic` and `headers.NAME` (`headers."any name"`) are text; `partition`, `offset` and
//!   `timestamp` (ms) are integers. Of several headers of one name the last one counts, as in Kafka.
//! - *Conditions:* `= <> < <= > >=`, `[NOT] BETWEEN`, `[NOT] IN`, `[NOT] LIKE` with `ESCAPE`, `IS [NOT] NULL`, `TRUE`,
//!   `FALSE`, `NOT`, `AND`, `OR`, parentheses. Numbers may be added, subtracted, multiplied and divided.
//! - *Three-valued logic:* a key that is null, a header that is null or not there, bytes that are not UTF-8, text that is
//!   no number where one is asked for, a division by zero and an overflow are unknown in any comparison. A record is kept
//!   if the whole is true. Only what is null or not there `IS NULL`.
//! - *Text* is compared by code points. Beside a number a field's text is read as one, if all of it is a number as
//!   filters have them, with or without a sign; beside text it is never.
//! - *Numbers* are 64-bit integers or doubles. Integers are compared and calculated with exactly, and their quotient is
//!   cut; with a double beside it an integer becomes one.
//!
//! A filter takes time linear in the record, whatever it says.

mod bounds;
mod evaluate;
mod excerpt;
mod lexer;
mod like;
mod number;
mod parser;
mod program;
mod syntax;

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use tidelog_format::batch::BatchHeader;
use tidelog_format::record::Record;

use crate::error::{Error, Result};
use bounds::Bounds;
pub(crate) use evaluate::Evaluation;
pub(crate) use excerpt::excerpt;
use program::Node;
use syntax::Condition;

/// Bytes of a filter's text, at most.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;
/// How deep parentheses, NOT and signs may be nested.
const MAX_DEPTH: usize = 32;
/// Values of a list.
const MAX_LIST: usize = 1000;

/// Which records to read. Compiled; cheap to clone.
///
/// ```
/// use tidelog::Filter;
///
/// let filter: Filter = "headers.region = 'eu' AND key LIKE 'o-%'".parse()?;
/// assert!("headers.region =".parse::<Filter>().is_err());
/// # Ok::<(), tidelog::Error>(())
/// ```
///
/// Printed, it is the text that it was compiled from with keywords in capitals, single spaces, and no parentheses but
/// those that are needed.
#[derive(Debug, Clone)]
pub struct Filter(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    condition: Condition,
    program: Node,
}

impl Filter {
    /// Compiles a text of 4 KiB at most.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`], which says where.
    pub fn compile(text: &str) -> Result<Filter> {
        if text.len() > MAX_TEXT_BYTES {
            let fits = |end: &usize| text.is_char_boundary(*end);
            let end = (0..=MAX_TEXT_BYTES).rev().find(fits).unwrap_or(0);
            let reason = format!(
                "a filter has {MAX_TEXT_BYTES} bytes at most, not {}",
                text.len()
            );
            let text = text.get(..end).unwrap_or_default();
            return Err(Flaw::at(end, reason).in_text(text));
        }
        let condition = parser::parse(text).map_err(|flaw| flaw.in_text(text))?;
        let program = Node::new(&condition);
        Ok(Filter(Arc::new(Compiled { condition, program })))
    }

    /// Whether a record of a partition is kept.
    pub fn keeps(&self, topic: &str, partition: u32, record: &Record<'_>) -> bool {
        self.evaluation(topic, partition).keeps(record)
    }

    /// For many records of one partition.
    pub(crate) fn evaluation<'a>(&'a self, topic: &'a str, partition: u32) -> Evaluation<'a> {
        Evaluation::new(&self.0.program, topic, partition)
    }

    /// Whether a record of a batch may be kept, as far as its header tells.
    pub(crate) fn may_keep(&self, topic: &str, partition: u32, header: &BatchHeader) -> bool {
        Bounds::of(header, topic, partition).may_keep(&self.0.program)
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Filter> {
        Filter::compile(text)
    }
}

impl Display for Filter {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.condition.fmt(out)
    }
}

/// What is wrong with a text, and the byte at which that begins.
#[derive(Debug, PartialEq, Eq)]
struct Flaw {
    position: usize,
    reason: String,
}

impl Flaw {
    fn at(position: usize, reason: impl Into<String>) -> Flaw {
        let reason = reason.into();
        Flaw { position, reason }
    }

    fn in_text(self, text: &str) -> Error {
        Error::InvalidFilter {
            text: text.to_owned(),
            position: self.position,
            reason: self.reason,
        }
    }
}

#[cfg(test)]
mod tests;
