//! Schedules, travel and statistics compared with numbers computed by hand; candle functions with feature
//! `candle`.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

#[cfg(feature = "candle")]
mod candle;
mod gradient;
mod plan;
mod schedule;
mod statistics;
mod travel;
