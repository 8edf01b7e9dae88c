//! What each operator makes of what goes in: dimensions, and numbers where they decide dimensions later.
//!
//! The operators are those of ONNX's own set that rten 0.27 runs and whose outputs follow from shapes and small constants.
//! Left out are those that run for as long as a number says (`Loop`, `Scan`) or hold graphs of their own (`If`), random
//! numbers, sequences and recurrent layers: no detector that was seen has one.

mod indices;
mod layout;
mod made;
mod pointwise;
mod products;
mod windows;

use super::call::{Call, OpFootprint};

/// What the node makes; `None` for an operator without a rule.
///
/// # Errors
/// In words, what is wrong with it.
pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    pointwise::made(call)
        .or_else(|| made::made(call))
        .or_else(|| layout::made(call))
        .or_else(|| indices::made(call))
        .or_else(|| windows::made(call))
        .or_else(|| products::made(call))
}
