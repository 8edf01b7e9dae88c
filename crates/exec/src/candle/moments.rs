//! [`step`] of Adam, `NAdam` and `RMSprop` on the host: the buffers of a GPU are copied there and back.

use candle_core::{Result, Tensor};

use super::adamw::Moved;
use super::host::tensor_like;
use super::roles::Roles;
use crate::adam::CoupledAdam;
use crate::moments::MomentStep;
use crate::rmsprop::RmsPropStep;
use crate::{RoleRule, UpdateRule};

/// Parameters and moments after one step; `clip` is the factor on the gradient, and a second moment that is
/// not there yet is zero. `None` if the rule uses another method.
pub(super) fn step(
    rule: &UpdateRule,
    roles: &Roles,
    clip: f32,
    params: &Tensor,
    gradients: &Tensor,
    (first, second): (&Tensor, Option<&Tensor>),
) -> Result<Option<Moved>> {
    let none = RoleRule::default();
    let is_adam = CoupledAdam::new(rule, &none, clip).is_some();
    if !is_adam && RmsPropStep::new(rule, &none, clip).is_none() {
        return Ok(None);
    }
    let g = gradients.to_vec1::<f32>()?;
    let mut values = [params.to_vec1::<f32>()?, first.to_vec1::<f32>()?, Vec::new()];
    values[2] = second.map_or_else(|| Ok(vec![0.0; g.len()]), Tensor::to_vec1)?;
    for (range, role) in roles.trained() {
        let g = &g[range.clone()];
        let part = values.each_mut().map(|values| &mut values[range.clone()]);
        if let Some(step) = CoupledAdam::new(rule, role, clip) {
            apply(step, g, part);
        } else if let Some(step) = RmsPropStep::new(rule, role, clip) {
            apply(step, g, part);
        }
    }
    let [w, m, s] = values;
    Ok(Some((tensor_like(w, params)?, tensor_like(m, first)?, tensor_like(s, first)?)))
}

/// Moves the parameters and moments of a range.
fn apply(step: impl MomentStep, g: &[f32], [w, m, s]: [&mut [f32]; 3]) {
    for (((w, g), m), s) in w.iter_mut().zip(g).zip(m).zip(s) {
        (*w, *m, *s) = step.apply(*w, *g, *m, *s);
    }
}
