//! Reader of Python's pickle format, without Python.
//!
//! A pickle is a program for a small stack machine. The machine here makes only plain values, tensors and
//! inert objects. A class is only a name, and a call of anything but a few known constructors of containers
//! and tensors makes an object that keeps the name and does nothing. A file may therefore mention any class:
//! none is imported and none is called. The code that reads the network decides whether a value has a
//! meaning.
//!
//! Values live in one list and refer to each other by position, so cycles leak no memory and nesting needs no
//! call stack. Memory is linear in the length of the pickle, and bounded.
//!
//! Source: PEP 307, PEP 3154, PEP 574 and the documentation of `pickletools`.

mod globals;
mod layout;
mod machine;
mod objects;
mod opcode;
mod scalars;
mod value;

pub(super) use globals::Class;
pub(super) use machine::read;
pub(super) use value::{Id, Node, Pickle, Storage, Tensor};
