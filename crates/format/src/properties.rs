//! Small text files of keys and values, as Java's `.properties`: `meta.properties`, `partition.metadata` and
//! the files of topics. Lines `key=value` or `key: value`, comments after `#` or `!`, escapes with a
//! backslash. Not taken: values that go on in the next line, keys without a separator, and a key twice.

use std::iter::Peekable;
use std::str::Chars;

/// Keys and values in the order in which they were set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    entries: Vec<(String, String)>,
}

/// Why text is not taken for properties.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct PropertiesError {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Properties {
    /// Reads a whole text.
    ///
    /// # Errors
    /// [`PropertiesError`].
    pub fn parse(text: &str) -> Result<Properties, PropertiesError> {
        let mut properties = Properties::default();
        for (index, line) in text.lines().enumerate() {
            let failed = |reason| PropertiesError {
                line: index + 1,
                reason,
            };
            let Some((key, value)) = parse_line(line).map_err(failed)? else {
                continue;
            };
            if properties.get(&key).is_some() {
                return Err(failed("the key was there before"));
            }
            properties.entries.push((key, value));
        }
        Ok(properties)
    }

    /// A key's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|(found, _)| found == key)
            .map(|(_, value)| value.as_str())
    }

    /// Sets a key's value, in the place of the old one if there is any.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        match self.entries.iter_mut().find(|(found, _)| found == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key.to_owned(), value)),
        }
    }

    /// All keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The text, which gives the same properties when it is parsed.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.entries {
            escape(key, true, &mut text);
            text.push('=');
            escape(value, false, &mut text);
            text.push('\n');
        }
        text
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

fn parse_line(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let line = line.trim_start_matches(is_blank);
    if line.is_empty() || line.starts_with(['#', '!']) {
        return Ok(None);
    }
    let mut rest = line.chars().peekable();
    let key = unescape(&mut rest, |c| is_blank(c) || matches!(c, '=' | ':'))?;
    skip_blanks(&mut rest);
    if !matches!(rest.next(), Some('=' | ':')) {
        return Err("there is no '=' after the key");
    }
    skip_blanks(&mut rest);
    let value = unescape(&mut rest, |_| false)?;
    Ok(Some((key, value)))
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| is_blank(*c)).is_some() {}
}

/// Reads up to a character that ends the text, which is left.
fn unescape(
    rest: &mut Peekable<Chars<'_>>,
    ends: impl Fn(char) -> bool,
) -> Result<String, &'static str> {
    let mut text = String::new();
    while let Some(c) = rest.next_if(|c| !ends(*c)) {
        let c = match c {
            '\\' => match rest
                .next()
                .ok_or("a line that goes on in the next one is not supported")?
            {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'f' => '\x0c',
                'u' => code_point(rest)?,
                other => other,
            },
            '\r' => return Err("there is a carriage return in it"),
            other => other,
        };
        text.push(c);
    }
    Ok(text)
}

/// Four hexadecimal digits of UTF-16, or two times four for characters beyond them.
fn code_point(rest: &mut Peekable<Chars<'_>>) -> Result<char, &'static str> {
    const BAD: &str = "\\u needs four hexadecimal digits of a character";
    let mut unit = || -> Result<u16, &'static str> {
        (0..4).try_fold(0, |number, _| {
            let digit = rest.next().and_then(|c| c.to_digit(16)).ok_or(BAD)?;
            Ok(number << 4 | digit as u16)
        })
    };
    let first = unit()?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Ok(c);
    }
    if rest.next() != Some('\\') || rest.next() != Some('u') {
        return Err(BAD);
    }
    let mut unit = || -> Result<u16, &'static str> {
        (0..4).try_fold(0, |number, _| {
            let digit = rest.next().and_then(|c| c.to_digit(16)).ok_or(BAD)?;
            Ok(number << 4 | digit as u16)
        })
    };
    char::decode_utf16([first, unit()?])
        .next()
        .and_then(Result::ok)
        .ok_or(BAD)
}

fn escape(text: &str, is_key: bool, out: &mut String) {
    let mut leading = true;
    for c in text.chars() {
        let separator = is_key && matches!(c, '=' | ':' | '#' | '!');
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c == '\\' || separator || is_blank(c) && (is_key || leading) => {
                out.push('\\');
                out.push(if c == '\t' {
                    't'
                } else if c == '\x0c' {
                    'f'
                } else {
                    c
                });
            }
            c => out.push(c),
        }
        leading = leading && is_blank(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        Properties::parse(text).unwrap().entries
    }

    #[test]
    fn a_kafka_brokers_files() {
        let meta = "#\n#Fri Feb 02 10:00:00 UTC 2024\nnode.id=1\ndirectory.id=aB-c_==\nversion=1\ncluster.id=x\\:y\n";
        let properties = Properties::parse(meta).unwrap();
        assert_eq!(properties.get("node.id"), Some("1"));
        assert_eq!(properties.get("directory.id"), Some("aB-c_=="));
        assert_eq!(properties.get("cluster.id"), Some("x:y"));
        assert_eq!(properties.get("node"), None);
        let metadata = Properties::parse("version: 0\ntopic_id: MkTLxF8jRNGmB7LNcqrsow").unwrap();
        assert_eq!(metadata.get("topic_id"), Some("MkTLxF8jRNGmB7LNcqrsow"));
    }

    #[test]
    fn blanks_comments_and_escapes() {
        let text = " a = 1 \r\n\n! no\n\\#b\\ c:=\\u00e9\\ud83d\\ude00\\t\\q\n";
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(parsed(text), [pair("a", "1 "), pair("#b c", "=é😀\tq")]);
    }

    #[test]
    fn what_is_not_taken_names_its_line() {
        for (text, line) in [
            ("a", 1),
            ("a=1\nb c", 2),
            ("a=1\n\na=2", 3),
            ("a=x\\", 1),
            ("a=\\u12", 1),
            ("a=\\ud800", 1),
            ("a=\\ude00\\ud83d", 1),
            ("a=x\ry", 1),
        ] {
            assert_eq!(Properties::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn set_keeps_the_order() {
        let mut properties = Properties::default();
        properties.set("b", "1");
        properties.set("a", "x\ny = z".to_owned());
        properties.set("b", "2");
        assert_eq!(properties.to_text(), "b=2\na=x\\ny = z\n");
        assert_eq!(
            properties.iter().collect::<Vec<_>>(),
            [("b", "2"), ("a", "x\ny = z")]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn round_trip(entries in proptest::collection::hash_map("[ a-c=:#!\\\\\n\r\t\x0cé]{0,6}", "(?s)[ a:=#!\\\\\n\r\t\x0c]{0,6}.{0,4}", 0..5)) {
            let mut properties = Properties::default();
            for (key, value) in entries {
                properties.set(&key, value);
            }
            prop_assert_eq!(Properties::parse(&properties.to_text()), Ok(properties));
        }

        #[test]
        fn any_text(text in "(?s)([ a-c=:#!\\\\u0-9df\n\r\t]|.){0,40}") {
            if let Ok(properties) = Properties::parse(&text) {
                prop_assert_eq!(Properties::parse(&properties.to_text()), Ok(properties));
            }
        }
    }
}
