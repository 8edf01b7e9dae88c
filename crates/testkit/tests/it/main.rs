//! What the test tools themselves must be right about.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod networks;
mod reference;
