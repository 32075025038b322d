//! A place in a filter's text, as people see it: the text around it, and a mark below.

/// Characters that are shown before and behind the place.
const AROUND: usize = 40;

/// Two lines: what stands around a byte of a text, and a caret under its character.
pub(crate) fn excerpt(text: &str, position: usize) -> String {
    let (before, behind) = text.split_at_checked(position).unwrap_or((text, ""));
    let cut = before.chars().count().saturating_sub(AROUND);
    let mut line = String::new();
    if cut > 0 {
        line.push('…');
    }
    line.extend(before.chars().skip(cut).map(shown));
    let caret = " ".repeat(line.chars().count());
    line.extend(behind.chars().take(AROUND).map(shown));
    if behind.chars().nth(AROUND).is_some() {
        line.push('…');
    }
    format!("  {line}\n  {caret}^")
}

/// On one line, whatever it is.
fn shown(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
