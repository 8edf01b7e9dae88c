//! [`step`] of AdamW in candle operations, on every device. SGD, the method of the recipe, has its own pass
//! on the host.

use candle_core::{Result, Tensor};

use super::clip::clipped;
use super::roles::Roles;
use crate::adamw::AdamFactors;
use crate::{RoleRule, UpdateRule};

/// Parameters, first and second moment.
pub(super) type Moved = (Tensor, Tensor, Tensor);

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
    if AdamFactors::new(rule, &RoleRule::default()).is_none() {
        return Ok(None);
    }
    let g = clipped(gradients.clone(), clip)?;
    let second = second.map_or_else(|| first.zeros_like(), |second| Ok(second.clone()))?;
    let with = |a: &Tensor, b: &Tensor, f: &dyn Fn(AdamFactors, Tensor, Tensor) -> Result<Tensor>| {
        roles.map(a, b, |role, a, b| {
            AdamFactors::new(rule, role).map_or_else(|| Ok(a.clone()), |k| f(k, a.clone(), b))
        })
    };
    let first = with(first, &g, &|k, m, g| &m + ((g - &m)? * f64::from(k.take1))?)?;
    let second = with(&second, &g, &|k, s, g| (s * f64::from(k.beta2))? + (g.sqr()? * f64::from(k.take2))?)?;
    let bottom = with(&second, &second, &|k, s, _| (s.sqrt()? * f64::from(k.root))? + f64::from(k.eps))?;
    let moved = with(&first, &bottom, &|k, m, bottom| (m * f64::from(k.rate))? / bottom)?;
    let params = with(params, &moved, &|k, w, moved| (w * f64::from(k.keep))? - moved)?;
    Ok(Some((params, first, second)))
}
