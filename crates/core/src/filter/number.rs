//! Numbers of filters: 64-bit integers, and doubles that are finite. What has no result in them (overflow, division by
//! zero, a text that is no number) is unknown.

use std::cmp::Ordering;

use super::syntax::{Addition, Multiplication};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    /// Finite.
    Float(f64),
}

use Number::{Float, Integer};

impl Number {
    /// Integers among themselves exactly, all else as doubles.
    pub fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Integer(left), Integer(right)) => left.cmp(&right),
            // Finite, so that one is never neither less, equal nor greater.
            _ => self
                .double()
                .partial_cmp(&other.double())
                .unwrap_or(Ordering::Equal),
        }
    }

    pub fn double(self) -> f64 {
        match self {
            Integer(number) => number as f64,
            Float(number) => number,
        }
    }

    pub fn added(self, addition: Addition, other: Number) -> Option<Number> {
        match (addition, self, other) {
            (Addition::Add, Integer(left), Integer(right)) => left.checked_add(right).map(Integer),
            (Addition::Subtract, Integer(left), Integer(right)) => {
                left.checked_sub(right).map(Integer)
            }
            (Addition::Add, left, right) => finite(left.double() + right.double()),
            (Addition::Subtract, left, right) => finite(left.double() - right.double()),
        }
    }

    /// The quotient of integers is cut to an integer, as in SQL-92 and Java.
    pub fn multiplied(self, multiplication: Multiplication, other: Number) -> Option<Number> {
        match (multiplication, self, other) {
            (Multiplication::Multiply, Integer(left), Integer(right)) => {
                left.checked_mul(right).map(Integer)
            }
            (Multiplication::Divide, Integer(left), Integer(right)) => {
                left.checked_div(right).map(Integer)
            }
            (Multiplication::Multiply, left, right) => finite(left.double() * right.double()),
            (Multiplication::Divide, left, right) => finite(left.double() / right.double()),
        }
    }

    pub fn negative(self) -> Option<Number> {
        match self {
            Integer(number) => number.checked_neg().map(Integer),
            Float(number) => Some(Float(-number)),
        }
    }

    /// The number that a whole text is: one as filters have them, with or without a sign.
    pub fn of_text(text: &str) -> Option<Number> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (len, is_integer) = scan(digits.as_bytes())?;
        if len != digits.len() {
            return None;
        }
        let integer = if is_integer { text.parse().ok() } else { None };
        integer.map(Integer).or_else(|| finite(text.parse().ok()?))
    }
}

fn finite(number: f64) -> Option<Number> {
    number.is_finite().then_some(Float(number))
}

/// The bytes of the number without a sign that a text begins with, and whether it has neither a point nor an exponent.
pub(super) fn scan(text: &[u8]) -> Option<(usize, bool)> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let whole = digits(0);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = digits(len + 1);
        if whole + fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = text.get(len) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    Some((len, len == whole))
}
