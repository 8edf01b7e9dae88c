//! Instructions that make objects: what a name means, and what a call makes of it.

use super::globals::Global;
use super::machine::{MOST_VALUES, Machine};
use super::opcode::op;
use super::value::{Id, Node, Storage, Tensor};
use crate::pt::error::PtError;
use crate::pt::layout;

/// Most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

impl Machine<'_> {
    pub(super) fn object(&mut self, opcode: u8) -> Result<(), PtError> {
        match opcode {
            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.nodes[module.0 as usize], &self.nodes[name.0 as usize]) {
                    (Node::Str(module), Node::Str(name)) => {
                        let (module, name) = (module.to_string(), name.to_string());
                        self.global(&module, &name)
                    }
                    _ => self.error("the name of a class is no text"),
                }
            }
            op::REDUCE | op::NEWOBJ => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let Node::Global(callee) = self.nodes[callee.0 as usize].clone() else {
                    return self.error("what is called is no class");
                };
                let Node::Tuple(arguments) = &self.nodes[arguments.0 as usize] else {
                    return self.error(format!("the arguments of `{callee}` are no tuple"));
                };
                // A call looks at five of them at most.
                let arguments = arguments[..arguments.len().min(6)].to_vec();
                let made = self.call(callee, &arguments)?;
                self.stack.push(made);
                Ok(())
            }
            op::BUILD => {
                let state = self.pop()?;
                let top = self.top()?;
                match &mut self.nodes[top.0 as usize] {
                    Node::Object { state: own, .. } => *own = Some(state),
                    // Attributes of an ordered dictionary, such as a state dict's versions.
                    Node::Dict(_) => {}
                    _ => return self.error("attributes are given to what has none"),
                }
                Ok(())
            }
            _ => {
                let id = self.pop()?;
                let storage = self.storage(id)?;
                self.push(Node::Storage(storage))
            }
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), PtError> {
        match Global::known(module, name) {
            Some(global) => self.push(Node::Global(global)),
            None => Err(PtError::Global { at: self.op, module: module.to_owned(), name: name.to_owned() }),
        }
    }

    /// What a call of `callee` makes.
    fn call(&mut self, callee: Global, arguments: &[Id]) -> Result<Id, PtError> {
        let node = match (callee, arguments) {
            (Global::OrderedDict, []) => Node::Dict(Vec::new()),
            (Global::OrderedDict, [pairs]) => Node::Dict(self.pairs(*pairs)?),
            (Global::Set, []) => Node::Set(Vec::new()),
            (Global::Set, [members]) => Node::Set(self.copy(*members)?),
            (Global::Size, [members]) => Node::Tuple(self.copy(*members)?),
            (Global::RebuildParameter, [tensor, ..]) => return Ok(*tensor),
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                Node::Tensor(self.tensor(*storage, *offset, *shape, *strides)?)
            }
            (Global::Inert(class), _) => Node::Object { class, state: None },
            (callee, arguments) => {
                return self.error(format!("`{callee}` is called with {} arguments", arguments.len()));
            }
        };
        self.node(node)
    }

    fn members(&self, id: Id) -> Result<&[Id], PtError> {
        match &self.nodes[id.0 as usize] {
            Node::List(members) | Node::Tuple(members) | Node::Set(members) => Ok(members),
            _ => self.error("a sequence was expected"),
        }
    }

    /// A copy of the members. The same list can be copied again and again, so copies count as values.
    fn copy(&mut self, id: Id) -> Result<Vec<Id>, PtError> {
        let members = self.members(id)?.to_vec();
        self.copied += members.len();
        if self.copied > MOST_VALUES {
            return self.error(format!("more than {MOST_VALUES} values"));
        }
        Ok(members)
    }

    fn pairs(&mut self, id: Id) -> Result<Vec<(Id, Id)>, PtError> {
        let members = self.copy(id)?;
        let pair = |id: Id| match self.members(id)? {
            [key, value] => Ok((*key, *value)),
            _ => self.error("a pair was expected"),
        };
        members.into_iter().map(pair).collect()
    }

    /// `("storage", class, key, location, numbers)`.
    fn storage(&self, id: Id) -> Result<Storage, PtError> {
        let members = self.members(id)?;
        let node = |i: usize| members.get(i).map(|id| &self.nodes[id.0 as usize]);
        match (node(0), node(1), node(2), node(4)) {
            (
                Some(Node::Str(kind)),
                Some(Node::Global(Global::Storage(dtype))),
                Some(Node::Str(key)),
                Some(Node::Int(len)),
            ) if **kind == *"storage" && *len >= 0 => {
                Ok(Storage { key: key.clone(), dtype: *dtype, len: *len as usize })
            }
            _ => self.error("a reference to something that is no storage of PyTorch's"),
        }
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Result<Tensor, PtError> {
        let Node::Storage(storage) = &self.nodes[storage.0 as usize] else {
            return self.error("a tensor is made of what is no storage");
        };
        let int = |id: Id| match self.nodes[id.0 as usize] {
            Node::Int(value) => Ok(value),
            _ => self.error("a size of a tensor is no number"),
        };
        let ints = |id: Id| match self.members(id)? {
            sizes if sizes.len() <= MOST_DIMENSIONS => {
                sizes.iter().copied().map(int).collect::<Result<Vec<i64>, _>>()
            }
            sizes => self.error(format!("a tensor of {} dimensions", sizes.len())),
        };
        let (offset, shape, strides) = (int(offset)?, ints(shape)?, ints(strides)?);
        match layout::checked(storage.clone(), offset, &shape, &strides) {
            Ok(tensor) => Ok(tensor),
            Err(what) => self.error(what),
        }
    }
}
