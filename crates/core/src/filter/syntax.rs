//! What a filter says, as a tree: conditions over values. Printed, it reads as the same tree again, with no more
//! parentheses than it needs.

use std::fmt::{self, Display, Formatter, Write};

/// What is true, false or unknown of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Constant(bool),
    Not(Box<Condition>),
    /// Two or more.
    And(Vec<Condition>),
    /// Two or more.
    Or(Vec<Condition>),
    Compare {
        left: Value,
        comparison: Comparison,
        right: Value,
    },
    Between {
        value: Value,
        low: Value,
        high: Value,
        negated: bool,
    },
    In {
        value: Value,
        list: List,
        negated: bool,
    },
    Like {
        field: Field,
        pattern: String,
        escape: Option<char>,
        negated: bool,
    },
    IsNull {
        field: Field,
        negated: bool,
    },
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Field(Field),
    Text(String),
    Integer(i64),
    /// Finite.
    Float(f64),
    /// With a plus or a minus in front; of a number in digits the sign is part.
    Signed(Addition, Box<Value>),
    /// A value, and what is added to it and taken from it in turn.
    Sum(Box<Value>, Vec<(Addition, Value)>),
    /// A value, and what it is multiplied with and divided by in turn.
    Product(Box<Value>, Vec<(Multiplication, Value)>),
}

/// What a record has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Header(String),
}

/// What a value may be one of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum List {
    Texts(Vec<String>),
    /// `Integer` and `Float`.
    Numbers(Vec<Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addition {
    Add,
    Subtract,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Multiplication {
    Multiply,
    Divide,
}

/// What a value is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text in quotes.
    Text,
    /// A field that holds text, which is read as a number where one is asked for.
    TextField,
    Number,
}

impl Value {
    pub fn kind(&self) -> Kind {
        match self {
            Value::Text(_) => Kind::Text,
            Value::Field(field) => field.kind(),
            _ => Kind::Number,
        }
    }
}

impl Field {
    pub fn kind(&self) -> Kind {
        match self {
            Field::Key | Field::Topic | Field::Header(_) => Kind::TextField,
            Field::Partition | Field::Offset | Field::Timestamp => Kind::Number,
        }
    }
}

/// How tightly an expression holds together; one that stands where a tighter one must is put in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Predicate,
    Sum,
    Product,
    Sign,
    Single,
}

impl Condition {
    fn binding(&self) -> Binding {
        match self {
            Condition::Or(_) => Binding::Or,
            Condition::And(_) => Binding::And,
            Condition::Not(_) => Binding::Not,
            Condition::Constant(_) => Binding::Single,
            _ => Binding::Predicate,
        }
    }

    fn write(&self, out: &mut Formatter<'_>, at_least: Binding) -> fmt::Result {
        if self.binding() >= at_least {
            write!(out, "{self}")
        } else {
            write!(out, "({self})")
        }
    }
}

impl Display for Condition {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match self {
            Condition::Constant(true) => out.write_str("TRUE"),
            Condition::Constant(false) => out.write_str("FALSE"),
            Condition::Not(condition) => {
                out.write_str("NOT ")?;
                condition.write(out, Binding::Not)
            }
            Condition::And(all) => joined(out, all, " AND ", Binding::Not),
            Condition::Or(any) => joined(out, any, " OR ", Binding::And),
            Condition::Compare {
                left,
                comparison,
                right,
            } => write!(out, "{left} {comparison} {right}"),
            Condition::Between {
                value,
                low,
                high,
                negated,
            } => write!(out, "{value} {}BETWEEN {low} AND {high}", not(negated)),
            Condition::In {
                value,
                list,
                negated,
            } => write!(out, "{value} {}IN ({list})", not(negated)),
            Condition::Like {
                field,
                pattern,
                escape,
                negated,
            } => {
                write!(out, "{field} {}LIKE ", not(negated))?;
                quoted(out, '\'', pattern)?;
                match escape {
                    Some(escape) => {
                        out.write_str(" ESCAPE ")?;
                        quoted(out, '\'', escape.encode_utf8(&mut [0; 4]))
                    }
                    None => Ok(()),
                }
            }
            Condition::IsNull { field, negated } => write!(out, "{field} IS {}NULL", not(negated)),
        }
    }
}

fn joined(
    out: &mut Formatter<'_>,
    conditions: &[Condition],
    between: &str,
    at_least: Binding,
) -> fmt::Result {
    for (i, condition) in conditions.iter().enumerate() {
        if i > 0 {
            out.write_str(between)?;
        }
        condition.write(out, at_least)?;
    }
    Ok(())
}

impl Value {
    fn binding(&self) -> Binding {
        match self {
            Value::Sum(..) => Binding::Sum,
            Value::Product(..) => Binding::Product,
            Value::Signed(..) => Binding::Sign,
            // A sign in front of a number makes it another number.
            Value::Integer(number) if *number < 0 => Binding::Sign,
            Value::Float(number) if number.is_sign_negative() => Binding::Sign,
            _ => Binding::Single,
        }
    }

    fn write(&self, out: &mut Formatter<'_>, at_least: Binding) -> fmt::Result {
        if self.binding() >= at_least {
            write!(out, "{self}")
        } else {
            write!(out, "({self})")
        }
    }
}

impl Display for Value {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Field(field) => write!(out, "{field}"),
            Value::Text(text) => quoted(out, '\'', text),
            Value::Integer(number) => write!(out, "{number}"),
            Value::Float(number) => write!(out, "{number:?}"),
            Value::Signed(sign, value) => {
                out.write_char(match sign {
                    Addition::Add => '+',
                    Addition::Subtract => '-',
                })?;
                match **value {
                    Value::Integer(0..) => write!(out, "({value})"),
                    Value::Float(number) if number.is_sign_positive() => write!(out, "({value})"),
                    _ => value.write(out, Binding::Sign),
                }
            }
            Value::Sum(first, rest) => {
                first.write(out, Binding::Product)?;
                rest.iter().try_for_each(|(addition, value)| {
                    out.write_str(match addition {
                        Addition::Add => " + ",
                        Addition::Subtract => " - ",
                    })?;
                    value.write(out, Binding::Product)
                })
            }
            Value::Product(first, rest) => {
                first.write(out, Binding::Sign)?;
                rest.iter().try_for_each(|(multiplication, value)| {
                    out.write_str(match multiplication {
                        Multiplication::Multiply => " * ",
                        Multiplication::Divide => " / ",
                    })?;
                    value.write(out, Binding::Sign)
                })
            }
        }
    }
}

impl Display for Field {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Field::Key => out.write_str("key"),
            Field::Topic => out.write_str("topic"),
            Field::Partition => out.write_str("partition"),
            Field::Offset => out.write_str("offset"),
            Field::Timestamp => out.write_str("timestamp"),
            Field::Header(name) => {
                out.write_str("headers.")?;
                quoted(out, '"', name)
            }
        }
    }
}

impl Display for List {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let comma = |out: &mut Formatter<'_>, i| if i > 0 { out.write_str(", ") } else { Ok(()) };
        match self {
            List::Texts(texts) => texts.iter().enumerate().try_for_each(|(i, text)| {
                comma(out, i)?;
                quoted(out, '\'', text)
            }),
            List::Numbers(numbers) => numbers.iter().enumerate().try_for_each(|(i, number)| {
                comma(out, i)?;
                write!(out, "{number}")
            }),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        })
    }
}

/// In quotes; those within are doubled.
fn quoted(out: &mut Formatter<'_>, quote: char, text: &str) -> fmt::Result {
    out.write_char(quote)?;
    for c in text.chars() {
        if c == quote {
            out.write_char(quote)?;
        }
        out.write_char(c)?;
    }
    out.write_char(quote)
}
