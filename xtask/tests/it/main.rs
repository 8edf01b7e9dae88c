//! The house rules as tests: dependencies between crates, and properties of files and documents.
//!
//! These tests read manifests, sources and documents; they run no code of the project. Each failure lists all
//! places and says what to do.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod allowed_dependencies;
mod dependencies;
mod documents;
mod files;
mod imports;
mod manifests;
mod path_text;
mod tree;
