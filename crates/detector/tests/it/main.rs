//! The detector on networks whose answer is known, its files, and what it draws.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod draw;
mod files;
mod import;
mod network;
mod pictures;
