//! The optimiser step on flat buffers: SGD with momentum as in PyTorch, L1, clipping.
//!
//! On the host each buffer is written once; on other devices the same in candle operations, role by role.

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::flat::join;
use super::host::{host_values, tensor_like};
use crate::step::{CHUNK, ValueStep, clip_factor, l1_parts, role_rules, sum_of_squares};
use crate::{L1Placement, ParamLayout, RoleRule, UpdateRule};

/// What a step leaves.
pub(super) struct Stepped {
    pub(super) params: Tensor,
    pub(super) momentum: Tensor,
    /// Before clipping, with L1 if that goes before.
    pub(super) gradient_norm: f32,
}

/// One step of the trained parameters.
pub(super) fn step(
    rule: &UpdateRule,
    layout: &ParamLayout,
    params: &Tensor,
    gradients: &Tensor,
    momentum: &Tensor,
) -> Result<Stepped> {
    let roles = Roles::of(rule, layout);
    match (host_values(params), host_values(gradients), host_values(momentum)) {
        (Some(w), Some(g), Some(v)) => {
            let (new_w, new_v, gradient_norm) = host_step(rule, &roles, &w, &g, &v);
            let (params, momentum) = (tensor_like(new_w, params)?, tensor_like(new_v, momentum)?);
            Ok(Stepped { params, momentum, gradient_norm })
        }
        _ => device_step(rule, &roles, params, gradients, momentum),
    }
}

/// `decay * average + (1 - decay) * values`.
pub(super) fn average(decay: f32, average: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (Some(old), Some(new)) = (host_values(average), host_values(values)) else {
        return (average * f64::from(decay))? + (values * f64::from(1.0 - decay))?;
    };
    let mut result = vec![0.0f32; old.len()];
    let chunks = result.par_chunks_mut(CHUNK).zip(old.par_chunks(CHUNK)).zip(new.par_chunks(CHUNK));
    chunks.for_each(|((result, old), new)| {
        for ((r, o), n) in result.iter_mut().zip(old).zip(new) {
            *r = o * decay + n * (1.0 - decay);
        }
    });
    tensor_like(result, average)
}

/// The ranges of the trained roles, in order, with what they are subject to.
struct Roles(Vec<(Range<usize>, RoleRule)>);

impl Roles {
    fn of(rule: &UpdateRule, layout: &ParamLayout) -> Self {
        Self(role_rules(rule, |role| layout.range(role)).collect())
    }

    /// Applies `f(role, part of a, part of b)` to every range and joins the results.
    fn map(
        &self,
        a: &Tensor,
        b: &Tensor,
        f: impl Fn(&RoleRule, Tensor, Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let parts = self.0.iter().map(|(range, role)| {
            let part = |t: &Tensor| t.narrow(0, range.start, range.len());
            f(role, part(a)?, part(b)?)
        });
        join(&parts.collect::<Result<Vec<_>>>()?, a.device())
    }
}

fn host_step(rule: &UpdateRule, roles: &Roles, w: &[f32], g: &[f32], v: &[f32]) -> (Vec<f32>, Vec<f32>, f32) {
    let sum: f64 = roles
        .0
        .iter()
        .map(|(range, role)| {
            let l1 = l1_parts(rule, role).0;
            let chunks = g[range.clone()].par_chunks(CHUNK).zip(w[range.clone()].par_chunks(CHUNK));
            let sums: Vec<f64> = chunks.map(|(g, w)| sum_of_squares(g, w, l1)).collect();
            sums.iter().sum::<f64>()
        })
        .sum();
    let norm = sum.sqrt() as f32;
    let clip = clip_factor(rule, norm);
    let (mut new_w, mut new_v) = (vec![0.0f32; w.len()], vec![0.0f32; v.len()]);
    for (range, role) in &roles.0 {
        let step = ValueStep::new(rule, role, clip);
        new_w[range.clone()]
            .par_chunks_mut(CHUNK)
            .zip(new_v[range.clone()].par_chunks_mut(CHUNK))
            .zip(w[range.clone()].par_chunks(CHUNK))
            .zip(g[range.clone()].par_chunks(CHUNK))
            .zip(v[range.clone()].par_chunks(CHUNK))
            .for_each(|((((new_w, new_v), w), g), v)| {
                for ((((new_w, new_v), w), g), v) in new_w.iter_mut().zip(new_v).zip(w).zip(g).zip(v) {
                    (*new_w, *new_v) = step.apply(*w, *g, *v);
                }
            });
    }
    (new_w, new_v, norm)
}

fn device_step(
    rule: &UpdateRule,
    roles: &Roles,
    params: &Tensor,
    gradients: &Tensor,
    momentum: &Tensor,
) -> Result<Stepped> {
    let with_l1 = |g: Tensor| {
        roles.map(
            &g,
            params,
            |role, g, w| if role.l1 == 0.0 { Ok(g) } else { g + (w.sign()? * f64::from(role.l1))? },
        )
    };
    let mut g = gradients.clone();
    if rule.l1_placement == L1Placement::BeforeClip {
        g = with_l1(g)?;
    }
    let gradient_norm = g.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt();
    let clip = clip_factor(rule, gradient_norm);
    if clip < 1.0 {
        g = (g * f64::from(clip))?;
    }
    if rule.l1_placement == L1Placement::AfterClip {
        g = with_l1(g)?;
    }
    let g = roles.map(&g, params, |role, g, w| {
        if role.weight_decay == 0.0 { Ok(g) } else { g + (w * f64::from(role.weight_decay))? }
    })?;
    let m = f64::from(rule.momentum);
    let momentum = ((momentum * m)? + &g)?;
    let moved = if rule.nesterov { (g + (&momentum * m)?)? } else { momentum.clone() };
    let params = roles.map(&moved, params, |role, moved, w| w - (moved * f64::from(role.lr))?)?;
    Ok(Stepped { params, momentum, gradient_norm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn host_and_device_steps_agree() {
        let graph: bonsai_graph::Graph = "
            x = input() channels=3
            a = conv2d(x) out_channels=40 kernel=3 stride=1 padding=1 bias=true
            b = batch_norm(a) eps=0.001 momentum=0.03
            outputs = b"
            .parse()
            .unwrap();
        let layout = ParamLayout::of(&graph);
        let random = || Tensor::randn(0.0f32, 1.0, layout.trained_len(), &Device::Cpu).unwrap();
        let (w, g, v) = (random(), random(), random());
        for l1_placement in [L1Placement::BeforeClip, L1Placement::AfterClip] {
            for nesterov in [false, true] {
                let mut rule = UpdateRule {
                    momentum: 0.9,
                    nesterov,
                    clip_norm: Some(1.0),
                    l1_placement,
                    ..UpdateRule::sgd(0.1)
                };
                rule.conv_weight.weight_decay = 0.01;
                rule.bn_gamma.l1 = 0.5;
                rule.bn_beta.lr = 0.3;
                let roles = Roles::of(&rule, &layout);
                let device = device_step(&rule, &roles, &w, &g, &v).unwrap();
                let host = step(&rule, &layout, &w, &g, &v).unwrap();
                let largest = |a: &Tensor, b: &Tensor| {
                    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap()
                };
                // A few roundings of values of order 1.
                assert!(largest(&host.params, &device.params) < 1e-5);
                assert!(largest(&host.momentum, &device.momentum) < 1e-5);
                assert!((host.gradient_norm - device.gradient_norm).abs() < 1e-4);
            }
        }
    }
}
