//! Tests of the benchmarks as other crates call them.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod bench;
