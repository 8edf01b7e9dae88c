//! Worlds of threads, and the variables of launchers.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod launch;
mod threads;
