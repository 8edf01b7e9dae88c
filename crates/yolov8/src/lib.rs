//! YOLOv8: builders, initialisation, head decode, NMS, assigner and loss.

mod build;
mod init;

pub use build::{REG_MAX, STRIDES, Scale, build};
pub use init::init;
