//! [`Schedule`]: learning rates, momentum, accumulation and weight decay of every batch (Ultralytics 8.0).

use bonsai_exec::{RoleRule, UpdateRule};

use crate::{Penalty, TrainConfig};

/// Decay of the weight average; it starts with a short memory: `0.9999 * (1 - exp(-updates / 2000))`.
pub fn ema_decay(updates: u64) -> f64 {
    0.9999 * (1.0 - (-(updates as f64) / 2000.0).exp())
}

/// The schedule values at one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSchedule {
    /// Learning rate of kernels and gammas.
    pub weight_lr: f64,
    /// Learning rate of biases and betas.
    pub bias_lr: f64,
    /// Momentum.
    pub momentum: f64,
    /// Batches per optimiser step.
    pub accumulate: u64,
}

/// Batches per step: at least one; halves are rounded to the even neighbour, as in Python.
fn whole(batches: f64) -> u64 {
    batches.round_ties_even().max(1.0) as u64
}

/// The whole schedule of a training.
#[derive(Debug, Clone)]
pub struct Schedule {
    config: TrainConfig,
    batches: usize,
    warmup_batches: u64,
    weight_decay: f64,
}

impl Schedule {
    /// The schedule for `batches` batches per epoch.
    pub fn new(config: &TrainConfig, batches: usize) -> Self {
        let wanted = (config.warmup_epochs * batches as f64).round_ties_even() as u64;
        let floor = if config.warmup_epochs > 0.0 { config.warmup_min_batches as u64 } else { 0 };
        let accumulate = whole(config.nbs as f64 / config.batch as f64) as f64;
        let weight_decay = config.weight_decay * config.batch as f64 * accumulate / config.nbs as f64;
        Self { config: config.clone(), batches, warmup_batches: wanted.max(floor), weight_decay }
    }

    /// Number of epochs in the training.
    pub(crate) const fn epochs(&self) -> usize {
        self.config.epochs
    }

    /// Number of batches in an epoch.
    pub(crate) const fn batches(&self) -> usize {
        self.batches
    }

    /// Weight decay for the actual number of images per step.
    pub const fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    /// Number of epochs that contain warm-up batches.
    pub const fn warmup_epochs(&self) -> usize {
        self.warmup_batches.div_ceil(self.batches as u64) as usize
    }

    /// Learning rate after warm-up in an epoch counted from 0.
    pub fn lr(&self, epoch: usize) -> f64 {
        let done = epoch as f64 / self.config.epochs as f64;
        let factor = if self.config.cos_lr {
            (1.0 - (std::f64::consts::PI * done).cos()) / 2.0 * (self.config.lrf - 1.0) + 1.0
        } else {
            (1.0 - done) * (1.0 - self.config.lrf) + self.config.lrf
        };
        self.config.lr0 * factor
    }

    /// The schedule values at batch `number` since the first epoch, in the given epoch; both from 0.
    pub fn step(&self, number: u64, epoch: usize) -> StepSchedule {
        let config = &self.config;
        let lr = self.lr(epoch);
        let nominal = config.nbs as f64 / config.batch as f64;
        if number > self.warmup_batches || self.warmup_batches == 0 {
            let accumulate = whole(nominal);
            return StepSchedule { weight_lr: lr, bias_lr: lr, momentum: config.momentum, accumulate };
        }
        let done = number as f64 / self.warmup_batches as f64;
        let between = |from: f64, to: f64| from + (to - from) * done;
        StepSchedule {
            weight_lr: between(0.0, lr),
            bias_lr: between(config.warmup_bias_lr, lr),
            momentum: if config.optimizer.warms_momentum() {
                between(config.warmup_momentum, config.momentum)
            } else {
                config.momentum
            },
            accumulate: whole(between(1.0, nominal)),
        }
    }

    /// The rule for the optimiser step after `accumulated` batches; `updates` includes this step.
    pub fn rule(&self, step: StepSchedule, penalty: Penalty, accumulated: u64, updates: u64) -> UpdateRule {
        let times = penalty.per.times(accumulated) as f64;
        let role = |lr: f64, weight_decay: f64, l1: f64| RoleRule {
            lr: lr as f32,
            weight_decay: weight_decay as f32,
            l1: (l1 * times) as f32,
        };
        UpdateRule {
            conv_weight: role(step.weight_lr, self.weight_decay, 0.0),
            conv_bias: role(step.bias_lr, 0.0, 0.0),
            bn_gamma: role(step.weight_lr, 0.0, penalty.gamma),
            bn_beta: role(step.bias_lr, 0.0, penalty.beta),
            method: self.config.optimizer.method(updates),
            momentum: step.momentum as f32,
            nesterov: true,
            clip_norm: Some(self.config.clip_norm as f32),
            l1_method: penalty.method,
            l1_placement: penalty.placement,
            ema_decay: ema_decay(updates) as f32,
        }
    }
}
