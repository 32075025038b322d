//! From a filter's text to its words, names, texts, numbers and signs, each with the byte at which it begins.

use super::Flaw;
use super::number::scan;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A word of the language, in any case.
    Keyword(Keyword),
    /// Any other name.
    Name(String),
    /// `headers.NAME`.
    Header(String),
    /// What stood in single quotes.
    Text(String),
    /// Without a sign, so that the smallest number of 64 bits can be written.
    Integer(u64),
    /// Finite.
    Float(f64),
    Sign(&'static str),
    End,
}

macro_rules! keywords {
    ($($name:ident $text:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Keyword {
            $($name,)*
        }

        impl Keyword {
            fn of(word: &str) -> Option<Keyword> {
                $(if word.eq_ignore_ascii_case($text) {
                    return Some(Keyword::$name);
                })*
                None
            }
        }
    };
}

keywords! {
    And "AND",
    Or "OR",
    Not "NOT",
    Between "BETWEEN",
    In "IN",
    Like "LIKE",
    Escape "ESCAPE",
    Is "IS",
    Null "NULL",
    True "TRUE",
    False "FALSE",
}

/// Longer ones first.
const SIGNS: [&str; 13] = [
    "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "+", "-", "*", "/",
];

/// The tokens of a text, the last one `End`.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Lexer<'t> {
        Lexer { text, at: 0 }
    }

    /// The next token, and where it begins.
    pub fn next(&mut self) -> Result<(Token, usize), Flaw> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        Ok((self.token()?, start))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self) -> Result<Token, Flaw> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        // "--" before a space; before a value it is two signs.
        let line = rest.strip_prefix("--");
        if line.is_some_and(|text| text.trim_start() != text || text.is_empty())
            || rest.starts_with("/*")
        {
            return Err(self.flaw("comments are not taken; leave it out"));
        }
        if first == '\'' {
            return self.quoted('\'', "text").map(Token::Text);
        }
        if scan(rest.as_bytes()).is_some() {
            return self.number();
        }
        if is_name(first) {
            return self.word();
        }
        for (wrong, right) in [("!=", "<>"), ("==", "=")] {
            if rest.starts_with(wrong) {
                return Err(self.flaw(format!("there is no {wrong}; write {right}")));
            }
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        Err(self.flaw(match first {
            '"' => "text stands in single quotes; double ones are for names of headers".to_owned(),
            _ => format!("{first:?} means nothing here"),
        }))
    }

    fn number(&mut self) -> Result<Token, Flaw> {
        let rest = self.rest();
        let Some((len, is_integer)) = scan(rest.as_bytes()) else {
            return Err(self.flaw("a number is needed here"));
        };
        let digits = rest.get(..len).unwrap_or_default();
        let token = if is_integer {
            digits.parse().ok().map(Token::Integer)
        } else {
            let number: Option<f64> = digits.parse().ok();
            number.filter(|number| number.is_finite()).map(Token::Float)
        };
        let token = token.ok_or_else(|| self.flaw("the number is too large"))?;
        self.at += len;
        if self.rest().starts_with(is_name) {
            return Err(self.flaw("a number ends here; leave a space before what follows"));
        }
        Ok(token)
    }

    fn word(&mut self) -> Result<Token, Flaw> {
        let rest = self.rest();
        let word = name(rest);
        if word == "headers" && rest.get(word.len()..).is_some_and(|r| r.starts_with('.')) {
            self.at += word.len() + 1;
            return self.header().map(Token::Header);
        }
        self.at += word.len();
        Ok(Keyword::of(word).map_or_else(|| Token::Name(word.to_owned()), Token::Keyword))
    }

    /// A header's name: in double quotes, or parts with points between them.
    fn header(&mut self) -> Result<String, Flaw> {
        if self.rest().starts_with('"') {
            return self.quoted('"', "name");
        }
        let start = self.at;
        loop {
            let part = name(self.rest());
            if part.is_empty() {
                return Err(self.flaw(
                    "the name of a header is needed here; put one with other characters than letters, digits, _, $ and . in double quotes",
                ));
            }
            self.at += part.len();
            if !self.rest().starts_with('.') {
                return Ok(self.text.get(start..self.at).unwrap_or_default().to_owned());
            }
            self.at += 1;
        }
    }

    /// What stands in quotes; a quote within is doubled.
    fn quoted(&mut self, quote: char, what: &str) -> Result<String, Flaw> {
        let mut content = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = characters.next() {
            if c != quote {
                content.push(c);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                content.push(quote);
            } else {
                self.at += at + 1;
                return Ok(content);
            }
        }
        Err(self.flaw(format!(
            "the {what} that begins here has no end; close it with {quote}"
        )))
    }

    fn flaw(&self, reason: impl Into<String>) -> Flaw {
        Flaw::at(self.at, reason)
    }
}

/// The byte at which a character stands of the text in quotes that begins at `start`.
pub(super) fn position_in_text(source: &str, start: usize, index: usize) -> usize {
    let mut at = start + 1;
    for _ in 0..index {
        let rest = source.get(at..).unwrap_or_default();
        let doubled = rest.starts_with("''");
        at += rest.chars().next().map_or(0, char::len_utf8) + usize::from(doubled);
    }
    at
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn name(text: &str) -> &str {
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}
