//! What a batch's header decides for all of its records: a batch of which no record can be kept need not be decoded. An
//! answer is a set of truths that the records may have, never too small.

use tidelog_format::batch::{BatchHeader, TimestampType};

use super::evaluate::Truth;
use super::number::Number;
use super::program::{Node, Numeric, Source, Text};
use super::syntax::Comparison;

/// What is known of the records of a batch.
pub(super) struct Bounds<'a> {
    topic: &'a str,
    partition: u32,
    offsets: Option<Range>,
    timestamps: Range,
}

/// Integers from one to another, both included.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: i64,
    high: i64,
}

/// A set of truths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Truths(u8);

impl Truths {
    const ANY: Truths = Truths(0b111);
    const NULL_OR_NOT: Truths = Truths(0b101);

    fn only(truth: Truth) -> Truths {
        Truths(1 << truth as u8)
    }

    /// True, false, or either.
    fn either(may_hold: bool, may_fail: bool) -> Truths {
        Truths(u8::from(may_fail) << Truth::False as u8 | u8::from(may_hold) << Truth::True as u8)
    }

    fn has(self, truth: Truth) -> bool {
        self.0 & Truths::only(truth).0 != 0
    }

    fn each(self) -> impl Iterator<Item = Truth> {
        [Truth::False, Truth::Unknown, Truth::True]
            .into_iter()
            .filter(move |truth| self.has(*truth))
    }

    fn map(self, change: impl Fn(Truth) -> Truth) -> Truths {
        Truths(
            self.each()
                .fold(0, |set, truth| set | Truths::only(change(truth)).0),
        )
    }

    fn with(self, other: Truths, join: fn(Truth, Truth) -> Truth) -> Truths {
        Truths(
            self.each()
                .fold(0, |set, one| set | other.map(|two| join(one, two)).0),
        )
    }
}

impl<'a> Bounds<'a> {
    pub fn of(header: &BatchHeader, topic: &'a str, partition: u32) -> Bounds<'a> {
        let low = i64::try_from(header.base_offset);
        let high = i64::try_from(header.last_offset());
        let newest = header.max_timestamp;
        Bounds {
            topic,
            partition,
            offsets: low
                .ok()
                .zip(high.ok())
                .map(|(low, high)| Range { low, high }),
            timestamps: Range {
                low: match header.attributes.timestamp_type() {
                    TimestampType::CreateTime => i64::MIN,
                    TimestampType::LogAppendTime => newest,
                },
                high: newest,
            },
        }
    }

    /// Whether the condition may be true of one of the records.
    pub fn may_keep(&self, program: &Node) -> bool {
        self.truths(program).has(Truth::True)
    }

    fn truths(&self, node: &Node) -> Truths {
        match node {
            Node::Constant(constant) => Truths::only((*constant).into()),
            Node::Not(node) => self.truths(node).map(Truth::not),
            Node::And(nodes) => self.joined(nodes, Truth::True, Truth::min),
            Node::Or(nodes) => self.joined(nodes, Truth::False, Truth::max),
            Node::CompareTexts(left, comparison, right) => {
                match (self.text(left), self.text(right)) {
                    (Some(left), Some(right)) => {
                        Truths::only(comparison.holds(left.cmp(right)).into())
                    }
                    _ => Truths::ANY,
                }
            }
            Node::CompareNumbers(left, comparison, right) => {
                match (self.range(left), self.range(right)) {
                    (Some(left), Some(right)) => left.compare(*comparison, right),
                    _ => Truths::ANY,
                }
            }
            Node::InTexts(text, list) => self.text(text).map_or(Truths::ANY, |text| {
                Truths::only(list.contains(text.as_bytes()).into())
            }),
            Node::InNumbers(number, list) => match self.range(number) {
                Some(range) if list.floats.is_empty() => range.among(&list.integers),
                _ => Truths::ANY,
            },
            Node::Like(Source::Topic, pattern) => Truths::only(pattern.matches(self.topic).into()),
            Node::Like(..) => Truths::ANY,
            Node::IsNull(Source::Key | Source::Header(_)) => Truths::NULL_OR_NOT,
            Node::IsNull(_) => Truths::only(Truth::False),
        }
    }

    fn joined(&self, nodes: &[Node], start: Truth, join: fn(Truth, Truth) -> Truth) -> Truths {
        nodes.iter().fold(Truths::only(start), |truths, node| {
            truths.with(self.truths(node), join)
        })
    }

    /// A text that is the same for all records.
    fn text<'t>(&'t self, text: &'t Text) -> Option<&'t str> {
        match text {
            Text::Literal(text) => Some(text),
            Text::Source(Source::Topic) => Some(self.topic),
            Text::Source(_) => None,
        }
    }

    /// What a number lies between; none where it may be no integer, or unknown.
    fn range(&self, number: &Numeric) -> Option<Range> {
        match number {
            Numeric::Literal(Number::Integer(number)) => Some(Range::at(*number)),
            Numeric::Source(Source::Partition) => Some(Range::at(self.partition.into())),
            Numeric::Source(Source::Offset) => self.offsets,
            Numeric::Source(Source::Timestamp) => Some(self.timestamps),
            _ => None,
        }
    }
}

impl Range {
    fn at(number: i64) -> Range {
        let (low, high) = (number, number);
        Range { low, high }
    }

    fn compare(self, comparison: Comparison, other: Range) -> Truths {
        let apart = self.high < other.low || other.high < self.low;
        let same = !apart && self.low == self.high && other.low == other.high;
        match comparison {
            Comparison::Equal => Truths::either(!apart, !same),
            Comparison::NotEqual => Truths::either(!same, !apart),
            Comparison::Less => Truths::either(self.low < other.high, self.high >= other.low),
            Comparison::GreaterOrEqual => {
                Truths::either(self.high >= other.low, self.low < other.high)
            }
            Comparison::Greater => Truths::either(self.high > other.low, self.low <= other.high),
            Comparison::LessOrEqual => {
                Truths::either(self.low <= other.high, self.high > other.low)
            }
        }
    }

    fn among(self, integers: &[i64]) -> Truths {
        let next = integers.get(integers.partition_point(|one| *one < self.low));
        let some = next.is_some_and(|one| *one <= self.high);
        Truths::either(some, !(some && self.low == self.high))
    }
}
