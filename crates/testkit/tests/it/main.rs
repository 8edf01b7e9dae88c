//! Tests of the test support itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod networks;
mod reference;
