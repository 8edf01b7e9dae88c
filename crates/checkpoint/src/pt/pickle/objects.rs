//! Instructions of [`Machine`] that make objects: names of classes, and calls.

use std::rc::Rc;

use super::globals::{Class, Meaning};
use super::layout;
use super::machine::Machine;
use super::opcode::op;
use super::value::{Broken, Id, Node, Storage, Tensor};
use crate::pt::error::PtError;

/// Most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;
/// Number of values that a tensor counts for: its node, its sizes, or the message in place of it.
const TENSOR: usize = 8;

impl Machine<'_> {
    pub(super) fn object(&mut self, opcode: u8) -> Result<(), PtError> {
        match opcode {
            op::GLOBAL => {
                let module = self.word()?;
                let name = self.word()?;
                self.global(module, name)
            }
            op::STACK_GLOBAL => {
                let name = self.pop()?;
                let module = self.pop()?;
                match (&self.nodes[module.0 as usize], &self.nodes[name.0 as usize]) {
                    (Node::Str(module), Node::Str(name)) => {
                        let module = module.clone();
                        let name = name.clone();
                        self.global(module, name)
                    }
                    _ => self.error("the name of a class is not text"),
                }
            }
            op::REDUCE | op::NEWOBJ | op::NEWOBJ_EX => {
                if opcode == op::NEWOBJ_EX {
                    self.pop()?;
                }
                let arguments = self.pop()?;
                let callee = self.pop()?;
                self.reduce(callee, arguments)
            }
            op::INST => {
                let module = self.word()?;
                let name = self.word()?;
                let arguments = self.pop_mark()?;
                self.global(module, name)?;
                let callee = self.pop()?;
                let arguments = self.node(Node::Tuple(arguments))?;
                self.reduce(callee, arguments)
            }
            op::OBJ => {
                let members = self.pop_mark()?;
                let Some((callee, arguments)) = members.split_first() else {
                    return self.error("an object without a class");
                };
                let arguments = self.node(Node::Tuple(arguments.to_vec()))?;
                self.reduce(*callee, arguments)
            }
            op::BUILD => {
                let state = self.pop()?;
                let top = self.top()?;
                if let Node::Object { state: own, .. } = &mut self.nodes[top.0 as usize] {
                    *own = Some(state);
                }
                // Other values need no state: that of a dictionary holds versions of a state dict, that of a
                // tensor holds notes.
                Ok(())
            }
            op::BINPERSID => {
                let id = self.pop()?;
                let node = self.storage(id).map_or(Node::Opaque, |storage| Node::Storage(Rc::new(storage)));
                self.push(node)
            }
            op::PERSID => {
                self.line()?;
                self.push(Node::Opaque)
            }
            // Classes by a number, which only a registry in Python can resolve.
            op::EXT1 => self.take::<1>().and_then(|_| self.push(Node::Opaque)),
            op::EXT2 => self.take::<2>().and_then(|_| self.push(Node::Opaque)),
            op::EXT4 => self.take::<4>().and_then(|_| self.push(Node::Opaque)),
            // Bytes that are stored outside of the pickle.
            op::NEXT_BUFFER => self.push(Node::Opaque),
            op::READONLY_BUFFER => self.top().map(|_| ()),
            other => self.error(format!("there is no instruction {other:#04x}")),
        }
    }

    /// Reads a line of text.
    fn word(&mut self) -> Result<Rc<str>, PtError> {
        let word = str::from_utf8(self.line()?).ok().map(Rc::from);
        word.map_or_else(|| self.error("the name of a class is not UTF-8"), Ok)
    }

    fn global(&mut self, module: Rc<str>, name: Rc<str>) -> Result<(), PtError> {
        let meaning = Meaning::from_global(&module, &name);
        self.push(Node::Global { class: Rc::new(Class { module, name }), meaning })
    }

    /// Pushes the result of a call. Nothing is called: a few names construct values here, others make inert
    /// objects.
    fn reduce(&mut self, callee: Id, arguments: Id) -> Result<(), PtError> {
        let Node::Tuple(members) = &self.nodes[arguments.0 as usize] else {
            return self.error("the arguments of a call are not a tuple");
        };
        // A constructor uses four of them.
        let members = members[..members.len().min(4)].to_vec();
        let Node::Global { class, meaning } = self.nodes[callee.0 as usize].clone() else {
            // A method of an object, or the result of another call.
            return self.push(Node::Opaque);
        };
        if meaning == Meaning::Parameter
            && let [tensor, ..] = members[..]
        {
            self.stack.push(tensor);
            return Ok(());
        }
        let node = match (meaning, &members[..]) {
            (Meaning::Dict, _) => Node::Dict(self.entries_in(&members)?),
            (Meaning::List, _) => Node::List(self.copy(members.first())?),
            (Meaning::Tuple, _) => Node::Tuple(self.copy(members.first())?),
            (Meaning::Set, _) => Node::Set(self.copy(members.first())?),
            (Meaning::Tensor, [storage, offset, shape, strides]) => {
                self.tensor(*storage, *offset, *shape, *strides)?
            }
            // The arguments are a function, a type and the function's arguments; only functions that make
            // tensors matter.
            (Meaning::Typed, [made_by, _, inner, ..])
                if matches!(
                    &self.nodes[made_by.0 as usize],
                    Node::Global { meaning: Meaning::Tensor | Meaning::Parameter, .. }
                ) =>
            {
                return self.reduce(*made_by, *inner);
            }
            (Meaning::Made, [of, ..]) => match &self.nodes[of.0 as usize] {
                Node::Global { class, .. } => {
                    Node::Object { class: class.clone(), arguments: Some(arguments), state: None }
                }
                _ => Node::Opaque,
            },
            _ => Node::Object { class, arguments: Some(arguments), state: None },
        };
        self.push(node)
    }

    /// The members of a list, tuple or set.
    fn members(&self, id: Id) -> Option<&[Id]> {
        match &self.nodes[id.0 as usize] {
            Node::List(members) | Node::Tuple(members) | Node::Set(members) => Some(members),
            _ => None,
        }
    }

    /// A copy of the members. The same list can be copied again and again, so copies count as values.
    fn copy(&mut self, id: Option<&Id>) -> Result<Vec<Id>, PtError> {
        let members = id.and_then(|id| self.members(*id)).unwrap_or_default().to_vec();
        self.spend(members.len())?;
        Ok(members)
    }

    /// The entries of a new dictionary: from another one, from pairs, or none. A default factory gives none.
    fn entries_in(&mut self, arguments: &[Id]) -> Result<Vec<(Id, Id)>, PtError> {
        let Some(&from) = arguments.last() else { return Ok(Vec::new()) };
        if let Node::Dict(entries) = &self.nodes[from.0 as usize] {
            let entries = entries.clone();
            self.spend(entries.len())?;
            return Ok(entries);
        }
        let members = self.copy(Some(&from))?;
        let pair = |id: Id| match self.members(id) {
            Some([key, value]) => Some((*key, *value)),
            _ => None,
        };
        Ok(members.into_iter().filter_map(pair).collect())
    }

    /// Reads `("storage", class, key, location, numbers)`; `None` if it is of another form or class.
    fn storage(&self, id: Id) -> Option<Storage> {
        let members = self.members(id)?;
        let node = |i: usize| members.get(i).map(|id| &self.nodes[id.0 as usize]);
        match (node(0)?, node(1)?, node(2)?, node(4)?) {
            (
                Node::Str(kind),
                Node::Global { meaning: Meaning::Storage(dtype), .. },
                Node::Str(key),
                Node::Int(len),
            ) if **kind == *"storage" => {
                Some(Storage { key: key.clone(), dtype: *dtype, len: usize::try_from(*len).ok()? })
            }
            _ => None,
        }
    }

    /// A tensor, or the error in place of it: it matters only if the network needs the tensor.
    fn tensor(&mut self, storage: Id, offset: Id, shape: Id, strides: Id) -> Result<Node, PtError> {
        self.spend(TENSOR)?;
        let at = self.op;
        Ok(match self.view(storage, offset, shape, strides) {
            Ok(tensor) => Node::Tensor(Box::new(tensor)),
            Err(what) => Node::Broken(Box::new(Broken { at, what })),
        })
    }

    fn view(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Result<Tensor, String> {
        let Node::Storage(storage) = &self.nodes[storage.0 as usize] else {
            return Err("a tensor without a storage of a known number type".to_owned());
        };
        let int = |id: Id| match self.nodes[id.0 as usize] {
            Node::Int(value) => Ok(value),
            _ => Err("a tensor with a size that is not an integer".to_owned()),
        };
        let ints = |id: Id| match self.members(id) {
            Some(sizes) if sizes.len() <= MOST_DIMENSIONS => {
                sizes.iter().copied().map(int).collect::<Result<Vec<i64>, _>>()
            }
            Some(sizes) => Err(format!("a tensor of {} dimensions", sizes.len())),
            None => Err("a tensor with sizes that are not a sequence".to_owned()),
        };
        layout::checked(storage.clone(), int(offset)?, &ints(shape)?, &ints(strides)?)
    }
}
