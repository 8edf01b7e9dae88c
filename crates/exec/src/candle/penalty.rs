//! [`pull`] and [`shrink`]: L1 on flat buffers. It affects few values, so they are copied to the host on
//! every device; `crate::penalty` does the arithmetic.

use candle_core::{Result, Tensor};

use super::roles::{Roles, join};
use crate::UpdateRule;
use crate::penalty::{self, Part};
use crate::penalty_map::Marks;

/// Gradient of L1 for each range, in ascending order.
pub(super) fn pull(rule: &UpdateRule, roles: &Roles, marks: &Marks, params: &Tensor) -> Result<Vec<Part>> {
    let parts = roles.trained().map(|(range, role)| (range, *role));
    penalty::pull(rule, parts, marks, |range| params.narrow(0, range.start, range.len())?.to_vec1())
}

/// Adds the gradient of L1 to a buffer.
pub(super) fn add(buffer: &Tensor, pull: &[Part]) -> Result<Tensor> {
    edited(buffer, pull, |old, pull| old + pull)
}

/// The parameters after the soft threshold, if the rule has one.
pub(super) fn shrink(rule: &UpdateRule, roles: &Roles, marks: &Marks, params: &Tensor) -> Result<Tensor> {
    let mut parts: Vec<Part> = Vec::new();
    for (range, role) in roles.trained() {
        if let Some(threshold) = penalty::threshold(rule, role) {
            let mut values = params.narrow(0, range.start, range.len())?.to_vec1()?;
            penalty::shrink(threshold, marks, range.clone(), &mut values);
            parts.push((range, values));
        }
    }
    edited(params, &parts, |_, new| Ok(new))
}

/// Replaces each range by `f(old values, values of the part)` and keeps all other values.
fn edited(buffer: &Tensor, parts: &[Part], f: impl Fn(Tensor, Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if parts.is_empty() {
        return Ok(buffer.clone());
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    for (range, values) in parts {
        pieces.push(buffer.narrow(0, at, range.start - at)?);
        let new = Tensor::new(values.as_slice(), buffer.device())?;
        pieces.push(f(buffer.narrow(0, range.start, range.len())?, new)?);
        at = range.end;
    }
    pieces.push(buffer.narrow(0, at, buffer.elem_count() - at)?);
    // candle cannot copy from an empty tensor.
    pieces.retain(|piece| piece.elem_count() > 0);
    join(&pieces, buffer.device())
}
