//! [`Roles`]: the ranges of the trained buffer with the rule of each, and [`join`], which makes a buffer of
//! ranges.

use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};

use super::average::average;
use crate::frozen::Frozen;
use crate::step::role_rules;
use crate::{ParamLayout, RoleRule, UpdateRule};

/// All ranges of the trained buffer in order, with the rule of each; frozen ranges have `None`.
pub(super) struct Roles(Vec<(Range<usize>, Option<RoleRule>)>);

impl Roles {
    pub(super) fn new(rule: &UpdateRule, layout: &ParamLayout, frozen: &Frozen) -> Self {
        let trained = role_rules(rule, |role| layout.range(role), frozen).map(|(r, role)| (r, Some(role)));
        let mut parts: Vec<_> = trained.chain(frozen.ranges().iter().map(|r| (r.clone(), None))).collect();
        parts.retain(|(range, _)| !range.is_empty());
        parts.sort_by_key(|(range, _)| range.start);
        Self(parts)
    }

    /// All ranges, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Range<usize>, Option<RoleRule>)> {
        self.0.iter()
    }

    /// The ranges that are not frozen.
    pub(super) fn trained(&self) -> impl Iterator<Item = (Range<usize>, &RoleRule)> {
        self.0.iter().filter_map(|(range, role)| Some((range.clone(), role.as_ref()?)))
    }

    /// Joins `f(role, part of a, part of b)` for trained ranges and the part of `a` for frozen ranges.
    pub(super) fn map(
        &self,
        a: &Tensor,
        b: &Tensor,
        f: impl Fn(&RoleRule, Tensor, Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let parts = self.0.iter().map(|(range, role)| {
            let part = |t: &Tensor| t.narrow(0, range.start, range.len());
            match role {
                Some(role) => f(role, part(a)?, part(b)?),
                None => part(a),
            }
        });
        join(&parts.collect::<Result<Vec<_>>>()?, a.device())
    }

    /// The averages of the trained buffer after a step.
    pub(super) fn average(&self, decay: f32, old: &Tensor, values: &Tensor) -> Result<Tensor> {
        let new = average(decay, old, values)?;
        if self.0.iter().all(|(_, role)| role.is_some()) {
            return Ok(new);
        }
        // The same arithmetic as `average_frozen`.
        let towards = (old + ((values - old)? * f64::from(1.0 - decay))?)?;
        self.map(&towards, &new, |_, _, new| Ok(new))
    }
}

/// Joins ranges into a buffer; a network may have no parameter of a kind.
pub(super) fn join<T: AsRef<Tensor>>(parts: &[T], device: &Device) -> Result<Tensor> {
    if parts.is_empty() { Tensor::zeros(buffer_len(0), DType::F32, device) } else { Tensor::cat(parts, 0) }
}

/// Elements of the buffer for `len` values: at least one, because CUDA's documentation promises no empty blocks.
pub(super) fn buffer_len(len: usize) -> usize {
    len.max(1)
}
