//! What a filter means, written as plainly as can be and with nothing of the program's: numbers are looked at as
//! unbounded ones, headers are searched anew each time, patterns are tried at every place.

use tidelog_format::record::Record;

use crate::filter::syntax::{
    Addition, Comparison, Condition, Field, Kind, List, Multiplication, Value,
};

/// A record, and where it is.
pub(super) struct Here<'a> {
    pub topic: &'a str,
    pub partition: u32,
    pub record: &'a Record<'a>,
}

#[derive(Clone, Copy)]
enum Num {
    Int(i128),
    Real(f64),
}

/// None: unknown.
pub(super) fn truth(condition: &Condition, here: &Here<'_>) -> Option<bool> {
    match condition {
        Condition::Constant(constant) => Some(*constant),
        Condition::Not(condition) => truth(condition, here).map(|truth| !truth),
        Condition::And(all) => {
            let truths: Vec<_> = all.iter().map(|one| truth(one, here)).collect();
            if truths.contains(&Some(false)) {
                Some(false)
            } else if truths.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        Condition::Or(any) => {
            let truths: Vec<_> = any.iter().map(|one| truth(one, here)).collect();
            if truths.contains(&Some(true)) {
                Some(true)
            } else if truths.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        Condition::Compare {
            left,
            comparison,
            right,
        } => compare(left, *comparison, right, here),
        Condition::Between {
            value,
            low,
            high,
            negated,
        } => {
            let above = compare(low, Comparison::LessOrEqual, value, here);
            let below = compare(value, Comparison::LessOrEqual, high, here);
            let between = match (above, below) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            between.map(|between| between != *negated)
        }
        Condition::In {
            value,
            list,
            negated,
        } => {
            let items: Vec<Value> = match list {
                List::Texts(texts) => texts.iter().cloned().map(Value::Text).collect(),
                List::Numbers(numbers) => numbers.clone(),
            };
            let equal: Vec<_> = items
                .iter()
                .map(|item| compare(value, Comparison::Equal, item, here))
                .collect();
            let found = if equal.contains(&Some(true)) {
                Some(true)
            } else if equal.contains(&None) {
                None
            } else {
                Some(false)
            };
            found.map(|found| found != *negated)
        }
        Condition::Like {
            field,
            pattern,
            escape,
            negated,
        } => {
            let text: Vec<char> = text_of(field, here)?.chars().collect();
            let pattern: Vec<char> = pattern.chars().collect();
            Some(like(&pattern, *escape, &text) != *negated)
        }
        Condition::IsNull { field, negated } => Some(is_null(field, here) != *negated),
    }
}

fn compare(left: &Value, comparison: Comparison, right: &Value, here: &Here<'_>) -> Option<bool> {
    let ordering = if left.kind() == Kind::Number || right.kind() == Kind::Number {
        match (number(left, here)?, number(right, here)?) {
            (Num::Int(left), Num::Int(right)) => left.cmp(&right),
            (left, right) => real(left).partial_cmp(&real(right))?,
        }
    } else {
        let (left, right) = (text(left, here)?, text(right, here)?);
        left.chars().cmp(right.chars())
    };
    let (less, equal) = (ordering.is_lt(), ordering.is_eq());
    Some(match comparison {
        Comparison::Equal => equal,
        Comparison::NotEqual => !equal,
        Comparison::Less => less,
        Comparison::LessOrEqual => less || equal,
        Comparison::Greater => !less && !equal,
        Comparison::GreaterOrEqual => !less,
    })
}

fn text(value: &Value, here: &Here<'_>) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Field(field) => text_of(field, here),
        _ => panic!("{value} is no text"),
    }
}

fn bytes_of(field: &Field, here: &Here<'_>) -> Option<Vec<u8>> {
    match field {
        Field::Topic => Some(here.topic.as_bytes().to_vec()),
        Field::Key => here.record.key.map(<[u8]>::to_vec),
        Field::Header(name) => {
            let all: Vec<_> = here.record.headers.iter().collect();
            let (_, value) = all
                .into_iter()
                .rev()
                .find(|(other, _)| *other == name.as_bytes())?;
            value.map(<[u8]>::to_vec)
        }
        _ => panic!("{field} is no text"),
    }
}

fn text_of(field: &Field, here: &Here<'_>) -> Option<String> {
    String::from_utf8(bytes_of(field, here)?).ok()
}

fn is_null(field: &Field, here: &Here<'_>) -> bool {
    match field {
        Field::Partition | Field::Offset | Field::Timestamp => false,
        _ => bytes_of(field, here).is_none(),
    }
}

fn number(value: &Value, here: &Here<'_>) -> Option<Num> {
    match value {
        Value::Integer(number) => Some(Num::Int((*number).into())),
        Value::Float(number) => Some(Num::Real(*number)),
        Value::Field(Field::Partition) => Some(Num::Int(here.partition.into())),
        Value::Field(Field::Offset) => Some(Num::Int(here.record.offset.into())),
        Value::Field(Field::Timestamp) => Some(Num::Int(here.record.timestamp.into())),
        Value::Field(field) => read(&text_of(field, here)?),
        Value::Text(text) => panic!("'{text}' is no number"),
        Value::Signed(Addition::Add, value) => number(value, here),
        Value::Signed(Addition::Subtract, value) => match number(value, here)? {
            Num::Int(number) => int(-number),
            Num::Real(number) => Some(Num::Real(-number)),
        },
        Value::Sum(first, rest) => {
            rest.iter().fold(number(first, here), |sum, (sign, value)| {
                match (sign, sum?, number(value, here)?) {
                    (Addition::Add, Num::Int(l), Num::Int(r)) => int(l + r),
                    (Addition::Subtract, Num::Int(l), Num::Int(r)) => int(l - r),
                    (Addition::Add, l, r) => finite(real(l) + real(r)),
                    (Addition::Subtract, l, r) => finite(real(l) - real(r)),
                }
            })
        }
        Value::Product(first, rest) => {
            rest.iter()
                .fold(number(first, here), |product, (sign, value)| {
                    match (sign, product?, number(value, here)?) {
                        (Multiplication::Multiply, Num::Int(l), Num::Int(r)) => int(l * r),
                        (Multiplication::Divide, Num::Int(_), Num::Int(0)) => None,
                        (Multiplication::Divide, Num::Int(l), Num::Int(r)) => int(l / r),
                        (Multiplication::Multiply, l, r) => finite(real(l) * real(r)),
                        (Multiplication::Divide, l, r) => finite(real(l) / real(r)),
                    }
                })
        }
    }
}

fn int(number: i128) -> Option<Num> {
    (i64::MIN.into()..=i64::MAX.into())
        .contains(&number)
        .then_some(Num::Int(number))
}

fn finite(number: f64) -> Option<Num> {
    number.is_finite().then_some(Num::Real(number))
}

fn real(number: Num) -> f64 {
    match number {
        Num::Int(number) => number as i64 as f64,
        Num::Real(number) => number,
    }
}

/// A sign or none, digits with at most one point among them, and an exponent or none.
fn read(text: &str) -> Option<Num> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| text.chars().all(|c: char| c.is_ascii_digit());
    let some = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    let power = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    if !some
        || !digits(whole)
        || !fraction.is_none_or(digits)
        || power.is_some_and(|power| power.is_empty() || !digits(power))
    {
        return None;
    }
    if fraction.is_none()
        && exponent.is_none()
        && let Some(number) = text.parse().ok().and_then(int)
    {
        return Some(number);
    }
    finite(text.parse().ok()?)
}

fn like(pattern: &[char], escape: Option<char>, text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [first, next, rest @ ..] if Some(*first) == escape => {
            text.first() == Some(next) && like(rest, escape, &text[1..])
        }
        ['%', rest @ ..] => (0..=text.len()).any(|skipped| like(rest, escape, &text[skipped..])),
        ['_', rest @ ..] => !text.is_empty() && like(rest, escape, &text[1..]),
        [first, rest @ ..] => text.first() == Some(first) && like(rest, escape, &text[1..]),
    }
}
