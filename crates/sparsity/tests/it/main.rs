//! Schedules, travel and statistics against numbers worked out by hand; the candle adaptor with its feature.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(feature = "candle")]
mod candle;
mod gradient;
mod plan;
mod schedule;
mod statistics;
mod travel;
