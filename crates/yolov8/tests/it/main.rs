//! Tests of the public surface.
#![allow(clippy::unwrap_used, reason = "a test whose set-up fails must fail")]

mod distill;
mod distill_golden;
mod distill_reference;
mod feature_imitation;
mod golden;
mod head;
mod laws;
mod loss;
mod nms;
