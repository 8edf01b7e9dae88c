//! Python's pickle format, without Python.
//!
//! A pickle is a program for a small stack machine. Here it can make plain values, tensors and inert objects, and nothing
//! else: a class is a name, and a call of anything but a few known constructors of containers and tensors makes an object
//! that remembers the name and does nothing. So a file may mention any class, known or not: none is imported and none is
//! called. Whether a value means anything, whoever reads the network decides.
//!
//! Values live in one list and refer to each other by position, so cycles leak nothing and depth costs no stack. Memory is
//! linear in the length of the pickle, and bounded.
//!
//! Source: PEP 307, PEP 3154, PEP 574 and the documentation of `pickletools`.

mod globals;
mod machine;
mod objects;
mod opcode;
mod scalars;
mod value;

pub(super) use globals::{Class, Dtype};
pub(super) use machine::read;
pub(super) use value::{Id, Node, Pickle, Storage, Tensor};
