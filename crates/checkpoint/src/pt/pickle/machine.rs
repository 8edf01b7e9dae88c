//! [`read`]: the stack machine that interprets a pickle.

use std::collections::HashMap;

use super::opcode::op;
use super::value::{Id, Node, Pickle};
use crate::pt::error::PtError;

/// Most values, and most entries of the memo: a pickle of a checkpoint has about ten thousand.
const MOST_VALUES: usize = 1 << 22;

/// Interprets a pickle.
///
/// # Errors
/// [`PtError::Pickle`] with the offset, if Python cannot have written the pickle.
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
    /// Offset of the next byte.
    at: usize,
    /// Offset of the instruction, for messages.
    pub(super) op: usize,
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Number of values made, and of members copied from one value to another.
    values: usize,
}

impl Machine<'_> {
    pub(super) fn error<T>(&self, what: impl Into<String>) -> Result<T, PtError> {
        Err(PtError::Pickle { at: self.op, what: what.into() })
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], PtError> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => self.error("the pickle is cut off"),
        }
    }

    pub(super) fn slice(&mut self, len: u64) -> Result<&[u8], PtError> {
        let slice = usize::try_from(len).ok().and_then(|len| self.bytes[self.at..].get(..len));
        match slice {
            Some(slice) => {
                self.at += slice.len();
                Ok(slice)
            }
            None => self.error(format!("{len} bytes are announced, {} follow", self.bytes.len() - self.at)),
        }
    }

    /// Reads the bytes up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&[u8], PtError> {
        let Some(len) = self.bytes[self.at..].iter().position(|b| *b == b'\n') else {
            return self.error("the pickle is cut off");
        };
        let line = &self.bytes[self.at..self.at + len];
        self.at += len + 1;
        Ok(line)
    }

    /// Counts values before memory is allocated for them.
    pub(super) fn spend(&mut self, values: usize) -> Result<(), PtError> {
        self.values = self.values.saturating_add(values);
        if self.values > MOST_VALUES {
            return self.error(format!("more than {MOST_VALUES} values"));
        }
        Ok(())
    }

    pub(super) fn node(&mut self, node: Node) -> Result<Id, PtError> {
        self.spend(1)?;
        let id = Id(self.nodes.len() as u32);
        self.nodes.push(node);
        Ok(id)
    }

    pub(super) fn push(&mut self, node: Node) -> Result<(), PtError> {
        let id = self.node(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// Pops the top of the stack, above the last mark.
    pub(super) fn pop(&mut self) -> Result<Id, PtError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() > floor
            && let Some(id) = self.stack.pop()
        {
            return Ok(id);
        }
        self.error("the stack is empty")
    }

    /// Pops everything above the last mark.
    pub(super) fn pop_mark(&mut self) -> Result<Vec<Id>, PtError> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => self.error("there is no mark"),
        }
    }

    /// The top of the stack, which an instruction changes.
    pub(super) fn top(&mut self) -> Result<Id, PtError> {
        let id = self.pop()?;
        self.stack.push(id);
        Ok(id)
    }

    fn step(&mut self, opcode: u8) -> Result<(), PtError> {
        match opcode {
            op::PROTO => match self.take()? {
                [0..=5] => Ok(()),
                [version] => self.error(format!("protocol {version}; up to 5 are read")),
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
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            op::NONE => self.push(Node::None),
            op::NEWTRUE => self.push(Node::Bool(true)),
            op::NEWFALSE => self.push(Node::Bool(false)),
            op::BININT | op::BININT1 | op::BININT2 | op::LONG1 | op::LONG4 | op::BINFLOAT => {
                self.number(opcode)
            }
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE => self.written(opcode),
            op::BINUNICODE
            | op::SHORT_BINUNICODE
            | op::BINUNICODE8
            | op::BINSTRING
            | op::SHORT_BINSTRING
            | op::BINBYTES
            | op::SHORT_BINBYTES
            | op::BINBYTES8
            | op::BYTEARRAY8 => self.characters(opcode),
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
            op::LIST => {
                let members = self.pop_mark()?;
                self.push(Node::List(members))
            }
            op::DICT => {
                let entries = self.pop_mark()?;
                self.push(Node::Dict(Vec::new()))?;
                self.set(&entries)
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
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])
            }
            op::SETITEMS => {
                let entries = self.pop_mark()?;
                self.set(&entries)
            }
            op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.remember(opcode),
            op::GET | op::BINGET | op::LONG_BINGET => self.recall(opcode),
            _ => self.object(opcode),
        }
    }

    fn remember(&mut self, opcode: u8) -> Result<(), PtError> {
        let index = match opcode {
            op::MEMOIZE => self.memo.len() as u32,
            _ => self.index(opcode)?,
        };
        let top = self.top()?;
        self.memo.insert(index, top);
        if self.memo.len() > MOST_VALUES {
            return self.error(format!("more than {MOST_VALUES} values in the memo"));
        }
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), PtError> {
        let index = self.index(opcode)?;
        match self.memo.get(&index) {
            Some(id) => {
                self.stack.push(*id);
                Ok(())
            }
            None => self.error(format!("the memo has no value {index}")),
        }
    }

    /// Reads an index of the memo.
    fn index(&mut self, opcode: u8) -> Result<u32, PtError> {
        match opcode {
            op::BINPUT | op::BINGET => Ok(self.take::<1>()?[0].into()),
            op::LONG_BINPUT | op::LONG_BINGET => Ok(u32::from_le_bytes(self.take()?)),
            _ => {
                let line = self.line()?;
                match str::from_utf8(line).ok().and_then(|text| text.trim().parse().ok()) {
                    Some(index) => Ok(index),
                    None => self.error("an index of the memo is not a number"),
                }
            }
        }
    }

    fn append(&mut self, members: Vec<Id>) -> Result<(), PtError> {
        let top = self.top()?;
        match &mut self.nodes[top.0 as usize] {
            Node::List(list) | Node::Set(list) => list.extend(members),
            // An inert object may be a kind of list; its members are not needed.
            Node::Object { .. } | Node::Opaque => {}
            _ => return self.error("something is appended to a value that is not a list"),
        }
        Ok(())
    }

    fn set(&mut self, entries: &[Id]) -> Result<(), PtError> {
        let (pairs, rest) = entries.as_chunks::<2>();
        if !rest.is_empty() {
            return self.error("a key has no value");
        }
        let top = self.top()?;
        match &mut self.nodes[top.0 as usize] {
            Node::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Node::Object { .. } | Node::Opaque => {}
            _ => return self.error("an entry is put into a value that is not a dictionary"),
        }
        Ok(())
    }
}
