//! Rules for the outputs of each operator: dimensions, and numbers if they decide dimensions later.
//!
//! There are rules for the operators of ONNX's own set that rten 0.27 runs and whose outputs follow from
//! shapes and small constants. There are none for operators that run for as long as a number says (`Loop`,
//! `Scan`) or contain graphs (`If`), for random numbers, sequences and recurrent layers: no known detector
//! has one.

mod indices;
mod layout;
mod made;
mod pointwise;
mod products;
mod windows;

use super::call::{Call, OpFootprint};

/// The outputs of the node; `None` for an operator without a rule.
///
/// # Errors
/// A text that describes what is wrong with it.
pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    pointwise::made(call)
        .or_else(|| made::made(call))
        .or_else(|| layout::made(call))
        .or_else(|| indices::made(call))
        .or_else(|| windows::made(call))
        .or_else(|| products::made(call))
}
