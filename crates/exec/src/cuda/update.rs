//! [`update`]: the optimiser step on the flat buffers of a GPU. The host decides by the gradient norm, and copies the scales
//! and shifts that L1 penalises if it penalises them in groups or by the proximal step.

use std::ops::Range;

use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::launcher::{Launcher, Value, bytes};
use super::params::CudaParams;
use super::step::over;
use crate::adamw::AdamFactors;
use crate::penalty::{self, Part};
use crate::step::{clip_factor, role_rules};
use crate::{ExecError, ExecutorKind, L1Method, L1Placement, Method, RoleRule, UpdateReport, UpdateRule};

/// Most partial sums of squares of one range.
const MOST_SUMS: usize = 256;

/// Applies one step and sets the gradients to zero.
pub(super) fn update(
    rule: &UpdateRule,
    params: &mut CudaParams,
    gpu: &Launcher,
) -> Result<UpdateReport, ExecError> {
    if !matches!(rule.method, Method::Sgd | Method::AdamW { .. }) {
        return Err(ExecError::Method { kind: ExecutorKind::Cuda, method: rule.method.name() });
    }
    if rule.method.keeps_second_moment() {
        params.use_second_moment(gpu)?;
    }
    let ranges = params.map.ranges().clone();
    let rules: Vec<(Range<usize>, RoleRule)> =
        role_rules(rule, |role| ranges.of(role), &params.frozen).collect();
    if rule.l1_placement == L1Placement::BeforeClip {
        penalise(rule, &rules, 1.0, params, gpu)?;
    }
    let gradient_norm = gradient_norm(&rules, params, gpu)?;
    let trained = params.map.lens()[0];
    if !gradient_norm.is_finite() {
        gpu.zero(&mut params.gradients, 0..trained)?;
        return Ok(UpdateReport { gradient_norm });
    }
    let clip = clip_factor(rule, gradient_norm);
    if rule.l1_placement == L1Placement::AfterClip {
        penalise(rule, &rules, clip, params, gpu)?;
    }
    for (range, role) in rules {
        let is_clipped = rule.l1_placement == L1Placement::AfterClip && penalty::pulls(rule, &role);
        let clip = if is_clipped { 1.0 } else { clip };
        let threshold = penalty::threshold(rule, &role);
        // If a threshold still changes the values, they are averaged after it.
        let ema_decay = if threshold.is_some() { 1.0 } else { rule.ema_decay };
        step(rule, &role, clip, ema_decay, range.clone(), params, gpu)?;
        if let Some(threshold) = threshold {
            let mut values = gpu.download(&params.trained, range.clone())?;
            penalty::shrink(threshold, &params.marks, range.clone(), &mut values);
            gpu.upload(&values, &mut params.trained, range.start)?;
            let average = [&params.ema_trained, &params.trained];
            self::average("bonsai_average", average, range, rule.ema_decay, gpu)?;
        }
    }
    for range in params.frozen.ranges().to_vec() {
        gpu.zero(&mut params.gradients, range.clone())?;
        let both = [&params.ema_trained, &params.trained];
        average("bonsai_average_frozen", both, range, rule.ema_decay, gpu)?;
    }
    let all = 0..params.map.lens()[1];
    let both = [&params.ema_statistics, &params.statistics];
    average("bonsai_average", both, all, rule.ema_decay, gpu)?;
    Ok(UpdateReport { gradient_norm })
}

/// Address of a value and those after it.
fn at(gpu: &Launcher, buffer: &CudaSlice<f32>, range: &Range<usize>) -> Value {
    Value::Address(gpu.address(buffer) + bytes::<f32>(range.start))
}

/// Moves the parameters of a range.
fn step(
    rule: &UpdateRule,
    role: &RoleRule,
    clip: f32,
    ema_decay: f32,
    range: Range<usize>,
    params: &CudaParams,
    gpu: &Launcher,
) -> Result<(), ExecError> {
    let mut values =
        [&params.trained, &params.gradients, &params.momentum].map(|buffer| at(gpu, buffer, &range)).to_vec();
    values.extend(
        params.second_moment.iter().filter(|_| rule.method != Method::Sgd).map(|s| at(gpu, s, &range)),
    );
    values.extend([
        at(gpu, &params.ema_trained, &range),
        Value::Long(range.len() as i64),
        Value::Float(clip),
    ]);
    let name = if let Some(factors) = AdamFactors::new(rule, role) {
        values.push(Value::Adam(factors));
        "bonsai_adamw"
    } else {
        values.extend([
            Value::Float(role.weight_decay),
            Value::Float(rule.momentum),
            Value::Int(rule.nesterov.into()),
            Value::Float(role.lr),
        ]);
        "bonsai_sgd"
    };
    values.push(Value::Float(ema_decay));
    Ok(gpu.launch(&gpu.kernel(name)?, over(range.len()), &values)?)
}

/// Moves an average towards values.
fn average(
    name: &'static str,
    [average, values]: [&CudaSlice<f32>; 2],
    range: Range<usize>,
    decay: f32,
    gpu: &Launcher,
) -> Result<(), ExecError> {
    if range.is_empty() {
        return Ok(());
    }
    let args = [
        at(gpu, average, &range),
        at(gpu, values, &range),
        Value::Long(range.len() as i64),
        Value::Float(decay),
    ];
    Ok(gpu.launch(&gpu.kernel(name)?, over(range.len()), &args)?)
}

/// Scales the gradients by `clip` and adds the gradient of L1.
fn penalise(
    rule: &UpdateRule,
    rules: &[(Range<usize>, RoleRule)],
    clip: f32,
    params: &mut CudaParams,
    gpu: &Launcher,
) -> Result<(), ExecError> {
    let on: Vec<_> =
        rules.iter().filter(|(range, role)| !range.is_empty() && penalty::pulls(rule, role)).collect();
    let first = on.iter().map(|(range, _)| range.start).min().unwrap_or(0);
    let last = on.iter().map(|(range, _)| range.end).max().unwrap_or(0);
    if rule.l1_method == L1Method::GroupLasso {
        // One copy brings all values that the groups need.
        let values = gpu.download(&params.trained, first..last)?;
        let pull = penalty::pull(rule, rules.iter().cloned(), &params.marks, |range| {
            Ok::<_, ExecError>(values[range.start - first..range.end - first].to_vec())
        })?;
        return add(&pull, clip, params, gpu);
    }
    for (range, role) in on {
        let from = range.start - first;
        let marks = at(gpu, params.marks_of(first..last, gpu)?, &(from..from + range.len()));
        let args = [
            at(gpu, &params.gradients, range),
            at(gpu, &params.trained, range),
            marks,
            Value::Long(range.len() as i64),
            Value::Float(clip),
            Value::Float(role.l1),
        ];
        gpu.launch(&gpu.kernel("bonsai_pull_signs")?, over(range.len()), &args)?;
    }
    Ok(())
}

/// Scales the gradients by `clip` and adds a gradient of the host.
fn add(pull: &[Part], clip: f32, params: &mut CudaParams, gpu: &Launcher) -> Result<(), ExecError> {
    let all: usize = pull.iter().map(|(_, values)| values.len()).sum();
    if params.pull.len() < all {
        params.pull = gpu.reserve(all)?;
    }
    let mut end = 0;
    for (range, pull) in pull.iter().filter(|(range, _)| !range.is_empty()) {
        let start = end;
        end += pull.len();
        gpu.upload(pull, &mut params.pull, start)?;
        let args = [
            at(gpu, &params.gradients, range),
            at(gpu, &params.pull, &(start..end)),
            Value::Long(range.len() as i64),
            Value::Float(clip),
        ];
        gpu.launch(&gpu.kernel("bonsai_pull")?, over(range.len()), &args)?;
    }
    Ok(())
}

/// Global gradient norm before clipping.
fn gradient_norm(
    rules: &[(Range<usize>, RoleRule)],
    params: &mut CudaParams,
    gpu: &Launcher,
) -> Result<f32, ExecError> {
    let blocks = |range: &Range<usize>| over(range.len())[0].min(MOST_SUMS);
    let all: usize = rules.iter().map(|(range, _)| blocks(range)).sum();
    if params.sums.len() < all {
        params.sums = gpu.reserve(all)?;
    }
    let squares = gpu.kernel("bonsai_squares")?;
    let mut sum = 0;
    for (range, _) in rules {
        let to = Value::Address(gpu.address(&params.sums) + bytes::<f64>(sum));
        let args = [at(gpu, &params.gradients, range), Value::Long(range.len() as i64), to];
        gpu.launch(&squares, [blocks(range), 1, 1], &args)?;
        sum += blocks(range);
    }
    Ok(gpu.download(&params.sums, 0..all)?.iter().sum::<f64>().sqrt() as f32)
}
