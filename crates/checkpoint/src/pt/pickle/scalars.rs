//! Instructions of [`Machine`] that make numbers, texts and bytes.

use super::machine::Machine;
use super::opcode::op;
use super::value::Node;
use crate::pt::error::PtError;

impl Machine<'_> {
    /// Reads a binary number.
    pub(super) fn number(&mut self, opcode: u8) -> Result<(), PtError> {
        let node = match opcode {
            op::BININT => Node::Int(i32::from_le_bytes(self.take()?).into()),
            op::BININT1 => Node::Int(self.take::<1>()?[0].into()),
            op::BININT2 => Node::Int(u16::from_le_bytes(self.take()?).into()),
            op::BINFLOAT => Node::Float(f64::from_be_bytes(self.take()?)),
            op::LONG1 => {
                let [len] = self.take()?;
                long(self.slice(len.into())?)
            }
            _ => {
                let len = u32::from_le_bytes(self.take()?);
                long(self.slice(len.into())?)
            }
        };
        self.push(node)
    }

    /// Reads texts and bytes that begin with their length.
    pub(super) fn characters(&mut self, opcode: u8) -> Result<(), PtError> {
        let len = match opcode {
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING | op::SHORT_BINBYTES => self.take::<1>()?[0].into(),
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => u64::from_le_bytes(self.take()?),
            _ => u32::from_le_bytes(self.take()?).into(),
        };
        let bytes = self.slice(len)?;
        let node = match opcode {
            op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => Node::Opaque,
            // Texts of Python 2, and lone surrogates, need not be UTF-8.
            _ => str::from_utf8(bytes).map_or(Node::Opaque, |text| Node::Str(text.into())),
        };
        self.push(node)
    }

    /// Reads numbers and texts that are written as a line (protocol 0).
    pub(super) fn written(&mut self, opcode: u8) -> Result<(), PtError> {
        let line = self.line()?;
        let text = str::from_utf8(line).unwrap_or_default().trim();
        let node = match (opcode, text) {
            (op::UNICODE, _) => unescaped(line).map(|text| Node::Str(text.into())),
            (op::STRING, _) => match text.as_bytes() {
                [open @ (b'\'' | b'"'), inner @ .., close] if open == close => {
                    unescaped(inner).map(|text| Node::Str(text.into()))
                }
                _ => return self.error("a text without quotes"),
            },
            (op::INT, "00") => Some(Node::Bool(false)),
            (op::INT, "01") => Some(Node::Bool(true)),
            (op::FLOAT, _) => text.parse().ok().map(Node::Float),
            _ => text.trim_end_matches('L').parse().ok().map(Node::Int),
        };
        self.push(node.unwrap_or(Node::Opaque))
    }
}

/// Two's complement, little-endian. Longer numbers are opaque: they are states of random generators and the
/// like.
fn long(bytes: &[u8]) -> Node {
    let fill = if bytes.last().is_some_and(|b| *b >= 0x80) { 0xff } else { 0 };
    let mut value = [fill; 8];
    if bytes.len() > value.len() {
        return Node::Opaque;
    }
    value[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(value))
}

/// Decodes Latin-1 with `\uHHHH` and `\UHHHHHHHH`; `None` for other escapes.
fn unescaped(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            text.push(char::from(*first));
            continue;
        }
        let digits = match rest.first()? {
            b'u' => 4,
            b'U' => 8,
            _ => return None,
        };
        let code = u32::from_str_radix(str::from_utf8(rest.get(1..=digits)?).ok()?, 16).ok()?;
        text.push(char::from_u32(code)?);
        rest = &rest[digits + 1..];
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_read_if_they_fit() {
        assert_eq!(long(&[]), Node::Int(0));
        assert_eq!(long(&[0xff]), Node::Int(-1));
        assert_eq!(long(&[0, 1]), Node::Int(256));
        assert_eq!(long(&[0; 9]), Node::Opaque);
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unescaped(b"gro\xdfe \\u20ac\\U0001f600").unwrap(), "große €😀");
        for torn in [&b"\\"[..], b"\\u12", b"\\n", b"\\ud800"] {
            assert_eq!(unescaped(torn), None, "{torn:?}");
        }
    }
}
