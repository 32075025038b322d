//! From a filter's text to its tree, by recursive descent. What can't mean anything is refused here, with the place:
//! a value where a condition is needed, or a text in quotes beside a number.

use super::lexer::{Keyword, Lexer, Token, position_in_text};
use super::like::LikePattern;
use super::syntax::{Addition, Comparison, Condition, Field, Kind, List, Multiplication, Value};
use super::{Flaw, MAX_DEPTH, MAX_LIST};

type Parsed<T> = Result<T, Flaw>;

/// Reads a whole text.
pub(super) fn parse(text: &str) -> Parsed<Condition> {
    let mut parser = Parser::new(text)?;
    if parser.token == Token::End {
        return Err(parser.unexpected("a condition is needed, such as key = 'a'"));
    }
    let condition = parser.any().and_then(Expression::condition)?;
    match parser.token {
        Token::End => Ok(condition),
        _ => Err(parser.unexpected("AND, OR or the end is needed here")),
    }
}

/// What stands somewhere, before it is known what is needed there.
struct Expression {
    content: Content,
    start: usize,
}

enum Content {
    Condition(Condition),
    Value(Value),
}

impl Expression {
    fn condition(self) -> Parsed<Condition> {
        match self.content {
            Content::Condition(condition) => Ok(condition),
            Content::Value(value) => {
                let reason = format!("a condition is needed here, and {value} is only a value");
                Err(Flaw::at(self.start, reason))
            }
        }
    }

    fn value(self) -> Parsed<Operand> {
        let Expression { content, start } = self;
        match content {
            Content::Value(value) => Ok(Operand { value, start }),
            Content::Condition(Condition::Constant(_)) => Err(Flaw::at(
                start,
                "TRUE and FALSE are conditions, and no values; what headers hold is text: write 'true'",
            )),
            Content::Condition(_) => {
                let reason = "a value is needed here, and this is a condition";
                Err(Flaw::at(start, reason))
            }
        }
    }
}

/// A value, and where it begins.
struct Operand {
    value: Value,
    start: usize,
}

impl Operand {
    /// Two that are compared must both be text, or both be numbers; the text of a field may be read as one.
    fn check_beside(&self, other: &Operand) -> Parsed<()> {
        match (self.value.kind(), other.value.kind()) {
            (Kind::Number, Kind::Text) => other.check_number(),
            (Kind::Text, Kind::Number) => self.check_number(),
            _ => Ok(()),
        }
    }

    fn check_number(&self) -> Parsed<()> {
        if self.value.kind() != Kind::Text {
            return Ok(());
        }
        let reason = "a number is needed here, and this is text; write it without quotes";
        Err(Flaw::at(self.start, reason))
    }

    fn field(self, why: &str) -> Parsed<Field> {
        match self.value {
            Value::Field(field) => Ok(field),
            value => {
                let reason = format!("{value} is no field; {why}");
                Err(Flaw::at(self.start, reason))
            }
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    token: Token,
    start: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parsed<Parser<'t>> {
        let mut lexer = Lexer::new(text);
        let (token, start) = lexer.next()?;
        Ok(Parser {
            text,
            lexer,
            token,
            start,
            depth: 0,
        })
    }

    fn any(&mut self) -> Parsed<Expression> {
        self.joined(Keyword::Or, Condition::Or, |parser| {
            parser.joined(Keyword::And, Condition::And, Parser::not)
        })
    }

    /// Conditions with the word between them; a single expression as it is.
    fn joined(
        &mut self,
        between: Keyword,
        join: fn(Vec<Condition>) -> Condition,
        mut one: impl FnMut(&mut Self) -> Parsed<Expression>,
    ) -> Parsed<Expression> {
        let first = one(self)?;
        if self.token != Token::Keyword(between) {
            return Ok(first);
        }
        let start = first.start;
        let mut conditions = vec![first.condition()?];
        while self.takes(between)? {
            conditions.push(one(self)?.condition()?);
        }
        Ok(condition(start, join(conditions)))
    }

    fn not(&mut self) -> Parsed<Expression> {
        let start = self.start;
        if !self.takes(Keyword::Not)? {
            return self.predicate();
        }
        let inner = self.deeper(start, Parser::not)?.condition()?;
        Ok(condition(start, Condition::Not(Box::new(inner))))
    }

    fn predicate(&mut self) -> Parsed<Expression> {
        let expression = self.sum()?;
        let start = expression.start;
        if let Some(comparison) = self.comparison() {
            self.advance()?;
            let left = expression.value()?;
            let right = self.sum()?.value()?;
            left.check_beside(&right)?;
            let (left, right) = (left.value, right.value);
            return Ok(condition(
                start,
                Condition::Compare {
                    left,
                    comparison,
                    right,
                },
            ));
        }
        if self.token == Token::Keyword(Keyword::Is) {
            return self.is_null(expression.value()?);
        }
        let negated = self.token == Token::Keyword(Keyword::Not);
        if negated {
            self.advance()?;
        }
        match self.token {
            Token::Keyword(Keyword::Between) => self.between(expression.value()?, negated),
            Token::Keyword(Keyword::In) => self.list(expression.value()?, negated),
            Token::Keyword(Keyword::Like) => self.like(expression.value()?, negated),
            _ if negated => Err(self.unexpected("BETWEEN, IN or LIKE is needed here")),
            _ => Ok(expression),
        }
    }

    fn comparison(&self) -> Option<Comparison> {
        let Token::Sign(sign) = self.token else {
            return None;
        };
        Some(match sign {
            "=" => Comparison::Equal,
            "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        })
    }

    fn is_null(&mut self, operand: Operand) -> Parsed<Expression> {
        self.advance()?;
        let negated = self.takes(Keyword::Not)?;
        if !self.takes(Keyword::Null)? {
            return Err(self.unexpected("NULL is needed here"));
        }
        let start = operand.start;
        let field = operand.field("IS NULL asks whether a field is there")?;
        Ok(condition(start, Condition::IsNull { field, negated }))
    }

    fn between(&mut self, operand: Operand, negated: bool) -> Parsed<Expression> {
        self.advance()?;
        let low = self.sum()?.value()?;
        operand.check_beside(&low)?;
        if !self.takes(Keyword::And)? {
            return Err(self.unexpected("AND and the upper end are needed here"));
        }
        let high = self.sum()?.value()?;
        operand.check_beside(&high)?;
        Ok(condition(
            operand.start,
            Condition::Between {
                value: operand.value,
                low: low.value,
                high: high.value,
                negated,
            },
        ))
    }

    fn list(&mut self, operand: Operand, negated: bool) -> Parsed<Expression> {
        self.advance()?;
        self.expect("(", "a list in parentheses is needed here")?;
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        loop {
            let item = self.item()?;
            operand.check_beside(&item)?;
            if texts.len() + numbers.len() == MAX_LIST {
                let reason = format!("a list has {MAX_LIST} values at most");
                return Err(Flaw::at(item.start, reason));
            }
            let start = item.start;
            match item.value {
                Value::Text(text) => texts.push(text),
                number => numbers.push(number),
            }
            if !texts.is_empty() && !numbers.is_empty() {
                let reason = "a list holds either texts or numbers";
                return Err(Flaw::at(start, reason));
            }
            if self.token != Token::Sign(",") {
                break;
            }
            self.advance()?;
        }
        self.expect(")", "a comma or the list's ) is needed here")?;
        let list = if numbers.is_empty() {
            List::Texts(texts)
        } else {
            List::Numbers(numbers)
        };
        Ok(condition(
            operand.start,
            Condition::In {
                value: operand.value,
                list,
                negated,
            },
        ))
    }

    /// A text, or a number with or without a sign.
    fn item(&mut self) -> Parsed<Operand> {
        let start = self.start;
        let value = match self.token {
            Token::Text(_) | Token::Integer(_) | Token::Float(_) => self.literal(false)?,
            Token::Sign(sign @ ("-" | "+")) => {
                self.advance()?;
                match self.token {
                    Token::Integer(_) | Token::Float(_) => self.literal(sign == "-")?,
                    _ => return Err(self.unexpected("a number is needed here")),
                }
            }
            _ => return Err(self.unexpected("a text in quotes or a number is needed here")),
        };
        Ok(Operand { value, start })
    }

    fn like(&mut self, operand: Operand, negated: bool) -> Parsed<Expression> {
        self.advance()?;
        let start = operand.start;
        let field = operand.field("LIKE compares the text of a field with a pattern")?;
        if field.kind() != Kind::TextField {
            let reason = format!("{field} is a number, and LIKE is for text");
            return Err(Flaw::at(start, reason));
        }
        let pattern_start = self.start;
        let pattern = self.text("a pattern in single quotes is needed here")?;
        let mut escape = None;
        if self.takes(Keyword::Escape)? {
            let escape_start = self.start;
            let text = self.text("the escape character in single quotes is needed here")?;
            let mut characters = text.chars();
            escape = characters.next();
            if escape.is_none() || characters.next().is_some() {
                return Err(Flaw::at(escape_start, "an escape is one character"));
            }
        }
        if let Err(index) = LikePattern::new(&pattern, escape) {
            return Err(Flaw::at(
                position_in_text(self.text, pattern_start, index),
                "the escape character stands before %, _ or itself only",
            ));
        }
        Ok(condition(
            start,
            Condition::Like {
                field,
                pattern,
                escape,
                negated,
            },
        ))
    }

    fn sum(&mut self) -> Parsed<Expression> {
        self.chain(Parser::product, Value::Sum, |sign| match sign {
            "+" => Some(Addition::Add),
            "-" => Some(Addition::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Parsed<Expression> {
        self.chain(Parser::signed, Value::Product, |sign| match sign {
            "*" => Some(Multiplication::Multiply),
            "/" => Some(Multiplication::Divide),
            _ => None,
        })
    }

    /// Numbers with signs between them; a single expression as it is.
    fn chain<S>(
        &mut self,
        one: fn(&mut Self) -> Parsed<Expression>,
        chain: fn(Box<Value>, Vec<(S, Value)>) -> Value,
        sign_of: fn(&str) -> Option<S>,
    ) -> Parsed<Expression> {
        let mut first = one(self)?;
        let start = first.start;
        let mut rest = Vec::new();
        while let Token::Sign(sign) = self.token
            && let Some(sign) = sign_of(sign)
        {
            if rest.is_empty() {
                let operand = first.value()?;
                operand.check_number()?;
                first = value(start, operand.value);
            }
            self.advance()?;
            let operand = one(self)?.value()?;
            operand.check_number()?;
            rest.push((sign, operand.value));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let first = first.value()?.value;
        Ok(value(start, chain(Box::new(first), rest)))
    }

    fn signed(&mut self) -> Parsed<Expression> {
        let start = self.start;
        let Token::Sign(sign @ ("-" | "+")) = self.token else {
            return self.single();
        };
        self.advance()?;
        if matches!(self.token, Token::Integer(_) | Token::Float(_)) {
            return Ok(value(start, self.literal(sign == "-")?));
        }
        let operand = self.deeper(start, Parser::signed)?.value()?;
        operand.check_number()?;
        let sign = match sign {
            "-" => Addition::Subtract,
            _ => Addition::Add,
        };
        Ok(value(start, Value::Signed(sign, Box::new(operand.value))))
    }

    fn single(&mut self) -> Parsed<Expression> {
        let start = self.start;
        match &self.token {
            Token::Keyword(word @ (Keyword::True | Keyword::False)) => {
                let constant = Condition::Constant(*word == Keyword::True);
                self.advance()?;
                Ok(condition(start, constant))
            }
            Token::Sign("(") => {
                self.advance()?;
                let inner = self.deeper(start, Parser::any)?;
                self.expect(")", "AND, OR or a ) is needed here")?;
                Ok(Expression { start, ..inner })
            }
            Token::Name(name) => {
                let field = field_of(name).ok_or_else(|| self.unknown(name))?;
                self.advance()?;
                Ok(value(start, Value::Field(field)))
            }
            Token::Header(name) => {
                let field = Field::Header(name.clone());
                self.advance()?;
                Ok(value(start, Value::Field(field)))
            }
            Token::Text(_) | Token::Integer(_) | Token::Float(_) => {
                Ok(value(start, self.literal(false)?))
            }
            Token::Keyword(Keyword::Null) => {
                Err(self.unexpected("nothing is equal to NULL; write IS NULL or IS NOT NULL"))
            }
            _ => Err(self.unexpected("a value or a condition is needed here")),
        }
    }

    /// The text or number that stands here.
    fn literal(&mut self, negative: bool) -> Parsed<Value> {
        let literal = match &self.token {
            Token::Text(text) => Some(Value::Text(text.clone())),
            Token::Float(number) => Some(Value::Float(if negative { -number } else { *number })),
            Token::Integer(number) => {
                let number = i128::from(*number);
                i64::try_from(if negative { -number } else { number })
                    .ok()
                    .map(Value::Integer)
            }
            _ => None,
        };
        let literal = literal.ok_or_else(|| Flaw::at(self.start, "the number is too large"))?;
        self.advance()?;
        Ok(literal)
    }

    fn text(&mut self, needed: &str) -> Parsed<String> {
        let Token::Text(text) = &self.token else {
            return Err(self.unexpected(needed));
        };
        let text = text.clone();
        self.advance()?;
        Ok(text)
    }

    /// What stands one level further in.
    fn deeper<T>(&mut self, start: usize, inner: fn(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            let reason = format!("parentheses, NOT and signs are nested {MAX_DEPTH} deep at most");
            return Err(Flaw::at(start, reason));
        }
        self.depth += 1;
        let inner = inner(self);
        self.depth -= 1;
        inner
    }

    fn advance(&mut self) -> Parsed<()> {
        (self.token, self.start) = self.lexer.next()?;
        Ok(())
    }

    fn takes(&mut self, keyword: Keyword) -> Parsed<bool> {
        let there = self.token == Token::Keyword(keyword);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    fn expect(&mut self, sign: &'static str, needed: &str) -> Parsed<()> {
        if self.token != Token::Sign(sign) {
            return Err(self.unexpected(needed));
        }
        self.advance()
    }

    fn unexpected(&self, needed: &str) -> Flaw {
        Flaw::at(self.start, needed)
    }

    fn unknown(&self, name: &str) -> Flaw {
        let reason = match name {
            "headers" => {
                "headers needs the name of one: headers.NAME or headers.\"any name\"".to_owned()
            }
            "value" => "filters don't look into values; put what they need in the key or a header"
                .to_owned(),
            _ => format!(
                "there is no field {name}; there are key, topic, partition, offset, timestamp, headers.NAME and headers.\"any name\""
            ),
        };
        Flaw::at(self.start, reason)
    }
}

fn field_of(name: &str) -> Option<Field> {
    Some(match name {
        "key" => Field::Key,
        "topic" => Field::Topic,
        "partition" => Field::Partition,
        "offset" => Field::Offset,
        "timestamp" => Field::Timestamp,
        _ => return None,
    })
}

fn condition(start: usize, condition: Condition) -> Expression {
    let content = Content::Condition(condition);
    Expression { content, start }
}

fn value(start: usize, value: Value) -> Expression {
    let content = Content::Value(value);
    Expression { content, start }
}
