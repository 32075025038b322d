//! Runs a compiled condition on records, in SQL's three-valued logic. Nothing is copied and nothing can fail: what can't be told of
//! a record is unknown.

use tidelog_format::record::Record;

use super::number::Number;
use super::program::{Node, Numeric, Source, Text};
use super::syntax::{Addition, Comparison};

/// What a condition is of a record. In this order AND is the least, and OR the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    False,
    Unknown,
    True,
}

impl Truth {
    pub fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

impl Comparison {
    /// Whether it holds of what is so ordered.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// Whether it holds of two texts. The order of code points is that of their bytes.
    fn holds_of_texts(self, left: &[u8], right: &[u8]) -> bool {
        match self {
            Comparison::Equal => is_same(left, right),
            Comparison::NotEqual => !is_same(left, right),
            _ => self.holds(left.cmp(right)),
        }
    }
}

/// A filter on its way through the records of one partition.
#[derive(Clone, Copy)]
pub(crate) struct Evaluation<'a> {
    program: &'a Node,
    topic: &'a str,
    partition: u32,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(program: &'a Node, topic: &'a str, partition: u32) -> Evaluation<'a> {
        Evaluation {
            program,
            topic,
            partition,
        }
    }

    /// Whether the filter is true of the record.
    pub fn keeps(&self, record: &Record<'_>) -> bool {
        self.truth(self.program, record) == Truth::True
    }

    fn truth(&self, node: &Node, record: &Record<'_>) -> Truth {
        match node {
            Node::Constant(constant) => (*constant).into(),
            Node::Not(node) => self.truth(node, record).not(),
            Node::And(nodes) => {
                let mut least = Truth::True;
                for node in nodes {
                    least = least.min(self.truth(node, record));
                    if least == Truth::False {
                        break;
                    }
                }
                least
            }
            Node::Or(nodes) => {
                let mut greatest = Truth::False;
                for node in nodes {
                    greatest = greatest.max(self.truth(node, record));
                    if greatest == Truth::True {
                        break;
                    }
                }
                greatest
            }
            Node::CompareTexts(left, comparison, right) => {
                let left = self.text(left, record);
                let right = self.text(right, record);
                known(left.zip(right), |(l, r)| comparison.holds_of_texts(l, r))
            }
            Node::CompareNumbers(left, comparison, right) => {
                let left = self.number(left, record);
                let right = self.number(right, record);
                known(left.zip(right), |(l, r)| comparison.holds(l.compare(r)))
            }
            Node::InTexts(text, list) => known(self.text(text, record), |text| list.contains(text)),
            Node::InNumbers(number, list) => {
                known(self.number(number, record), |number| list.contains(number))
            }
            Node::Like(source, pattern) => {
                known(self.text_of(source, record), |text| pattern.matches(text))
            }
            Node::IsNull(source) => is_null(source, record).into(),
        }
    }

    /// The bytes of a text, as those of `text_of`.
    fn text<'t>(&'t self, text: &'t Text, record: &'t Record<'_>) -> Option<&'t [u8]> {
        match text {
            Text::Literal(text) => Some(text.as_bytes()),
            Text::Source(Source::Topic) => Some(self.topic.as_bytes()),
            Text::Source(source) => bytes_of(source, record).filter(|bytes| is_utf8(bytes)),
        }
    }

    /// A field's text; none where it is null, or bytes that are not UTF-8.
    fn text_of<'t>(&'t self, source: &Source, record: &'t Record<'_>) -> Option<&'t str> {
        if *source == Source::Topic {
            return Some(self.topic);
        }
        std::str::from_utf8(bytes_of(source, record)?).ok()
    }

    fn number(&self, number: &Numeric, record: &Record<'_>) -> Option<Number> {
        match number {
            Numeric::Literal(number) => Some(*number),
            Numeric::Source(Source::Partition) => Some(Number::Integer(self.partition.into())),
            Numeric::Source(Source::Offset) => {
                i64::try_from(record.offset).ok().map(Number::Integer)
            }
            Numeric::Source(Source::Timestamp) => Some(Number::Integer(record.timestamp)),
            Numeric::Source(source) => Number::of_text(self.text_of(source, record)?),
            Numeric::Signed(sign, number) => {
                let number = self.number(number, record)?;
                match sign {
                    Addition::Add => Some(number),
                    Addition::Subtract => number.negative(),
                }
            }
            Numeric::Sum(first, rest) => {
                let mut sum = self.number(first, record)?;
                for (addition, number) in rest {
                    sum = sum.added(*addition, self.number(number, record)?)?;
                }
                Some(sum)
            }
            Numeric::Product(first, rest) => {
                let mut product = self.number(first, record)?;
                for (multiplication, number) in rest {
                    product = product.multiplied(*multiplication, self.number(number, record)?)?;
                }
                Some(product)
            }
        }
    }
}

/// The bytes of a field that holds some. Of several headers with one name the last one counts, as in Kafka.
fn bytes_of<'r>(source: &Source, record: &Record<'r>) -> Option<&'r [u8]> {
    match source {
        Source::Key => record.key,
        Source::Header(name) => record.headers.last(name),
        Source::Topic | Source::Partition | Source::Offset | Source::Timestamp => None,
    }
}

fn is_null(source: &Source, record: &Record<'_>) -> bool {
    match source {
        Source::Key | Source::Header(_) => bytes_of(source, record).is_none(),
        Source::Topic | Source::Partition | Source::Offset | Source::Timestamp => false,
    }
}

fn known<T>(value: Option<T>, holds: impl FnOnce(T) -> bool) -> Truth {
    value.map_or(Truth::Unknown, |value| holds(value).into())
}

/// Most that differ do so in their first byte, or in their length.
#[inline]
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.first() == right.first() && left == right
}

/// Most are ASCII, and that is seen at once.
#[inline]
fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}
