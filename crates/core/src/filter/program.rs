//! What is run on records: the tree with everything decided that does not depend on them. Names of headers are places
//! in a row of slots, lists are sorted, patterns are compiled, and every comparison knows whether it is of texts or of
//! numbers.

use super::like::LikePattern;
use super::number::Number;
use super::syntax::{Addition, Comparison, Condition, Field, Kind, List, Multiplication, Value};

/// A compiled filter.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub root: Node,
    /// Names of the headers that are looked at, sorted; their slots.
    pub headers: Box<[Box<str>]>,
}

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    /// The slot of its name.
    Header(usize),
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

impl Program {
    pub fn new(condition: &Condition) -> Program {
        let mut compiler = Compiler::default();
        compiler.note_headers(condition);
        let Compiler { headers } = &mut compiler;
        headers.sort_unstable();
        headers.dedup();
        Program {
            root: compiler.condition(condition),
            headers: compiler.headers.into_iter().map(Box::from).collect(),
        }
    }
}

#[derive(Default)]
struct Compiler<'c> {
    headers: Vec<&'c str>,
}

impl<'c> Compiler<'c> {
    fn note_headers(&mut self, condition: &'c Condition) {
        match condition {
            Condition::Constant(_) => {}
            Condition::Not(condition) => self.note_headers(condition),
            Condition::And(all) | Condition::Or(all) => {
                all.iter().for_each(|one| self.note_headers(one));
            }
            Condition::Compare { left, right, .. } => {
                [left, right]
                    .into_iter()
                    .for_each(|one| self.note_value(one));
            }
            Condition::Between {
                value, low, high, ..
            } => {
                [value, low, high]
                    .into_iter()
                    .for_each(|one| self.note_value(one));
            }
            Condition::In { value, .. } => self.note_value(value),
            Condition::Like { field, .. } | Condition::IsNull { field, .. } => {
                self.note_field(field);
            }
        }
    }

    fn note_value(&mut self, value: &'c Value) {
        match value {
            Value::Field(field) => self.note_field(field),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) => {}
            Value::Signed(_, value) => self.note_value(value),
            Value::Sum(first, rest) => {
                self.note_value(first);
                rest.iter().for_each(|(_, value)| self.note_value(value));
            }
            Value::Product(first, rest) => {
                self.note_value(first);
                rest.iter().for_each(|(_, value)| self.note_value(value));
            }
        }
    }

    fn note_field(&mut self, field: &'c Field) {
        if let Field::Header(name) = field {
            self.headers.push(name);
        }
    }

    fn condition(&self, condition: &Condition) -> Node {
        let all = |conditions: &[Condition]| conditions.iter().map(|c| self.condition(c)).collect();
        match condition {
            Condition::Constant(constant) => Node::Constant(*constant),
            Condition::Not(condition) => Node::Not(Box::new(self.condition(condition))),
            Condition::And(conditions) => Node::And(all(conditions)),
            Condition::Or(conditions) => Node::Or(all(conditions)),
            Condition::Compare {
                left,
                comparison,
                right,
            } => self.compare(left, *comparison, right),
            Condition::Between {
                value,
                low,
                high,
                negated,
            } => {
                let not_below = self.compare(value, Comparison::GreaterOrEqual, low);
                let not_above = self.compare(value, Comparison::LessOrEqual, high);
                negate(Node::And([not_below, not_above].into()), *negated)
            }
            Condition::In {
                value,
                list,
                negated,
            } => {
                let node = match list {
                    List::Texts(texts) => Node::InTexts(self.text(value), Texts::new(texts)),
                    List::Numbers(numbers) => {
                        Node::InNumbers(self.number(value), Numbers::new(numbers))
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
                let source = self.source(field);
                // The parser has refused patterns that are wrong.
                let node = match LikePattern::new(pattern, *escape) {
                    Ok(pattern) => Node::Like(source, pattern),
                    Err(_) => Node::Constant(false),
                };
                negate(node, *negated)
            }
            Condition::IsNull { field, negated } => {
                negate(Node::IsNull(self.source(field)), *negated)
            }
        }
    }

    fn compare(&self, left: &Value, comparison: Comparison, right: &Value) -> Node {
        if left.kind() == Kind::Number || right.kind() == Kind::Number {
            Node::CompareNumbers(self.number(left), comparison, self.number(right))
        } else {
            Node::CompareTexts(self.text(left), comparison, self.text(right))
        }
    }

    fn text(&self, value: &Value) -> Text {
        match value {
            Value::Field(field) => Text::Source(self.source(field)),
            Value::Text(text) => Text::Literal(text.as_str().into()),
            // The parser puts no number where a text is needed.
            _ => Text::Literal("".into()),
        }
    }

    fn number(&self, value: &Value) -> Numeric {
        match value {
            Value::Field(field) => Numeric::Source(self.source(field)),
            Value::Integer(number) => Numeric::Literal(Number::Integer(*number)),
            Value::Float(number) => Numeric::Literal(Number::Float(*number)),
            Value::Signed(sign, value) => Numeric::Signed(*sign, Box::new(self.number(value))),
            Value::Sum(first, rest) => Numeric::Sum(
                Box::new(self.number(first)),
                rest.iter().map(|(s, v)| (*s, self.number(v))).collect(),
            ),
            Value::Product(first, rest) => Numeric::Product(
                Box::new(self.number(first)),
                rest.iter().map(|(s, v)| (*s, self.number(v))).collect(),
            ),
            // The parser puts no text in quotes where a number is needed.
            Value::Text(_) => Numeric::Literal(Number::Integer(0)),
        }
    }

    fn source(&self, field: &Field) -> Source {
        match field {
            Field::Key => Source::Key,
            Field::Topic => Source::Topic,
            Field::Partition => Source::Partition,
            Field::Offset => Source::Offset,
            Field::Timestamp => Source::Timestamp,
            Field::Header(name) => {
                let slot = self.headers.binary_search(&name.as_str());
                Source::Header(slot.unwrap_or_else(|slot| slot))
            }
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

    pub fn contains(&self, text: &str) -> bool {
        self.0.binary_search_by(|one| (**one).cmp(text)).is_ok()
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
