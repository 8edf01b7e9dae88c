//! [`write_names`], [`read_names`] and [`read_size`]: Python literals in the metadata of a file.
//!
//! Only the forms that occur there are supported: integers, strings, a list of two numbers, a dictionary from
//! index to name.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::CharIndices;

use bonsai_graph::Size;

/// `[height, width]`.
pub(crate) fn write_size(size: Size) -> String {
    format!("[{}, {}]", size.height, size.width)
}

/// `{0: 'first', 1: 'second'}`. Letters are kept; only characters that would end or break the string are
/// escaped.
pub(crate) fn write_names(names: &[String]) -> String {
    let mut text = String::from("{");
    for (i, name) in names.iter().enumerate() {
        let separator = if i == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{i}: '");
        for c in name.chars() {
            match c {
                '\\' | '\'' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                // Control characters end at U+009F, so two digits are enough.
                c if c.is_control() => {
                    let _ = write!(text, "\\x{:02x}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        text.push('\'');
    }
    text.push('}');
    text
}

/// Reads `[height, width]` or `(height, width)`.
pub(crate) fn read_size(text: &str) -> Result<Size, String> {
    let mut reader = Reader::new(text);
    let close = match reader.next_of(&['[', '('], "`[`")? {
        '[' => ']',
        _ => ')',
    };
    let height = reader.number()?;
    reader.next_of(&[','], "`,`")?;
    let width = reader.number()?;
    reader.next_of(&[close], "the closing bracket")?;
    reader.end()?;
    Ok(Size { height, width })
}

/// Reads `{0: 'first', 1: "second"}`, in any order, or `['first', 'second']`.
pub(crate) fn read_names(text: &str) -> Result<Vec<String>, String> {
    let mut reader = Reader::new(text);
    let keyed = reader.next_of(&['{', '['], "`{`")? == '{';
    let close = if keyed { '}' } else { ']' };
    let mut entries: Vec<(usize, String)> = Vec::new();
    while !reader.accept(close) {
        if !entries.is_empty() {
            reader.next_of(&[','], "`,` or the closing bracket")?;
            if reader.accept(close) {
                break;
            }
        }
        let mut key = entries.len();
        if keyed {
            key = reader.number()?;
            reader.next_of(&[':'], "`:`")?;
        }
        entries.push((key, reader.string()?));
    }
    reader.end()?;
    entries.sort();
    match entries.iter().enumerate().find(|(i, (key, _))| i != key) {
        Some((i, (key, _))) => {
            Err(format!("expected the keys 0 to {}, found {key} for {i}", entries.len() - 1))
        }
        None => Ok(entries.into_iter().map(|(_, name)| name).collect()),
    }
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, chars: text.char_indices().peekable() }
    }

    /// The next character that is not white space, which must be one of `accepted`.
    fn next_of(&mut self, accepted: &[char], what: &str) -> Result<char, String> {
        self.skip_space();
        match self.chars.peek() {
            Some((_, c)) if accepted.contains(c) => {
                let c = *c;
                self.chars.next();
                Ok(c)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Skips `c` if it comes next.
    fn accept(&mut self, c: char) -> bool {
        self.next_of(&[c], "").is_ok()
    }

    fn number(&mut self) -> Result<usize, String> {
        self.skip_space();
        let mut digits = String::new();
        while let Some((_, c)) = self.chars.next_if(|(_, c)| c.is_ascii_digit()) {
            digits.push(c);
        }
        digits.parse().map_err(|_| self.expected("a whole number"))
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.next_of(&['\'', '"'], "a quoted string")?;
        let mut value = String::new();
        loop {
            match self.chars.next() {
                None => return Err(self.expected("the closing quote")),
                Some((_, c)) if c == quote => return Ok(value),
                Some((_, '\\')) => value.push(self.escape()?),
                Some((_, c)) => value.push(c),
            }
        }
    }

    /// Reads the rest of an escape after its backslash.
    fn escape(&mut self) -> Result<char, String> {
        let digits = match self.chars.next().map(|(_, c)| c) {
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some(c @ ('\\' | '\'' | '"')) => return Ok(c),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => return Err(self.expected("a known escape in front")),
        };
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.chars.peek().and_then(|(_, c)| c.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.expected("a hexadecimal digit"))?;
            self.chars.next();
        }
        char::from_u32(code).ok_or_else(|| self.expected("the number of a character in front"))
    }

    fn end(&mut self) -> Result<(), String> {
        self.skip_space();
        if self.chars.peek().is_none() { Ok(()) } else { Err(self.expected("the end")) }
    }

    fn skip_space(&mut self) {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
    }

    fn expected(&mut self, what: &str) -> String {
        let place = self.chars.peek().map_or(self.text.len(), |(i, _)| *i);
        format!("expected {what} at byte {place}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_a_python_dictionary() {
        let names = ["person", "l'été", "a\\b\n\u{85}"].map(str::to_owned);
        let text = write_names(&names);
        assert_eq!(text, r"{0: 'person', 1: 'l\'été', 2: 'a\\b\n\x85'}");
        assert_eq!(read_names(&text), Ok(names.to_vec()));
        assert_eq!(read_names(r#"{1: "it's", 0: 'a',}"#), Ok(vec!["a".to_owned(), "it's".to_owned()]));
        assert_eq!(read_names("['a', 'b']"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read_names("{}"), Ok(Vec::new()));
    }

    #[test]
    fn errors_name_the_position() {
        for (text, reason) in [
            ("", "expected `{` at byte 0"),
            ("{0: 'a'", "expected `,` or the closing bracket at byte 7"),
            ("{0: 'a", "expected the closing quote at byte 6"),
            ("{0: 'a'} x", "expected the end at byte 9"),
            ("{1: 'a'}", "expected the keys 0 to 0, found 1 for 0"),
            ("{0: 'a', 0: 'b'}", "expected the keys 0 to 1, found 0 for 1"),
            (r"{0: '\q'}", "expected a known escape in front at byte 7"),
            ("{99999999999999999999: 'a'}", "expected a whole number at byte 21"),
        ] {
            assert_eq!(read_names(text), Err(reason.to_owned()), "{text}");
        }
        assert_eq!(read_size(" (640, 320) "), Ok(Size { height: 640, width: 320 }));
        assert_eq!(read_size("[640]"), Err("expected `,` at byte 4".to_owned()));
        assert_eq!(read_size("[640, 1)"), Err("expected the closing bracket at byte 7".to_owned()));
    }

    proptest! {
        #[test]
        fn any_names_come_back(names in prop::collection::vec(any::<String>(), 0..6)) {
            let text = write_names(&names);
            prop_assert!(!text.contains(char::is_control));
            prop_assert_eq!(read_names(&text), Ok(names));
        }

        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            let _ = read_names(&text);
            let _ = read_size(&text);
        }
    }
}
