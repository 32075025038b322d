//! What is refused, and where it is said to be wrong.

use crate::Error;
use crate::filter::{Filter, MAX_DEPTH, MAX_LIST, MAX_TEXT_BYTES};

/// The place and the reason.
fn flaw(text: &str) -> (usize, String) {
    match Filter::compile(text) {
        Err(Error::InvalidFilter {
            position, reason, ..
        }) => (position, reason),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_error_points_at_its_character() {
    // The ^ stands before what is wrong.
    for (marked, reason) in [
        ("^", "a condition is needed"),
        ("   ^", "a condition is needed"),
        ("^key", "key is only a value"),
        ("^1 + 2", "only a value"),
        ("TRUE AND ^offset", "only a value"),
        ("NOT ^key", "only a value"),
        ("key = ^", "a value or a condition is needed"),
        ("key = ^AND", "a value or a condition"),
        ("key = 'a' ^key", "AND, OR or the end"),
        ("key = 'a' ^= 'b'", "AND, OR or the end"),
        ("^Key = 'a'", "there is no field Key"),
        ("^value = 'a'", "don't look into values"),
        ("^headers = 'a'", "needs the name"),
        ("headers.^ = 'a'", "the name of a header"),
        ("headers.a.^ = 'a'", "the name of a header"),
        ("headers.content-^type = 'a'", "there is no field type"),
        ("headers.^\"a = 1", "has no end"),
        ("key = ^'a", "has no end"),
        ("key = ^\"a\"", "single quotes"),
        ("key ^== 'a'", "write ="),
        ("key = 'a' ^-- b", "comments are not taken"),
        ("key = ^/* b */ 'a'", "comments are not taken"),
        ("^-- b", "comments are not taken"),
        ("offset = 5 ^--", "comments are not taken"),
        ("key ^!= 'a'", "write <>"),
        ("key = ^NULL", "IS NULL"),
        ("key IS ^'a'", "NULL is needed"),
        ("^1 IS NULL", "is no field"),
        ("key NOT ^= 'a'", "BETWEEN, IN or LIKE"),
        ("key IN ^'a'", "parentheses"),
        ("key IN (^)", "text in quotes or a number"),
        ("key IN ('a', ^1)", "either texts or numbers"),
        ("offset IN (1, ^'2')", "without quotes"),
        ("key IN ('a' ^'b')", "a comma"),
        ("offset IN (-^key)", "a number is needed"),
        ("offset = ^'5'", "without quotes"),
        ("^'5' < offset", "without quotes"),
        ("1 + ^'a' = 2", "without quotes"),
        ("^'a' * 2 = 2", "without quotes"),
        ("-^'a' = 2", "without quotes"),
        ("offset BETWEEN 1 AND ^'2'", "without quotes"),
        ("offset BETWEEN 1 ^OR 2", "AND and the upper end"),
        ("offset = ^TRUE", "TRUE and FALSE"),
        ("offset = ^(key = 'a')", "this is a condition"),
        ("^offset LIKE '1%'", "is a number"),
        ("^'abc' LIKE 'a%'", "is no field"),
        ("key LIKE ^key", "a pattern"),
        ("key LIKE 'a' ESCAPE ^''", "one character"),
        ("key LIKE 'a' ESCAPE ^'ab'", "one character"),
        ("key LIKE 'a''é^!b' ESCAPE '!'", "stands before"),
        ("key LIKE 'a^!' ESCAPE '!'", "stands before"),
        ("offset = ^9223372036854775808", "too large"),
        ("offset = -^9223372036854775809", "too large"),
        ("offset = ^99999999999999999999999", "too large"),
        ("offset = ^1e999", "too large"),
        ("offset = 5^a", "a number ends here"),
        ("(key = 'a'^", "AND, OR or a )"),
        ("key = 'a'^)", "AND, OR or the end"),
        ("key = 'é😀' ^;", "means nothing"),
    ] {
        let position = marked.find('^').unwrap();
        let (found, why) = flaw(&marked.replacen('^', "", 1));
        assert_eq!(found, position, "{marked}: {why}");
        assert!(why.contains(reason), "{marked}: {why}");
    }
}

#[test]
fn what_is_too_much_is_refused_and_what_is_just_enough_is_not() {
    let nested = |depth| format!("{}TRUE{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::compile(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(flaw(&nested(MAX_DEPTH + 1)).0, MAX_DEPTH);
    let negated = |depth| format!("{}TRUE", "NOT ".repeat(depth));
    assert!(Filter::compile(&negated(MAX_DEPTH)).is_ok());
    assert_eq!(flaw(&negated(MAX_DEPTH + 1)).0, MAX_DEPTH * 4);
    let signed = |depth| format!("{}offset = 0", "-".repeat(depth));
    assert!(Filter::compile(&signed(MAX_DEPTH)).is_ok());
    assert_eq!(flaw(&signed(MAX_DEPTH + 1)).0, MAX_DEPTH);
    // Siblings are not nested.
    assert!(Filter::compile(&vec!["(TRUE)"; 200].join(" AND ")).is_ok());

    let list = |length| format!("offset IN ({})", vec!["1"; length].join(","));
    assert!(Filter::compile(&list(MAX_LIST)).is_ok());
    assert_eq!(
        flaw(&list(MAX_LIST + 1)).0,
        "offset IN (".len() + MAX_LIST * 2
    );

    let long = |bytes: usize| format!("key = '{}'", "a".repeat(bytes - 8));
    assert!(Filter::compile(&long(MAX_TEXT_BYTES)).is_ok());
    assert_eq!(flaw(&long(MAX_TEXT_BYTES + 1)).0, MAX_TEXT_BYTES);
    let wide = format!("key = '{}'", "é".repeat(MAX_TEXT_BYTES / 2));
    assert_eq!(flaw(&wide).0, MAX_TEXT_BYTES - 1);
}

#[test]
fn the_message_shows_the_place() {
    let message = |text: &str| Filter::compile(text).unwrap_err().to_string();
    assert_eq!(
        message("headers.région = 'eu'\nAND size > 1"),
        "the filter is wrong at character 27: there is no field size; there are key, topic, partition, offset, \
         timestamp, headers.NAME and headers.\"any name\"\n  headers.région = 'eu' AND size > 1\n  \
         \u{20}                         ^"
    );
    let long = format!(
        "{} AND key ? 1 {}",
        vec!["TRUE"; 30].join(" AND "),
        "x".repeat(90)
    );
    let message = message(&long);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1].starts_with("  …") && lines[1].ends_with('…'),
        "{message}"
    );
    let caret = lines[2].chars().count() - 1;
    assert_eq!(lines[1].chars().nth(caret), Some('?'), "{message}");
}

#[test]
fn it_is_no_use_to_try_again() {
    let error = Filter::compile("").unwrap_err();
    assert_eq!(error.code(), "ERR_TIDELOG_INVALID_FILTER");
    assert!(!error.retriable() && !error.indefinite());
}
