//! What is run on records: the tree with everything decided that does not depend on them. Lists are sorted, patterns are
//! compiled, and every comparison knows whether it is of texts or of numbers.

use super::like::LikePattern;
use super::number::Number;
use super::syntax::{Addition, Comparison, Condition, Field, Kind, List, Multiplication, Value};

/// A compiled condition.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Constant(bool),
    Not(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    CompareTexts(Text, Comparison, Text),
    CompareNumbers(Numeric, Comparison, Numeric),
    InTexts(Text, Texts),
    InNumbers(Numeric, Numbers),
    Like(Source, LikePattern),
    IsNull(Source),
}

/// Where a record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Header(Box<str>),
}

#[derive(Debug, Clone)]
pub(super) enum Text {
    Literal(Box<str>),
    Source(Source),
}

#[derive(Debug, Clone)]
pub(super) enum Numeric {
    Literal(Number),
    /// A number, or text that is read as one.
    Source(Source),
    Signed(Addition, Box<Numeric>),
    Sum(Box<Numeric>, Box<[(Addition, Numeric)]>),
    Product(Box<Numeric>, Box<[(Multiplication, Numeric)]>),
}

/// Texts, sorted.
#[derive(Debug, Clone)]
pub(super) struct Texts(Box<[Box<str>]>);

/// Numbers, sorted.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub integers: Box<[i64]>,
    pub floats: Box<[f64]>,
}

impl Node {
    pub fn new(condition: &Condition) -> Node {
        let all = |conditions: &[Condition]| conditions.iter().map(Node::new).collect();
        match condition {
            Condition::Constant(constant) => Node::Constant(*constant),
            Condition::Not(condition) => Node::Not(Box::new(Node::new(condition))),
            Condition::And(conditions) => Node::And(all(conditions)),
            Condition::Or(conditions) => Node::Or(all(conditions)),
            Condition::Compare {
                left,
                comparison,
                right,
            } => Node::compare(left, *comparison, right),
            Condition::Between {
                value,
                low,
                high,
                negated,
            } => {
                let not_below = Node::compare(value, Comparison::GreaterOrEqual, low);
                let not_above = Node::compare(value, Comparison::LessOrEqual, high);
                negate(Node::And([not_below, not_above].into()), *negated)
            }
            Condition::In {
                value,
                list,
                negated,
            } => {
                let node = match list {
                    List::Texts(texts) => Node::InTexts(Text::new(value), Texts::new(texts)),
                    List::Numbers(numbers) => {
                        Node::InNumbers(Numeric::new(value), Numbers::new(numbers))
                    }
                };
                negate(node, *negated)
            }
            Condition::Like {
                field,
                pattern,
                escape,
                negated,
            } => {
                let source = Source::new(field);
                // The parser has refused patterns that are wrong.
                let node = match LikePattern::new(pattern, *escape) {
                    Ok(pattern) => Node::Like(source, pattern),
                    Err(_) => Node::Constant(false),
                };
                negate(node, *negated)
            }
            Condition::IsNull { field, negated } => {
                negate(Node::IsNull(Source::new(field)), *negated)
            }
        }
    }

    fn compare(left: &Value, comparison: Comparison, right: &Value) -> Node {
        if left.kind() == Kind::Number || right.kind() == Kind::Number {
            Node::CompareNumbers(Numeric::new(left), comparison, Numeric::new(right))
        } else {
            Node::CompareTexts(Text::new(left), comparison, Text::new(right))
        }
    }
}

impl Text {
    fn new(value: &Value) -> Text {
        match value {
            Value::Field(field) => Text::Source(Source::new(field)),
            Value::Text(text) => Text::Literal(text.as_str().into()),
            // The parser puts no number where a text is needed.
            _ => Text::Literal("".into()),
        }
    }
}

impl Numeric {
    fn new(value: &Value) -> Numeric {
        match value {
            Value::Field(field) => Numeric::Source(Source::new(field)),
            Value::Integer(number) => Numeric::Literal(Number::Integer(*number)),
            Value::Float(number) => Numeric::Literal(Number::Float(*number)),
            Value::Signed(sign, value) => Numeric::Signed(*sign, Box::new(Numeric::new(value))),
            Value::Sum(first, rest) => Numeric::Sum(
                Box::new(Numeric::new(first)),
                rest.iter().map(|(s, v)| (*s, Numeric::new(v))).collect(),
            ),
            Value::Product(first, rest) => Numeric::Product(
                Box::new(Numeric::new(first)),
                rest.iter().map(|(s, v)| (*s, Numeric::new(v))).collect(),
            ),
            // The parser puts no text in quotes where a number is needed.
            Value::Text(_) => Numeric::Literal(Number::Integer(0)),
        }
    }
}

impl Source {
    fn new(field: &Field) -> Source {
        match field {
            Field::Key => Source::Key,
            Field::Topic => Source::Topic,
            Field::Partition => Source::Partition,
            Field::Offset => Source::Offset,
            Field::Timestamp => Source::Timestamp,
            Field::Header(name) => Source::Header(name.as_str().into()),
        }
    }
}

fn negate(node: Node, negated: bool) -> Node {
    if negated {
        Node::Not(Box::new(node))
    } else {
        node
    }
}

impl Texts {
    fn new(texts: &[String]) -> Texts {
        let mut texts: Vec<Box<str>> = texts.iter().map(|text| text.as_str().into()).collect();
        texts.sort_unstable();
        Texts(texts.into())
    }

    pub fn contains(&self, text: &[u8]) -> bool {
        self.0
            .binary_search_by(|one| one.as_bytes().cmp(text))
            .is_ok()
    }
}

impl Numbers {
    fn new(numbers: &[Value]) -> Numbers {
        let (mut integers, mut floats) = (Vec::new(), Vec::new());
        for number in numbers {
            match number {
                Value::Integer(number) => integers.push(*number),
                Value::Float(number) => floats.push(*number),
                _ => {}
            }
        }
        integers.sort_unstable();
        floats.sort_unstable_by(f64::total_cmp);
        Numbers {
            integers: integers.into(),
            floats: floats.into(),
        }
    }

    /// Whether one of them is equal, as [`Number::compare`] has it.
    pub fn contains(&self, number: Number) -> bool {
        let double = number.double();
        let integers = &self.integers;
        let among_integers = match number {
            Number::Integer(number) => integers.binary_search(&number).is_ok(),
            // Rounding keeps their order.
            Number::Float(_) => {
                let at = integers.partition_point(|one| (*one as f64) < double);
                integers.get(at).is_some_and(|one| *one as f64 == double)
            }
        };
        let at = self.floats.partition_point(|one| *one < double);
        among_integers || self.floats.get(at) == Some(&double)
    }
}
