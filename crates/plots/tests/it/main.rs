//! Properties of the pictures' pixels: each value is drawn at its position.

#![allow(clippy::unwrap_used, reason = "a test reports a failed drawing by panicking")]

mod confusion;
mod curves;
mod gammas;
mod grid;
mod labels;
mod pixels;
mod results;
mod tradeoff;
