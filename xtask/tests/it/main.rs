//! What the tree promises about itself: which crate may know which, and the rules of the house.
//!
//! These tests read manifests, sources and documents, never behaviour; each failure lists every place at once and says
//! what to do about it.

mod dependencies;
mod documents;
mod files;
mod tree;
