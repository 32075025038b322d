//! On random filters and records: the program means what the naive evaluator says, a batch is skipped only if nothing in
//! it is kept, and a filter that is printed reads as the same one.

use proptest::collection::vec;
use proptest::prelude::*;
use tidelog_format::batch::{Batch, TimestampType, set_placement};

use super::generate::{condition, place_condition, record, text};
use super::naive::{Here, truth};
use super::{Given, batch};
use crate::filter::like::LikePattern;
use crate::filter::program::Node;
use crate::filter::syntax::Condition;
use crate::filter::{Evaluation, MAX_TEXT_BYTES, bounds::Bounds, parser::parse};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_program_means_what_the_tree_says(
        condition in condition(),
        records in vec(record(), 1..12),
        base in prop_oneof![0_u64..12, Just((1_u64 << 53) - 1)],
        partition in 0_u32..4,
        append_time in any::<bool>(),
    ) {
        check(&condition, &records, base, partition, append_time)?;
    }

    #[test]
    fn a_batch_is_passed_over_only_if_nothing_in_it_is_kept(
        condition in place_condition(),
        records in vec(record(), 1..5),
        base in 0_u64..12,
        partition in 0_u32..4,
        append_time in any::<bool>(),
    ) {
        check(&condition, &records, base, partition, append_time)?;
    }

    #[test]
    fn what_is_printed_reads_as_the_same(condition in condition()) {
        let text = condition.to_string();
        prop_assume!(text.len() <= MAX_TEXT_BYTES);
        prop_assert_eq!(parse(&text), Ok(condition), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(
        text in prop_oneof![text(), "[a-z'\"().,%<>=+*/ 0-9\\-]{0,40}", "\\PC{0,40}"],
    ) {
        if let Err(flaw) = parse(&text) {
            prop_assert!(text.is_char_boundary(flaw.position), "{:?} {:?}", text, flaw);
        }
    }

    #[test]
    fn like_is_what_it_is_tried_at_every_place(
        pattern in "[ab_%]{0,12}",
        text in "[ab]{0,40}",
    ) {
        let field = crate::filter::syntax::Field::Key;
        let like = Condition::Like { field, pattern: pattern.clone(), escape: None, negated: false };
        let given = Given { key: Some(text.clone().into_bytes()), ..Given::default() };
        check(&like, &[given], 0, 0, false)?;
        let compiled = LikePattern::new(&pattern, None);
        prop_assert!(compiled.is_ok());
    }
}

fn check(
    condition: &Condition,
    records: &[Given],
    base: u64,
    partition: u32,
    append_time: bool,
) -> Result<(), TestCaseError> {
    let timestamps = match append_time {
        true => TimestampType::LogAppendTime,
        false => TimestampType::CreateTime,
    };
    let mut bytes = batch(records, timestamps);
    set_placement(&mut bytes, base, 0).unwrap();
    let batch = Batch::check(&bytes).unwrap();
    let mut scratch = Vec::new();
    let records: Vec<_> = batch
        .records(&mut scratch)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let program = Node::new(condition);
    let evaluation = Evaluation::new(&program, "orders", partition);
    let mut some = false;
    for record in &records {
        let here = Here {
            topic: "orders",
            partition,
            record,
        };
        let expected = truth(condition, &here) == Some(true);
        prop_assert_eq!(
            evaluation.keeps(record),
            expected,
            "{} of {:?}",
            condition,
            record
        );
        some |= expected;
    }
    let may_keep = Bounds::of(batch.header(), "orders", partition).may_keep(&program);
    prop_assert!(may_keep || !some, "{} would be skipped", condition);
    Ok(())
}
