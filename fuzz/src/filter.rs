//! Filters: an input is a filter's text up to the first zero byte, and behind it what a record holds. A text is refused at
//! a place in it, or compiled; what is compiled runs on any record, is never true together with its opposite, and
//! reads as the same filter when it is printed.

use tidelog::format::batch::Batch;
use tidelog::format::builder::BatchBuilder;
use tidelog::format::{Compression, TimestampType};
use tidelog::{Error, Filter};

/// What may be compiled, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// Runs the target.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0);
    let (text, content) = data.split_at(end.unwrap_or(data.len()));
    let text = String::from_utf8_lossy(text);
    match Filter::compile(&text) {
        Ok(filter) => compiled(&text, &filter, content.get(1..).unwrap_or_default()),
        Err(error) => refused(&text, &error),
    }
}

fn refused(text: &str, error: &Error) {
    let Error::InvalidFilter {
        text: told,
        position,
        reason,
    } = error
    else {
        panic!("{error}");
    };
    assert!(text.starts_with(told.as_str()) && told.len() <= MAX_TEXT_BYTES);
    assert!(told.is_char_boundary(*position) && !reason.is_empty());
    let message = error.to_string();
    assert!(
        message.ends_with('^') && message.lines().count() >= 3,
        "{message}"
    );
}

fn compiled(text: &str, filter: &Filter, content: &[u8]) {
    let printed = filter.to_string();
    if printed.len() <= MAX_TEXT_BYTES {
        let again = Filter::compile(&printed).unwrap();
        assert_eq!(again.to_string(), printed, "{text}");
    }
    // It may be too long or too deep by that.
    let opposite = Filter::compile(&format!("NOT ({text})")).ok();
    let (half, rest) = content.split_at(content.len() / 2);
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for (key, first, second) in [
        (Some(content), Some(half), Some(rest)),
        (Some(half), Some(content), None),
        (None, None, Some(content)),
    ] {
        let headers = [("a", first), ("region", second), ("a", second)];
        let timestamp = content.len() as i64;
        builder
            .append(timestamp, key, None, headers.into_iter())
            .unwrap();
    }
    let batch = builder.finish().unwrap();
    let mut scratch = Vec::new();
    for record in Batch::check(&batch).unwrap().records(&mut scratch).unwrap() {
        let record = record.unwrap();
        let kept = filter.keeps("orders", 3, &record);
        let opposite = opposite.as_ref();
        assert!(
            !(kept && opposite.is_some_and(|not| not.keeps("orders", 3, &record))),
            "{text}"
        );
    }
}
