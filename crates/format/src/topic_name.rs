//! Which names topics may have: Kafka's rules, and one of Tidelog's own for file systems that do not tell
//! upper from lower case.

use crate::limits::MAX_TOPIC_NAME;

/// A name that no topic can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} can't be a topic's name: {reason}")]
pub struct TopicNameError {
    /// The name, cut to 250 characters.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Checks a name: 1 to 249 of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`, and neither `.` nor `..`.
///
/// # Errors
/// [`TopicNameError`].
pub fn validate(name: &str) -> Result<(), TopicNameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let reason = if name.is_empty() {
        "it is empty; give it at least one letter"
    } else if name == "." || name == ".." {
        "it names a folder; choose another"
    } else if !name.bytes().all(allowed) {
        "it may hold only letters from a to z, digits, '.', '_' and '-'"
    } else if name.len() > MAX_TOPIC_NAME {
        "it has more than 249 characters; choose a shorter one"
    } else {
        return Ok(());
    };
    Err(TopicNameError {
        name: name.chars().take(MAX_TOPIC_NAME + 1).collect(),
        reason,
    })
}

/// Checks the name of a topic that is to be made: [`validate`], and that a file of this name can be copied to Windows.
/// Topics that are there, or are taken over from Kafka, may have others.
///
/// # Errors
/// [`TopicNameError`].
pub fn validate_new(name: &str) -> Result<(), TopicNameError> {
    validate(name)?;
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = |device: &str| {
        let number = stem.get(device.len()..).filter(|_| {
            stem.get(..device.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(device))
        });
        number.is_some_and(|number| matches!(number.as_bytes(), [b'1'..=b'9']))
    };
    let is_device = ["con", "prn", "aux", "nul"]
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device));
    let reason = if is_device || numbered("com") || numbered("lpt") {
        "Windows keeps that name for a device, so the store could not be copied there"
    } else if name.ends_with('.') {
        "it ends with a dot, which Windows leaves out, so the store could not be copied there"
    } else {
        return Ok(());
    };
    Err(TopicNameError {
        name: name.to_owned(),
        reason,
    })
}

/// Whether two names are too alike for one store: the same but for upper and lower case, and for `.` and
/// `_`, which Kafka folds into one in the names of its metrics.
pub fn collides(a: &str, b: &str) -> bool {
    let fold = |byte: u8| {
        if byte == b'.' {
            b'_'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    a.len() == b.len() && a.bytes().map(fold).eq(b.bytes().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kafkas_rules() {
        for good in [
            "a",
            "orders",
            "A.b_c-9",
            "...",
            "-",
            "__consumer_offsets",
            ".hidden",
        ] {
            assert_eq!(validate(good), Ok(()), "{good}");
        }
        for bad in [
            "", ".", "..", "a/b", "a b", "a\0", "ä", "a:b", "a\n", "a\\b", "a,b", "ſ",
        ] {
            assert!(validate(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn new_names_can_be_copied_to_windows() {
        for good in [
            "console", "com", "com10", "com0", "nul-1", "a.con", "lpt", "..a", ".hidden",
        ] {
            assert_eq!(validate_new(good), Ok(()), "{good}");
        }
        for bad in [
            "CON", "con", "nul.txt", "Aux", "prn.a.b", "COM1", "lpt9.x", "a.", "...",
        ] {
            assert_eq!(validate(bad), Ok(()), "{bad}");
            assert!(validate_new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn longest_name() {
        assert!(validate(&"a".repeat(248)).is_ok());
        assert!(validate(&"a".repeat(249)).is_ok());
        let error = validate(&"a".repeat(250)).unwrap_err();
        assert_eq!(
            error.reason,
            "it has more than 249 characters; choose a shorter one"
        );
        assert_eq!(
            validate(&"é".repeat(1 << 20))
                .unwrap_err()
                .name
                .chars()
                .count(),
            250
        );
    }

    #[test]
    fn alike_names_collide() {
        assert!(collides("a.b", "a_b") && collides("Orders", "oRDERS") && collides("x", "x"));
        assert!(!collides("a-b", "a_b") && !collides("ab", "abc") && !collides("ab", "ac"));
    }

    proptest! {
        #[test]
        fn any_text(name in ".{0,300}", other in ".{0,20}") {
            let characters = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            let good = characters && (1..=249).contains(&name.len()) && name != "." && name != "..";
            prop_assert_eq!(validate(&name).is_ok(), good);
            prop_assert_eq!(collides(&name, &other), collides(&other, &name));
            prop_assert!(collides(&name, &name));
        }
    }
}
