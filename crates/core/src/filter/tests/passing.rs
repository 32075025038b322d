//! Which batches are passed over without a look into them: those of which the header shows that nothing is kept.

use tidelog_format::batch::{Batch, TimestampType, set_placement};

use super::{Given, batch};
use crate::filter::Filter;

/// Whether a batch of the offsets 10 to 12 and times up to 1002 is looked into.
fn looks_into(text: &str, timestamps: TimestampType) -> bool {
    let records = [1002, 1000, 1001].map(|timestamp| Given {
        timestamp,
        ..Given::default()
    });
    let mut bytes = batch(&records, timestamps);
    set_placement(&mut bytes, 10, 0).unwrap();
    let header = *Batch::check(&bytes).unwrap().header();
    let filter = Filter::compile(text).unwrap();
    filter.may_keep("orders", 3, &header)
}

#[test]
fn places_and_times_decide_and_what_they_do_not_is_looked_into() {
    for (text, expected) in [
        ("offset >= 12", true),
        ("offset > 12", false),
        ("offset < 10", false),
        ("offset <= 10", true),
        ("NOT offset <= 12", false),
        ("offset = 11", true),
        ("offset = 13", false),
        ("offset IN (1, 9, 13)", false),
        ("offset IN (1, 12)", true),
        ("offset NOT BETWEEN 5 AND 20", false),
        ("offset BETWEEN 12 AND 20", true),
        ("partition = 3", true),
        ("partition <> 3", false),
        ("partition NOT IN (1, 3)", false),
        ("topic = 'orders'", true),
        ("topic LIKE 'x%'", false),
        ("topic IN ('a', 'b')", false),
        ("timestamp >= 1003", false),
        ("timestamp > 1001", true),
        ("timestamp < 1", true),
        ("offset IS NULL", false),
        ("FALSE", false),
        ("key = 'a' AND offset > 12", false),
        ("key = 'a' OR offset > 12", true),
        ("partition = 1 AND key = 'a' OR topic = 'a'", false),
        ("offset > 12.5", true),
        ("offset + 1 > 13", true),
    ] {
        assert_eq!(
            looks_into(text, TimestampType::CreateTime),
            expected,
            "{text}"
        );
    }
    // All have the time of their append.
    assert!(!looks_into(
        "timestamp < 1002",
        TimestampType::LogAppendTime
    ));
}
