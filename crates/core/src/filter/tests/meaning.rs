//! What filters mean, by example.

use super::{Given, keeps};
use crate::filter::Filter;
use crate::filter::like::LikePattern;

fn given() -> Given {
    Given {
        timestamp: 1000,
        key: Some(b"o-17".to_vec()),
        headers: vec![
            ("region".to_owned(), Some(b"us".to_vec())),
            ("region".to_owned(), Some(b"eu".to_vec())),
            ("amount".to_owned(), Some(b"12.50".to_vec())),
            ("count".to_owned(), Some(b"0042".to_vec())),
            ("none".to_owned(), None),
            ("bad".to_owned(), Some(vec![b'a', 0xff])),
            ("content-type".to_owned(), Some(b"text/plain".to_vec())),
            ("dead.topic".to_owned(), Some(b"it's".to_vec())),
        ],
    }
}

/// Which of three each is: kept, its negation kept, or neither.
fn truth(text: &str) -> &'static str {
    let record = given();
    match (
        keeps(text, &record),
        keeps(&format!("NOT ({text})"), &record),
    ) {
        (true, false) => "true",
        (false, true) => "false",
        (false, false) => "unknown",
        (true, true) => "both",
    }
}

#[test]
fn fields_are_compared_as_what_they_are() {
    for text in [
        "key = 'o-17'",
        "key <> 'o-18'",
        "key >= 'o-1' AND key < 'o-2'",
        "topic = 'orders'",
        "partition = 3",
        "offset = 0",
        "timestamp BETWEEN 1000 AND 1000",
        "headers.region = 'eu'",
        "headers.\"content-type\" LIKE 'text/%'",
        "headers.dead.topic = 'it''s'",
        "key like 'o-%' and headers.x = 1 or Not False",
        "partition * 2 + 1 = 7",
        "2 + 3 * 4 = 14 AND (2 + 3) * 4 = 20",
        "timestamp / 3 = 333",
        "timestamp / 3.0 > 333",
        "- partition = -3 AND -(-3) = 3 AND +partition = 3",
        "partition IN (1, 2.0, 3.0)",
        "key IN ('a', 'o-17')",
        "'a' < 'b'",
        "1 = 1.0",
        "9223372036854775807 > 9223372036854775806",
        "-9223372036854775808 < 0",
        ".5 + 5.e-1 = 1.",
    ] {
        assert_eq!(truth(text), "true", "{text}");
    }
}

#[test]
fn text_is_read_as_a_number_beside_one_and_only_there() {
    for (text, expected) in [
        ("headers.amount > 12", "true"),
        ("headers.amount = 12.5", "true"),
        ("headers.amount = '12.5'", "false"),
        ("headers.count = 42", "true"),
        ("headers.count + 1 = 43", "true"),
        ("headers.amount * headers.count = 525", "true"),
        ("headers.amount < headers.count", "false"),
        ("headers.region > 1", "unknown"),
        ("headers.amount IN (12.5)", "true"),
        ("headers.amount BETWEEN 12 AND 13", "true"),
        ("+headers.count = 42", "true"),
        ("key = 17", "unknown"),
    ] {
        assert_eq!(truth(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_there_is_unknown_and_null() {
    for (text, expected) in [
        ("headers.missing = 'a'", "unknown"),
        ("headers.missing <> 'a'", "unknown"),
        ("headers.none = 'a'", "unknown"),
        ("headers.missing IS NULL", "true"),
        ("headers.none IS NULL", "true"),
        ("headers.none IS NOT NULL", "false"),
        ("offset IS NULL", "false"),
        ("headers.missing LIKE '%'", "unknown"),
        ("headers.missing NOT IN ('a')", "unknown"),
        ("headers.missing BETWEEN 'a' AND 'b'", "unknown"),
        ("key BETWEEN headers.missing AND 'a'", "false"),
        ("key BETWEEN headers.missing AND 'p'", "unknown"),
        ("headers.missing + 1 > 0", "unknown"),
        ("1 / 0 = 1", "unknown"),
        ("1 / 0.0 = 1", "unknown"),
        ("9223372036854775807 + 1 > 0", "unknown"),
        ("-9223372036854775808 / -1 > 0", "unknown"),
        ("-(-9223372036854775808) > 0", "unknown"),
        ("1e308 * 10 > 0", "unknown"),
    ] {
        assert_eq!(truth(text), expected, "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_there_and_equal_to_nothing() {
    for (text, expected) in [
        ("headers.bad IS NULL", "false"),
        ("headers.bad = 'a'", "unknown"),
        ("headers.bad LIKE '%'", "unknown"),
        ("headers.bad = headers.bad", "unknown"),
    ] {
        assert_eq!(truth(text), expected, "{text}");
    }
}

#[test]
fn logic_has_three_values() {
    let values = [("TRUE", 2), ("FALSE", 0), ("headers.missing = 'a'", 1)];
    let name = ["false", "unknown", "true"];
    for (left, l) in values {
        assert_eq!(truth(&format!("NOT {left}")), name[2 - l]);
        for (right, r) in values {
            assert_eq!(truth(&format!("{left} AND {right}")), name[l.min(r)]);
            assert_eq!(truth(&format!("{left} OR {right}")), name[l.max(r)]);
        }
    }
}

#[test]
fn and_binds_more_tightly_than_or_and_not_more_than_both() {
    assert_eq!(truth("TRUE OR TRUE AND FALSE"), "true");
    assert_eq!(truth("(TRUE OR TRUE) AND FALSE"), "false");
    assert_eq!(truth("NOT FALSE AND FALSE"), "false");
    assert_eq!(truth("NOT (FALSE AND FALSE)"), "true");
    assert_eq!(truth("NOT key = 'a' AND NOT NOT TRUE"), "true");
}

#[test]
fn like_takes_all_of_the_text() {
    for (pattern, escape, text, expected) in [
        ("", None, "", true),
        ("", None, "a", false),
        ("%", None, "", true),
        ("_", None, "é", true),
        ("_", None, "", false),
        ("_", None, "ab", false),
        ("o-%", None, "o-1", true),
        ("o-%", None, "x-o-1", false),
        ("%-1", None, "o-1", true),
        ("ab%ba", None, "aba", false),
        ("ab%ba", None, "abba", true),
        ("%a%b%c%", None, "xxaxbxcx", true),
        ("%a%b%c%", None, "xxcxbxax", false),
        ("%a_c%", None, "ababc abc", true),
        ("%_a_%_b", None, "xaxxb", true),
        ("_%_", None, "a", false),
        ("_%_", None, "ab", true),
        ("a!%b", Some('!'), "a%b", true),
        ("a!%b", Some('!'), "axb", false),
        ("!!!_", Some('!'), "!_", true),
        ("%%", Some('%'), "%", true),
        ("A", None, "a", false),
        ("a\nb%", None, "a\nbc", true),
    ] {
        let compiled = LikePattern::new(pattern, escape).unwrap();
        assert_eq!(compiled.matches(text), expected, "{pattern} of {text}");
    }
}

#[test]
fn a_part_may_be_longer_than_a_word_of_bits() {
    let part = format!("{}_{}", "a".repeat(70), "b".repeat(70));
    let pattern = LikePattern::new(&format!("%{part}%"), None).unwrap();
    let fits = format!("x{}a{}c", "a".repeat(75), "b".repeat(80));
    assert!(pattern.matches(&fits));
    assert!(!pattern.matches(&fits.replace(&"b".repeat(70), &"d".repeat(70))));
    assert!(!pattern.matches(&"a".repeat(1000)));
}

#[test]
fn no_pattern_makes_a_match_slow() {
    // Backtracking would need more than the age of the universe for these.
    let text = "a".repeat(200_000);
    for part in ["a%", "a_%", "_a%"] {
        let pattern = format!("%{}b%", part.repeat(30));
        assert!(!LikePattern::new(&pattern, None).unwrap().matches(&text));
    }
    let begun = std::time::Instant::now();
    let longest = format!("%{}_b%", "a".repeat(4000));
    assert!(!LikePattern::new(&longest, None).unwrap().matches(&text));
    assert!(begun.elapsed().as_secs() < 30);
}

#[test]
fn a_filter_prints_itself_with_what_is_needed() {
    for (given, printed) in [
        ("((key='a'))", "key = 'a'"),
        ("not(TRUE)", "NOT TRUE"),
        (
            "key='a' and(key='b' or TRUE)",
            "key = 'a' AND (key = 'b' OR TRUE)",
        ),
        ("(TRUE and FALSE) or TRUE", "TRUE AND FALSE OR TRUE"),
        ("(1+2)-(3-4)=+5", "(1 + 2) - (3 - 4) = 5"),
        ("headers.a.b is not null", "headers.\"a.b\" IS NOT NULL"),
    ] {
        assert_eq!(Filter::compile(given).unwrap().to_string(), printed);
    }
}
