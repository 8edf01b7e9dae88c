//! Behaviour of `bonsai-data` through its public interface, on files written into temporary folders.

#![allow(clippy::unwrap_used, reason = "a failed step of a test should stop it")]

mod augment;
mod batch_shapes;
mod bccd;
mod damage;
mod dataset;
mod encoded;
mod folder;
mod geometry;
mod images;
mod labels;
mod layouts;
mod letterbox;
mod loader;
mod scan_cache;
mod shapes;
