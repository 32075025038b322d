//! `LIKE` patterns: `%` stands for any text, `_` for one character. Matched in one pass, whatever the pattern: the
//! parts between the `%` are looked for one after the other, each at the first place where it fits, and what is found
//! is never looked at again.

use std::collections::HashMap;

/// A pattern, compiled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LikePattern {
    /// What the text begins with.
    start: Part,
    /// What follows in any distance, and what the text ends with; without a `%`, the text ends with the start.
    rest: Option<(Vec<Search>, Part)>,
}

/// What stands between two `%`.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(Box<str>),
    /// Characters, and none for each `_`.
    Characters(Box<[Option<char>]>),
}

/// A part to be looked for.
#[derive(Debug, Clone, PartialEq)]
enum Search {
    Literal(Box<str>),
    Characters(Automaton),
}

/// Looks for characters of which some may be any: after each character of the text, bit `i` says that the part up to
/// its character `i` ends here (Baeza-Yates and Gonnet's Shift-And).
#[derive(Debug, Clone, PartialEq)]
struct Automaton {
    /// Where the `_` are.
    any: Box<[u64]>,
    /// Where each character is, and the `_`.
    places: HashMap<char, Box<[u64]>>,
    last: usize,
}

/// Words that the longest part needs: a filter's text is shorter than that in characters.
const WORDS: usize = super::MAX_TEXT_BYTES.div_ceil(64);

impl LikePattern {
    /// # Errors
    /// The index of the character that an escape stands before and must not.
    pub fn new(pattern: &str, escape: Option<char>) -> Result<LikePattern, usize> {
        let mut parts = vec![Vec::new()];
        let mut characters = pattern.chars().enumerate();
        while let Some((index, c)) = characters.next() {
            let unit = if Some(c) == escape {
                match characters.next() {
                    Some((_, next)) if matches!(next, '%' | '_') || Some(next) == escape => {
                        Some(next)
                    }
                    _ => return Err(index),
                }
            } else if c == '%' {
                parts.push(Vec::new());
                continue;
            } else if c == '_' {
                None
            } else {
                Some(c)
            };
            if let Some(part) = parts.last_mut() {
                part.push(unit);
            }
        }
        let end = (parts.len() > 1).then(|| Part::new(parts.pop().unwrap_or_default()));
        let mut parts = parts.into_iter();
        let start = Part::new(parts.next().unwrap_or_default());
        let searches = parts.filter(|part| !part.is_empty()).map(Search::new);
        Ok(LikePattern {
            start,
            rest: end.map(|end| (searches.collect(), end)),
        })
    }

    pub fn matches(&self, text: &str) -> bool {
        self.remainder(text) == Some("")
    }

    /// What the pattern leaves of the text: nothing, if it is matched.
    fn remainder<'t>(&self, text: &'t str) -> Option<&'t str> {
        let text = self.start.strip_front(text)?;
        let Some((searches, end)) = &self.rest else {
            return Some(text);
        };
        let mut text = end.strip_back(text)?;
        for search in searches {
            text = search.behind(text)?;
        }
        Some("")
    }
}

impl Part {
    fn new(units: Vec<Option<char>>) -> Part {
        match units.iter().copied().collect::<Option<String>>() {
            Some(literal) => Part::Literal(literal.into()),
            None => Part::Characters(units.into()),
        }
    }

    fn strip_front<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Part::Literal(literal) => text.strip_prefix(&**literal),
            Part::Characters(units) => {
                let mut characters = text.chars();
                let fits = units.iter().all(|unit| fits(*unit, characters.next()));
                fits.then_some(characters.as_str())
            }
        }
    }

    fn strip_back<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Part::Literal(literal) => text.strip_suffix(&**literal),
            Part::Characters(units) => {
                let mut characters = text.chars();
                let fits = units
                    .iter()
                    .rev()
                    .all(|unit| fits(*unit, characters.next_back()));
                fits.then_some(characters.as_str())
            }
        }
    }
}

fn fits(unit: Option<char>, character: Option<char>) -> bool {
    character.is_some() && (unit.is_none() || unit == character)
}

impl Search {
    fn new(units: Vec<Option<char>>) -> Search {
        match Part::new(units) {
            Part::Literal(literal) => Search::Literal(literal),
            Part::Characters(units) => Search::Characters(Automaton::new(&units)),
        }
    }

    /// What follows the first place where it fits.
    fn behind<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            // The standard library's search takes linear time.
            Search::Literal(literal) => text
                .find(&**literal)
                .and_then(|at| text.get(at + literal.len()..)),
            Search::Characters(automaton) => automaton.behind(text),
        }
    }
}

impl Automaton {
    fn new(units: &[Option<char>]) -> Automaton {
        let mut any = vec![0; units.len().div_ceil(64)].into_boxed_slice();
        for (i, _) in units.iter().enumerate().filter(|(_, unit)| unit.is_none()) {
            set(&mut any, i);
        }
        let mut places = HashMap::new();
        for (i, unit) in units.iter().enumerate() {
            if let Some(c) = unit {
                set(places.entry(*c).or_insert_with(|| any.clone()), i);
            }
        }
        Automaton {
            any,
            places,
            last: units.len() - 1,
        }
    }

    fn behind<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut state = [0_u64; WORDS];
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            let places = self.places.get(&c).unwrap_or(&self.any);
            // One begins at each character.
            let mut carry = 1;
            for (word, places) in state.iter_mut().zip(places) {
                let next = *word >> 63;
                *word = (*word << 1 | carry) & places;
                carry = next;
            }
            if state
                .get(self.last / 64)
                .is_some_and(|word| word >> (self.last % 64) & 1 == 1)
            {
                return Some(characters.as_str());
            }
        }
        None
    }
}

fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}
