//! The stack machine.

use std::collections::HashMap;

use super::opcode::op;
use super::value::{Id, Node, Pickle};
use crate::pt::error::PtError;

/// Most values: a pickle of a checkpoint has some ten thousand.
pub(super) const MOST_VALUES: usize = 1 << 24;

/// Runs a pickle.
///
/// # Errors
/// [`PtError::Global`] for a name that is not known, [`PtError::Pickle`] for anything else that is wrong, with the place.
pub(in crate::pt) fn read(bytes: &[u8]) -> Result<Pickle, PtError> {
    let mut machine = Machine { bytes, ..Machine::default() };
    loop {
        machine.op = machine.at;
        let [opcode] = machine.take()?;
        if opcode == op::STOP {
            let root = machine.pop()?;
            return Ok(Pickle { nodes: machine.nodes, root });
        }
        machine.step(opcode)?;
    }
}

#[derive(Default)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    /// Of the next byte.
    at: usize,
    /// Of the instruction, for messages.
    pub(super) op: usize,
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Members that were copied from one value to another.
    pub(super) copied: usize,
}

impl Machine<'_> {
    pub(super) fn error<T>(&self, what: impl Into<String>) -> Result<T, PtError> {
        Err(PtError::Pickle { at: self.op, what: what.into() })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PtError> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => self.error("the pickle is cut off"),
        }
    }

    fn slice(&mut self, len: usize) -> Result<&[u8], PtError> {
        match self.bytes[self.at..].get(..len) {
            Some(slice) => {
                self.at += len;
                Ok(slice)
            }
            None => self.error(format!("{len} bytes are announced, {} follow", self.bytes.len() - self.at)),
        }
    }

    /// A text of so many bytes.
    fn text(&mut self, len: usize) -> Result<String, PtError> {
        match std::str::from_utf8(self.slice(len)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => self.error("a text is not UTF-8"),
        }
    }

    pub(super) fn line(&mut self) -> Result<String, PtError> {
        let Some(len) = self.bytes[self.at..].iter().position(|b| *b == b'\n') else {
            return self.error("the pickle is cut off");
        };
        let line = self.text(len)?;
        self.at += 1;
        Ok(line)
    }

    pub(super) fn node(&mut self, node: Node) -> Result<Id, PtError> {
        if self.nodes.len() == MOST_VALUES {
            return self.error(format!("more than {MOST_VALUES} values"));
        }
        let id = Id(self.nodes.len() as u32);
        self.nodes.push(node);
        Ok(id)
    }

    pub(super) fn push(&mut self, node: Node) -> Result<(), PtError> {
        let id = self.node(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// The top of the stack, above the last mark.
    pub(super) fn pop(&mut self) -> Result<Id, PtError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() > floor
            && let Some(id) = self.stack.pop()
        {
            return Ok(id);
        }
        self.error("the stack is empty")
    }

    /// What lies above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Id>, PtError> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => self.error("there is no mark"),
        }
    }

    /// The value that an instruction changes.
    pub(super) fn top(&mut self) -> Result<Id, PtError> {
        let id = self.pop()?;
        self.stack.push(id);
        Ok(id)
    }

    fn step(&mut self, opcode: u8) -> Result<(), PtError> {
        match opcode {
            op::PROTO => match self.take()? {
                [2..=5] => Ok(()),
                [version] => self.error(format!("protocol {version}; 2 to 5 are read")),
            },
            op::FRAME => self.take::<8>().map(|_| ()),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => match self.pop() {
                Ok(_) => Ok(()),
                Err(_) => self.pop_mark().map(|_| ()),
            },
            op::POP_MARK => self.pop_mark().map(|_| ()),
            op::NONE => self.push(Node::None),
            op::NEWTRUE => self.push(Node::Bool(true)),
            op::NEWFALSE => self.push(Node::Bool(false)),
            op::BININT | op::BININT1 | op::BININT2 | op::LONG1 | op::BINFLOAT => self.number(opcode),
            op::BINUNICODE
            | op::SHORT_BINUNICODE
            | op::BINSTRING
            | op::SHORT_BINSTRING
            | op::BINBYTES
            | op::SHORT_BINBYTES => self.characters(opcode),
            op::EMPTY_LIST => self.push(Node::List(Vec::new())),
            op::EMPTY_TUPLE => self.push(Node::Tuple(Vec::new())),
            op::EMPTY_DICT => self.push(Node::Dict(Vec::new())),
            op::EMPTY_SET => self.push(Node::Set(Vec::new())),
            op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                let mut members = Vec::new();
                for _ in 0..=opcode - op::TUPLE1 {
                    members.insert(0, self.pop()?);
                }
                self.push(Node::Tuple(members))
            }
            op::TUPLE => {
                let members = self.pop_mark()?;
                self.push(Node::Tuple(members))
            }
            op::FROZENSET => {
                let members = self.pop_mark()?;
                self.push(Node::Set(members))
            }
            op::APPEND => {
                let member = self.pop()?;
                self.append(vec![member])
            }
            op::APPENDS | op::ADDITEMS => {
                let members = self.pop_mark()?;
                self.append(members)
            }
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])
            }
            op::SETITEMS => {
                let entries = self.pop_mark()?;
                self.set(&entries)
            }
            op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => {
                let index = match opcode {
                    op::BINPUT => self.take::<1>()?[0].into(),
                    op::LONG_BINPUT => u32::from_le_bytes(self.take()?),
                    _ => self.memo.len() as u32,
                };
                let top = self.top()?;
                self.memo.insert(index, top);
                Ok(())
            }
            op::BINGET | op::LONG_BINGET => {
                let index = match opcode {
                    op::BINGET => self.take::<1>()?[0].into(),
                    _ => u32::from_le_bytes(self.take()?),
                };
                match self.memo.get(&index) {
                    Some(id) => {
                        self.stack.push(*id);
                        Ok(())
                    }
                    None => self.error(format!("nothing is remembered as {index}")),
                }
            }
            op::GLOBAL | op::STACK_GLOBAL | op::REDUCE | op::NEWOBJ | op::BUILD | op::BINPERSID => {
                self.object(opcode)
            }
            other => self.error(format!("instruction {other:#04x} is none that a checkpoint has")),
        }
    }

    fn number(&mut self, opcode: u8) -> Result<(), PtError> {
        let node = match opcode {
            op::BININT => Node::Int(i32::from_le_bytes(self.take()?).into()),
            op::BININT1 => Node::Int(self.take::<1>()?[0].into()),
            op::BININT2 => Node::Int(u16::from_le_bytes(self.take()?).into()),
            op::BINFLOAT => Node::Float(f64::from_be_bytes(self.take()?)),
            _ => {
                let [len] = self.take()?;
                let bytes = self.slice(len.into())?;
                // Two's complement, little end first; what does not fit is a random number's state or the like.
                let fill = if bytes.last().is_some_and(|b| *b >= 0x80) { 0xff } else { 0 };
                let mut value = [fill; 8];
                if bytes.len() <= value.len() {
                    value[..bytes.len()].copy_from_slice(bytes);
                    Node::Int(i64::from_le_bytes(value))
                } else {
                    Node::Opaque
                }
            }
        };
        self.push(node)
    }

    fn characters(&mut self, opcode: u8) -> Result<(), PtError> {
        let short = matches!(opcode, op::SHORT_BINUNICODE | op::SHORT_BINSTRING | op::SHORT_BINBYTES);
        let len = if short { self.take::<1>()?[0].into() } else { u32::from_le_bytes(self.take()?) as usize };
        let node = match opcode {
            op::BINUNICODE | op::SHORT_BINUNICODE => Node::Str(self.text(len)?.into()),
            _ => {
                self.slice(len)?;
                Node::Opaque
            }
        };
        self.push(node)
    }

    fn append(&mut self, members: Vec<Id>) -> Result<(), PtError> {
        let top = self.top()?;
        match &mut self.nodes[top.0 as usize] {
            Node::List(list) | Node::Set(list) => list.extend(members),
            // An inert object that is a list of a kind: its members are nobody's business.
            Node::Object { .. } => {}
            _ => return self.error("something is appended to what is no list"),
        }
        Ok(())
    }

    fn set(&mut self, entries: &[Id]) -> Result<(), PtError> {
        let (pairs, rest) = entries.as_chunks::<2>();
        let top = self.top()?;
        match &mut self.nodes[top.0 as usize] {
            Node::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            Node::Object { .. } if rest.is_empty() => {}
            Node::Dict(_) | Node::Object { .. } => return self.error("a key has no value"),
            _ => return self.error("an entry is put into what is no dictionary"),
        }
        Ok(())
    }
}
