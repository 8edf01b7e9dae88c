//! Python's pickle format, as far as checkpoints use it, without Python.
//!
//! A pickle is a program for a small stack machine. Here it can make plain values, tensors and inert objects, and nothing
//! else: a class is a name, a call of anything but a few known constructors is refused, and so is every name that no
//! YOLOv8 checkpoint has a use for. Values live in one list and refer to each other by position, so cycles leak nothing and
//! depth costs no stack. Memory is linear in the length of the pickle.
//!
//! Source: PEP 307, PEP 3154 and the documentation of `pickletools`.

mod globals;
mod machine;
mod objects;
mod opcode;
mod value;

pub(super) use globals::Dtype;
pub(super) use machine::read;
pub(super) use value::{Id, Node, Pickle, Storage, Tensor};
