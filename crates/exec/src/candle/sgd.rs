//! [`step`] of SGD with momentum on flat buffers, as in PyTorch.
//!
//! On the host, each buffer is written once; on other devices, candle operations process one role after
//! another.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::clip::clipped;
use super::host::{host_values, tensor_like};
use super::roles::Roles;
use crate::UpdateRule;
use crate::step::{CHUNK, ValueStep};

/// Parameters and momentum after one step; `clip` is the factor on the gradient.
pub(super) fn step(
    rule: &UpdateRule,
    roles: &Roles,
    clip: f32,
    params: &Tensor,
    gradients: &Tensor,
    momentum: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let host = (host_values(params), host_values(gradients), host_values(momentum));
    let (Some(w), Some(g), Some(v)) = host else {
        return device_step(rule, roles, clip, params, gradients, momentum);
    };
    let (new_w, new_v) = host_step(rule, roles, clip, &w, &g, &v);
    Ok((tensor_like(new_w, params)?, tensor_like(new_v, momentum)?))
}

fn host_step(
    rule: &UpdateRule,
    roles: &Roles,
    clip: f32,
    w: &[f32],
    g: &[f32],
    v: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let mut new_w = vec![0.0f32; w.len()];
    let mut new_v = vec![0.0f32; v.len()];
    for (range, role) in roles.iter() {
        let range = range.clone();
        let Some(role) = role else {
            new_w[range.clone()].copy_from_slice(&w[range.clone()]);
            new_v[range.clone()].copy_from_slice(&v[range]);
            continue;
        };
        let step = ValueStep::new(rule, role, clip);
        new_w[range.clone()]
            .par_chunks_mut(CHUNK)
            .zip(new_v[range.clone()].par_chunks_mut(CHUNK))
            .zip(w[range.clone()].par_chunks(CHUNK))
            .zip(g[range.clone()].par_chunks(CHUNK))
            .zip(v[range].par_chunks(CHUNK))
            .for_each(|((((new_w, new_v), w), g), v)| {
                for ((((new_w, new_v), w), g), v) in new_w.iter_mut().zip(new_v).zip(w).zip(g).zip(v) {
                    (*new_w, *new_v) = step.apply(*w, *g, *v);
                }
            });
    }
    (new_w, new_v)
}

fn device_step(
    rule: &UpdateRule,
    roles: &Roles,
    clip: f32,
    params: &Tensor,
    gradients: &Tensor,
    momentum: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let g = clipped(gradients.clone(), clip)?;
    let g = roles.map(&g, params, |role, g, w| {
        if role.weight_decay == 0.0 { Ok(g) } else { g + (w * f64::from(role.weight_decay))? }
    })?;
    let m = f64::from(rule.momentum);
    let momentum = roles.map(momentum, &g, |_, v, g| (v * m)? + g)?;
    let moved = if rule.nesterov { (g + (&momentum * m)?)? } else { momentum.clone() };
    let params = roles.map(params, &moved, |role, w, moved| w - (moved * f64::from(role.lr))?)?;
    Ok((params, momentum))
}

#[cfg(test)]
mod tests {
    use super::super::clip::gradient_norm;
    use super::*;
    use crate::ParamLayout;
    use crate::frozen::Frozen;
    use crate::step::clip_factor;
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
        let layout = ParamLayout::from_graph(&graph);
        let random = || Tensor::randn(0.0f32, 1.0, layout.trained_len(), &Device::Cpu).unwrap();
        let w = random();
        let g = random();
        let v = random();
        let frozen = Frozen::of(
            &["a.bias".to_owned(), "b.weight".to_owned()],
            layout.slots().iter().map(|s| (s.spec.name.as_str(), s.offset..s.offset + s.spec.len())),
        );
        let frozen = [Frozen::default(), frozen.unwrap()];
        for frozen in frozen {
            for nesterov in [false, true] {
                let mut rule =
                    UpdateRule { momentum: 0.9, nesterov, clip_norm: Some(1.0), ..UpdateRule::sgd(0.1) };
                rule.conv_weight.weight_decay = 0.01;
                rule.bn_beta.lr = 0.3;
                let roles = Roles::new(&rule, &layout, &frozen);
                let norm = gradient_norm(&roles, &g).unwrap();
                let clip = clip_factor(&rule, norm);
                let device = device_step(&rule, &roles, clip, &w, &g, &v).unwrap();
                let host = step(&rule, &roles, clip, &w, &g, &v).unwrap();
                let largest = |a: &Tensor, b: &Tensor| {
                    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap()
                };
                // Tolerance: a few rounding errors of values of order 1.
                assert!(largest(&host.0, &device.0) < 1e-5);
                assert!(largest(&host.1, &device.1) < 1e-5);
                for range in frozen.ranges() {
                    let same = |a: &Tensor, b: &Tensor| {
                        let part = |t: &Tensor| t.narrow(0, range.start, range.len()).unwrap();
                        largest(&part(a), &part(b)) == 0.0
                    };
                    assert!(
                        same(&host.0, &w) && same(&host.1, &v) && same(&device.0, &w) && same(&device.1, &v)
                    );
                }
                let used = roles.trained().map(|(range, _)| {
                    let g = g.narrow(0, range.start, range.len()).unwrap();
                    f64::from(g.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap())
                });
                assert!((norm - used.sum::<f64>().sqrt() as f32).abs() < 1e-4);
            }
        }
    }
}
