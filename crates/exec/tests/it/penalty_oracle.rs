//! [`State`]: the optimiser step with L1 as a plain loop in `f64` over arrays by name, directly from the
//! definitions.

use std::collections::BTreeMap;

use bonsai_checkpoint::Weights;
use bonsai_exec::{Buffer, Executor, L1Method, L1Placement, Method, PenaltyMap, RoleRule, UpdateRule};

pub(crate) type Arrays = BTreeMap<String, Vec<f64>>;

fn arrays(weights: &Weights) -> Arrays {
    weights.iter().map(|(n, a)| (n.to_owned(), a.data().iter().map(|v| f64::from(*v)).collect())).collect()
}

/// Buffers of an executor.
pub(crate) struct State {
    pub(crate) params: Arrays,
    pub(crate) momentum: Arrays,
    pub(crate) second: Arrays,
    pub(crate) ema: Arrays,
}

impl State {
    pub(crate) fn from_executor(executor: &dyn Executor) -> Self {
        let read = |buffer| arrays(&executor.read(buffer).unwrap());
        Self {
            params: read(Buffer::Params),
            momentum: read(Buffer::Momentum),
            second: read(Buffer::SecondMoment),
            ema: read(Buffer::Ema),
        }
    }

    /// Performs one step with the gradients of the executor; returns the gradient norm.
    pub(crate) fn step(
        &mut self,
        executor: &dyn Executor,
        rule: &UpdateRule,
        map: &PenaltyMap,
        frozen: &[&str],
    ) -> f64 {
        let mut gradients = arrays(&executor.read(Buffer::Gradients).unwrap());
        gradients.retain(|name, _| !frozen.contains(&name.as_str()));
        let groups = self.groups(map, frozen);
        let mut pull = gradients.clone();
        for (name, pull) in &mut pull {
            for (channel, value) in pull.iter_mut().enumerate() {
                *value = self.pull(name, channel, rule, map, &groups);
            }
        }
        let add = |gradients: &mut Arrays| {
            for (g, p) in gradients.values_mut().flatten().zip(pull.values().flatten()) {
                *g += p;
            }
        };
        if rule.l1_placement == L1Placement::BeforeClip {
            add(&mut gradients);
        }
        let norm = gradients.values().flatten().map(|g| g * g).sum::<f64>().sqrt();
        let limit = f64::from(rule.clip_norm.unwrap_or(f32::INFINITY));
        let clip = (limit / (norm + 1e-6)).min(1.0);
        gradients.values_mut().flatten().for_each(|g| *g *= clip);
        if rule.l1_placement == L1Placement::AfterClip {
            add(&mut gradients);
        }
        for (name, gradient) in &gradients {
            for (channel, g) in gradient.iter().enumerate() {
                self.move_one(name, channel, *g, rule, map);
            }
        }
        norm
    }

    /// Number of members and norm of every group of gammas.
    fn groups(&self, map: &PenaltyMap, frozen: &[&str]) -> BTreeMap<usize, (f64, f64)> {
        let mut groups: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let gammas = map.iter().filter(|(name, _)| name.ends_with("bn.weight") && !frozen.contains(name));
        for (name, channels) in gammas {
            for (value, group) in self.params[name].iter().zip(channels) {
                let Some(group) = group else { continue };
                let (members, norm) = groups.entry(*group).or_default();
                *members += 1.0;
                *norm = norm.hypot(*value);
            }
        }
        groups
    }

    fn pull(
        &self,
        name: &str,
        channel: usize,
        rule: &UpdateRule,
        map: &PenaltyMap,
        groups: &BTreeMap<usize, (f64, f64)>,
    ) -> f64 {
        let value = self.params[name][channel];
        let sign = if value == 0.0 { 0.0 } else { value.signum() };
        let group = match map.iter().find(|(n, _)| *n == name).map(|(_, channels)| channels[channel]) {
            Some(None) => return 0.0,
            Some(Some(group)) if name.ends_with("bn.weight") => groups.get(&group),
            _ => None,
        };
        let l1 = f64::from(role(rule, name).l1);
        match (rule.l1_method, group) {
            (L1Method::Proximal, _) | (L1Method::GroupLasso, Some((_, 0.0))) => 0.0,
            (L1Method::GroupLasso, Some((members, norm))) => l1 * members.sqrt() * value / norm,
            _ => l1 * sign,
        }
    }

    fn move_one(&mut self, name: &str, channel: usize, g: f64, rule: &UpdateRule, map: &PenaltyMap) {
        let role = role(rule, name);
        let lr = f64::from(role.lr);
        let decay = f64::from(role.weight_decay);
        let momentum = f64::from(rule.momentum);
        let w = &mut self.params.get_mut(name).unwrap()[channel];
        let v = &mut self.momentum.get_mut(name).unwrap()[channel];
        let s = &mut self.second.get_mut(name).unwrap()[channel];
        let mut threshold = lr * f64::from(role.l1);
        match rule.method {
            Method::Sgd => {
                let g = g + decay * *w;
                *v = momentum * *v + g;
                *w -= lr * if rule.nesterov { g + momentum * *v } else { *v };
                threshold /= 1.0 - momentum;
            }
            Method::AdamW { beta2, eps, step } => {
                let beta2 = f64::from(beta2);
                let step = i32::try_from(step).unwrap();
                *w *= 1.0 - lr * decay;
                *v = momentum * *v + (1.0 - momentum) * g;
                *s = beta2 * *s + (1.0 - beta2) * g * g;
                let mean = *v / (1.0 - momentum.powi(step));
                let square = *s / (1.0 - beta2.powi(step));
                *w -= lr * mean / (square.sqrt() + f64::from(eps));
            }
            Method::Adam { beta2, eps, step } => {
                let beta2 = f64::from(beta2);
                let step = i32::try_from(step).unwrap();
                let g = g + decay * *w;
                *v = momentum * *v + (1.0 - momentum) * g;
                *s = beta2 * *s + (1.0 - beta2) * g * g;
                let mean = *v / (1.0 - momentum.powi(step));
                let square = *s / (1.0 - beta2.powi(step));
                *w -= lr * mean / (square.sqrt() + f64::from(eps));
            }
            Method::RmsProp { alpha, eps } => {
                let alpha = f64::from(alpha);
                let g = g + decay * *w;
                *s = alpha * *s + (1.0 - alpha) * g * g;
                *v = momentum * *v + g / (s.sqrt() + f64::from(eps));
                *w -= lr * *v;
            }
            Method::NAdam { .. } => unreachable!("`moment_methods` tests it against PyTorch"),
        }
        let left = map.iter().any(|(n, channels)| n == name && channels[channel].is_none());
        if rule.l1_method == L1Method::Proximal && !left {
            *w = w.signum() * (w.abs() - threshold).max(0.0);
        }
        let ema = &mut self.ema.get_mut(name).unwrap()[channel];
        *ema = f64::from(rule.ema_decay) * *ema + (1.0 - f64::from(rule.ema_decay)) * *w;
    }
}

fn role<'a>(rule: &'a UpdateRule, name: &str) -> &'a RoleRule {
    match name {
        _ if name.ends_with("bn.weight") => &rule.bn_gamma,
        _ if name.ends_with("bn.bias") => &rule.bn_beta,
        _ if name.ends_with("conv.weight") => &rule.conv_weight,
        _ => &rule.conv_bias,
    }
}
