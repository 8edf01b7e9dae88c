//! [`update`]: the optimiser step on the flat buffers, with one pass for the gradient norm and
//! one for everything else. L1 has a small separate pass before or after clipping, or after the step.
//!
//! Memory bandwidth limits a step. The second pass therefore reads and writes parameter, gradient, momentum
//! and average of a value together. Chunks have a fixed size and their sums are combined in order, so the
//! bits do not depend on threads.

use std::convert::Infallible;
use std::ops::Range;

use bonsai_kernels::Team;

use super::params::Params;
use crate::adam::CoupledAdam;
use crate::adamw::AdamStep;
use crate::frozen::average_frozen;
use crate::moments::MomentStep;
use crate::penalty::{self, Part};
use crate::rmsprop::RmsPropStep;
use crate::step::{CHUNK, ValueStep, clip_factor, role_rules, sum_of_squares};
use crate::{ExecError, L1Placement, RoleRule, UpdateReport, UpdateRule};

/// Moments below this magnitude become zero; otherwise those of a dead channel would stay denormal, which is
/// slow.
const NEGLIGIBLE: f32 = 1e-30;

/// Applies one step and sets the gradients to zero.
///
/// # Errors
/// [`ExecError::Kernel`] if the second moment cannot be allocated; then nothing changes.
pub(super) fn update(rule: &UpdateRule, params: &mut Params, team: &Team) -> Result<UpdateReport, ExecError> {
    if rule.method.keeps_second_moment() {
        params.use_second_moment()?;
    }
    Ok(team.install(|| step(rule, params, team.threads() > 1)))
}

fn step(rule: &UpdateRule, params: &mut Params, parallel: bool) -> UpdateReport {
    let pull = pull(rule, params);
    if rule.l1_placement == L1Placement::BeforeClip {
        add(&pull, 1.0, params);
    }
    let gradient_norm = gradient_norm(rule, params, parallel);
    if !gradient_norm.is_finite() {
        params.gradients.as_mut_slice().fill(0.0);
        return UpdateReport { gradient_norm };
    }
    let clip = clip_factor(rule, gradient_norm);
    if rule.l1_placement == L1Placement::AfterClip {
        add(&pull, clip, params);
    }
    let ranges = params.ranges();
    for (range, role) in role_rules(rule, |role| ranges.of(role), &params.frozen) {
        let is_clipped = rule.l1_placement == L1Placement::AfterClip && penalty::pulls(rule, &role);
        let clip = if is_clipped { 1.0 } else { clip };
        let threshold = penalty::threshold(rule, &role);
        // If a threshold still changes the values, they are averaged after it.
        let ema_decay = if threshold.is_some() { 1.0 } else { rule.ema_decay };
        let part = Values {
            w: &mut params.trained.as_mut_slice()[range.clone()],
            g: &mut params.gradients.as_mut_slice()[range.clone()],
            v: &mut params.momentum.as_mut_slice()[range.clone()],
            ema: &mut params.ema_trained.as_mut_slice()[range.clone()],
        };
        if rule.method.keeps_second_moment() {
            let s = &mut params.second_moment.as_mut_slice()[range.clone()];
            move_with_moments(rule, &role, clip, ema_decay, Moments { values: part, s }, parallel);
        } else {
            let step = ValueStep::new(rule, &role, clip);
            each(part, parallel, &|part| part.step(&step, ema_decay));
        }
        if let Some(threshold) = threshold {
            let w = &mut params.trained.as_mut_slice()[range.clone()];
            penalty::shrink(threshold, &params.marks, range.clone(), w);
            average(rule.ema_decay, &mut params.ema_trained.as_mut_slice()[range], w);
        }
    }
    for range in params.frozen.ranges() {
        params.gradients.as_mut_slice()[range.clone()].fill(0.0);
        let values = &params.trained.as_slice()[range.clone()];
        for (average, value) in params.ema_trained.as_mut_slice()[range.clone()].iter_mut().zip(values) {
            *average = average_frozen(rule.ema_decay, *average, *value);
        }
    }
    let statistics = params.statistics.as_slice();
    average(rule.ema_decay, params.ema_statistics.as_mut_slice(), statistics);
    UpdateReport { gradient_norm }
}

/// Moves the parameters of a range by a method with two moments.
fn move_with_moments(
    rule: &UpdateRule,
    role: &RoleRule,
    clip: f32,
    ema_decay: f32,
    part: Moments<'_>,
    parallel: bool,
) {
    if let Some(step) = AdamStep::new(rule, role, clip) {
        each(part, parallel, &|part| part.step(&step, ema_decay));
    } else if let Some(step) = CoupledAdam::new(rule, role, clip) {
        each(part, parallel, &|part| part.step(&step, ema_decay));
    } else if let Some(step) = RmsPropStep::new(rule, role, clip) {
        each(part, parallel, &|part| part.step(&step, ema_decay));
    }
}

/// The gradient of L1.
fn pull(rule: &UpdateRule, params: &Params) -> Vec<Part> {
    let ranges = params.ranges();
    let parts = role_rules(rule, |role| ranges.of(role), &params.frozen);
    let values = |range: Range<usize>| Ok::<_, Infallible>(params.trained.as_slice()[range].to_vec());
    let Ok(pull) = penalty::pull(rule, parts, &params.marks, values);
    pull
}

/// Scales the gradients by `clip` and adds the gradient of L1.
fn add(pull: &[Part], clip: f32, params: &mut Params) {
    for (range, pull) in pull {
        for (g, pull) in params.gradients.as_mut_slice()[range.clone()].iter_mut().zip(pull) {
            *g = *g * clip + pull;
        }
    }
}

/// Global gradient norm before clipping.
fn gradient_norm(rule: &UpdateRule, params: &mut Params, parallel: bool) -> f32 {
    let ranges = params.ranges();
    let mut total = 0.0f64;
    for (range, _) in role_rules(rule, |role| ranges.of(role), &params.frozen) {
        let sums = &mut params.chunk_sums[..range.len().div_ceil(CHUNK)];
        let part = Squares { g: &params.gradients.as_slice()[range], sums: &mut *sums };
        each(part, parallel, &|part| part.sums[0] = sum_of_squares(part.g));
        total += sums.iter().sum::<f64>();
    }
    total.sqrt() as f32
}

/// `decay * average + (1 - decay) * values`.
fn average(decay: f32, average: &mut [f32], values: &[f32]) {
    for (average, value) in average.iter_mut().zip(values) {
        *average = *average * decay + value * (1.0 - decay);
    }
}

/// Slices of equal length that are processed together.
trait Slices: Sized + Send {
    fn len(&self) -> usize;
    fn split(self, at: usize) -> (Self, Self);
}

/// Calls `f` on every chunk, without allocating.
fn each<T: Slices>(part: T, parallel: bool, f: &(impl Fn(T) + Sync)) {
    let chunks = part.len().div_ceil(CHUNK);
    if chunks == 0 {
        return;
    }
    if chunks == 1 {
        f(part);
        return;
    }
    let (left, right) = part.split(chunks / 2 * CHUNK);
    if parallel {
        rayon::join(|| each(left, parallel, f), || each(right, parallel, f));
    } else {
        each(left, parallel, f);
        each(right, parallel, f);
    }
}

struct Squares<'a> {
    g: &'a [f32],
    /// One sum per chunk.
    sums: &'a mut [f64],
}

impl Slices for Squares<'_> {
    fn len(&self) -> usize {
        self.g.len()
    }

    fn split(self, at: usize) -> (Self, Self) {
        let g = self.g.split_at(at);
        let sums = self.sums.split_at_mut(at / CHUNK);
        (Self { g: g.0, sums: sums.0 }, Self { g: g.1, sums: sums.1 })
    }
}

struct Values<'a> {
    w: &'a mut [f32],
    g: &'a mut [f32],
    v: &'a mut [f32],
    ema: &'a mut [f32],
}

impl Slices for Values<'_> {
    fn len(&self) -> usize {
        self.w.len()
    }

    fn split(self, at: usize) -> (Self, Self) {
        let w = self.w.split_at_mut(at);
        let g = self.g.split_at_mut(at);
        let v = self.v.split_at_mut(at);
        let ema = self.ema.split_at_mut(at);
        (Self { w: w.0, g: g.0, v: v.0, ema: ema.0 }, Self { w: w.1, g: g.1, v: v.1, ema: ema.1 })
    }
}

impl Values<'_> {
    fn step(self, step: &ValueStep, ema_decay: f32) {
        // A local copy, so that the compiler knows that no other reference can change it.
        let step = *step;
        for (((w, g), v), ema) in self.w.iter_mut().zip(self.g).zip(self.v).zip(self.ema) {
            let (moved_w, moved_v) = step.apply(*w, *g, *v);
            *w = moved_w;
            *v = settled(moved_v);
            *g = 0.0;
            *ema = *ema * ema_decay + moved_w * (1.0 - ema_decay);
        }
    }
}

/// [`Values`] with their second moments.
struct Moments<'a> {
    values: Values<'a>,
    s: &'a mut [f32],
}

impl Slices for Moments<'_> {
    fn len(&self) -> usize {
        self.s.len()
    }

    fn split(self, at: usize) -> (Self, Self) {
        let values = self.values.split(at);
        let s = self.s.split_at_mut(at);
        (Self { values: values.0, s: s.0 }, Self { values: values.1, s: s.1 })
    }
}

impl Moments<'_> {
    fn step(self, step: &impl MomentStep, ema_decay: f32) {
        let step = *step;
        let Values { w, g, v, ema } = self.values;
        for ((((w, g), v), s), ema) in w.iter_mut().zip(g).zip(v).zip(self.s).zip(ema) {
            let (moved_w, moved_v, moved_s) = step.apply(*w, *g, *v, *s);
            *w = moved_w;
            (*v, *s) = (settled(moved_v), settled(moved_s));
            *g = 0.0;
            *ema = *ema * ema_decay + moved_w * (1.0 - ema_decay);
        }
    }
}

/// The moment, or zero if it is negligible. The comparison is false for NaN, so NaN stays.
#[inline]
fn settled(moment: f32) -> f32 {
    if moment.abs() < NEGLIGIBLE { 0.0 } else { moment }
}
