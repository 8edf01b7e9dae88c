//! The rules of the house: which crate may know which, and what files and documents must hold.
//!
//! These tests read manifests, sources and documents, never behaviour. Each failure lists every place at once and says
//! what to do about it.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod dependencies;
mod documents;
mod files;
mod path_text;
mod tree;
