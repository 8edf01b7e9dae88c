//! Tests of the public API.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod distill;
mod distill_golden;
mod distill_reference;
mod feature_imitation;
mod golden;
mod head;
mod laws;
mod loss;
mod nms;
