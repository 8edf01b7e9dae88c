#![doc = include_str!("../README.md")]

mod face;
mod names;
mod pen;
mod system;

pub use face::has_glyph;
pub use names::{class_name, writable};
pub use pen::{fit, rasterise, width};
