//! Random filters and records that have something to do with each other: few names, few characters, numbers near
//! borders.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::Given;
use crate::filter::syntax::{Addition, Comparison, Condition, Field, List, Multiplication, Value};

/// Short texts of few characters, and texts that are numbers or nearly.
pub(super) fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => "[ab%_'é😀\n]{0,6}",
        1 => Just("orders".to_owned()),
        2 => prop::sample::select(vec![
            "0", "1", "-1", "+2", "3", "1.5", ".5", "2.", "1e1", "-1E-2", "1e400", "9223372036854775807",
            "9223372036854775808", "", " 1", "1 ", "0x1", "inf", "NaN", "-", "+", ".", "1e", "--1", "1.2.3", "01",
        ]).prop_map(str::to_owned),
    ]
    .boxed()
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => prop::sample::select(vec!["a", "b", "region", "dead.topic", ""]).prop_map(str::to_owned),
        1 => "[a\"'.é -]{0,4}",
    ]
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => -3_i64..12,
        1 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, (1 << 53) + 1, 1 << 53]),
    ]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (-8_i32..24).prop_map(|n| f64::from(n) / 2.0),
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()),
        1 => prop::sample::select(vec![f64::MAX, f64::MIN_POSITIVE, 9.007_199_254_740_992e15]),
    ]
}

fn text_field() -> impl Strategy<Value = Field> {
    prop_oneof![
        2 => Just(Field::Key),
        1 => Just(Field::Topic),
        4 => name().prop_map(Field::Header),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        2 => text_field(),
        1 => prop::sample::select(vec![Field::Partition, Field::Offset, Field::Timestamp]),
    ]
}

fn textual() -> impl Strategy<Value = Value> {
    prop_oneof![
        text_field().prop_map(Value::Field),
        text().prop_map(Value::Text)
    ]
}

/// What may stand where a number is needed.
fn numeric() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        3 => field().prop_map(Value::Field),
        3 => integer().prop_map(Value::Integer),
        1 => float().prop_map(Value::Float),
    ];
    let addition = prop::sample::select(vec![Addition::Add, Addition::Subtract]);
    let multiplication =
        prop::sample::select(vec![Multiplication::Multiply, Multiplication::Divide]);
    leaf.prop_recursive(3, 8, 3, move |inner| {
        let sums = vec((addition.clone(), inner.clone()), 1..3);
        let products = vec((multiplication.clone(), inner.clone()), 1..3);
        prop_oneof![
            (addition.clone(), inner.clone())
                .prop_map(|(sign, value)| Value::Signed(sign, Box::new(value))),
            (inner.clone(), sums).prop_map(|(first, rest)| Value::Sum(Box::new(first), rest)),
            (inner, products).prop_map(|(first, rest)| Value::Product(Box::new(first), rest)),
        ]
    })
    .boxed()
}

fn pattern() -> impl Strategy<Value = (String, Option<char>)> {
    #[derive(Debug, Clone)]
    enum Unit {
        One(char),
        Any,
        Sequence,
    }
    let unit = prop_oneof![
        4 => prop::sample::select(vec!['a', 'b', 'é', '😀', '%', '_', '!', '\'']).prop_map(Unit::One),
        2 => Just(Unit::Any),
        3 => Just(Unit::Sequence),
    ];
    let escape = option::of(prop::sample::select(vec!['!', 'a', '\'', 'é']));
    (vec(unit, 0..8), escape).prop_map(|(units, escape)| {
        let mut text = String::new();
        for unit in units {
            match (unit, escape) {
                (Unit::Any, _) => text.push('_'),
                (Unit::Sequence, _) => text.push('%'),
                (Unit::One('%' | '_'), None) => {}
                (Unit::One(c), Some(escape)) if matches!(c, '%' | '_') || c == escape => {
                    text.extend([escape, c]);
                }
                (Unit::One(c), _) => text.push(c),
            }
        }
        (text, escape)
    })
}

fn comparison() -> impl Strategy<Value = Comparison> + Clone {
    prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}

/// What a batch's header may decide.
fn place() -> impl Strategy<Value = Condition> {
    let number = || {
        let field = prop::sample::select(vec![Field::Offset, Field::Timestamp, Field::Partition]);
        prop_oneof![
            3 => field.prop_map(Value::Field),
            2 => (-1_i64..14).prop_map(Value::Integer),
        ]
    };
    let topic = (comparison(), "orders|ordinary|z");
    prop_oneof![
        6 => (number(), comparison(), number()).prop_map(|(left, comparison, right)| {
            Condition::Compare { left, comparison, right }
        }),
        2 => (number(), number(), number(), any::<bool>()).prop_map(|(value, low, high, negated)| {
            Condition::Between { value, low, high, negated }
        }),
        2 => (number(), vec((-1_i64..14).prop_map(Value::Integer), 1..4), any::<bool>()).prop_map(
            |(value, list, negated)| Condition::In { value, list: List::Numbers(list), negated },
        ),
        1 => topic.prop_map(|(comparison, name)| Condition::Compare {
            left: Value::Text(name),
            comparison,
            right: Value::Field(Field::Topic),
        }),
        1 => pattern().prop_map(|(pattern, escape)| Condition::Like {
            field: Field::Topic,
            pattern,
            escape,
            negated: false,
        }),
        1 => (field(), any::<bool>()).prop_map(|(field, negated)| Condition::IsNull { field, negated }),
        1 => predicate(),
    ]
}

/// Conditions of which a batch's header decides most.
pub(super) fn place_condition() -> impl Strategy<Value = Condition> {
    place().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Condition::Not(Box::new(one))),
            vec(inner.clone(), 2..4).prop_map(Condition::And),
            vec(inner, 2..4).prop_map(Condition::Or),
        ]
    })
}

fn predicate() -> impl Strategy<Value = Condition> {
    let comparison = comparison();
    let compare = |(left, comparison, right)| Condition::Compare {
        left,
        comparison,
        right,
    };
    let between = |(value, low, high, negated)| Condition::Between {
        value,
        low,
        high,
        negated,
    };
    let among = |(value, list, negated)| Condition::In {
        value,
        list,
        negated,
    };
    let number = prop_oneof![
        integer().prop_map(Value::Integer),
        float().prop_map(Value::Float)
    ];
    prop_oneof![
        1 => any::<bool>().prop_map(Condition::Constant),
        4 => (textual(), comparison.clone(), textual()).prop_map(compare),
        4 => (numeric(), comparison, numeric()).prop_map(compare),
        1 => (textual(), textual(), textual(), any::<bool>()).prop_map(between),
        2 => (numeric(), numeric(), numeric(), any::<bool>()).prop_map(between),
        2 => (textual(), vec(text(), 1..5).prop_map(List::Texts), any::<bool>()).prop_map(among),
        2 => (numeric(), vec(number, 1..5).prop_map(List::Numbers), any::<bool>()).prop_map(among),
        3 => (text_field(), pattern(), any::<bool>()).prop_map(|(field, (pattern, escape), negated)| {
            Condition::Like { field, pattern, escape, negated }
        }),
        2 => (field(), any::<bool>()).prop_map(|(field, negated)| Condition::IsNull { field, negated }),
    ]
}

pub(super) fn condition() -> impl Strategy<Value = Condition> {
    predicate().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Condition::Not(Box::new(one))),
            vec(inner.clone(), 2..4).prop_map(Condition::And),
            vec(inner, 2..4).prop_map(Condition::Or),
        ]
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => text().prop_map(String::into_bytes),
        1 => prop::sample::select(vec![vec![0xff], vec![b'a', 0xc3], vec![0xed, 0xa0, 0x80]]),
    ]
}

pub(super) fn record() -> impl Strategy<Value = Given> {
    let headers = vec((name(), option::weighted(0.8, bytes())), 0..5);
    let timestamp = prop_oneof![4 => 0_i64..12, 1 => 0..i64::MAX];
    (timestamp, option::weighted(0.8, bytes()), headers).prop_map(|(timestamp, key, headers)| {
        Given {
            timestamp,
            key,
            headers,
        }
    })
}
