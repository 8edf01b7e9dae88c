//! The house rules as tests: dependencies between crates, and properties of files and documents.
//!
//! These tests read manifests, sources and documents; only `arguments` runs the program, for its help. Each failure lists all
//! places and says what to do.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod allowed_dependencies;
mod arguments;
mod dependencies;
mod documents;
mod files;
mod imports;
mod manifests;
mod path_text;
mod shared_builds;
mod tree;
