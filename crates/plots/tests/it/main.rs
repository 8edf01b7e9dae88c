//! Properties of the pictures' pixels: what is drawn is where the value says.

#![allow(clippy::unwrap_used, reason = "a test reports a failed drawing by panicking")]

mod confusion;
mod curves;
mod gammas;
mod grid;
mod labels;
mod pixels;
mod results;
mod tradeoff;
