//! [`TrainConfig::with_named_optimizer`]: the optimiser and the rates that `optimizer = "auto"` stands for.
//!
//! Ultralytics' documented rule: `AdamW` up to 10 000 optimiser steps, with a learning rate that falls with the number of
//! classes, and another optimiser with learning rate 0.01 for longer trainings (SGD up to version 8.3, `MuSGD` in 8.4).

use crate::{Optimizer, TrainConfig};

/// Most optimiser steps of a training that takes `AdamW`.
const MOST_STEPS: u64 = 10_000;
/// Learning rate of a longer training.
const LONG_LR: f64 = 0.01;
/// Momentum, and beta1 of `AdamW`.
const MOMENTUM: f64 = 0.9;

impl TrainConfig {
    /// The same settings with a named optimiser, for a training on so many images and classes, and a line that says
    /// what was chosen. `None` if the optimiser has a name already.
    ///
    /// Ultralytics counts the images of a step as the larger of `batch` and `nbs`, and rounds the steps of an epoch up.
    pub fn with_named_optimizer(&self, images: usize, classes: usize) -> Option<(Self, String)> {
        if self.optimizer != Optimizer::Auto {
            return None;
        }
        let of_step = self.batch.max(self.nbs).max(1);
        let steps = (images.div_ceil(of_step) as u64).saturating_mul(self.epochs as u64);
        let is_long = steps > MOST_STEPS;
        let (optimizer, lr0) =
            if is_long { (Optimizer::Sgd, LONG_LR) } else { (Optimizer::AdamW, fitted_lr(classes)) };
        let chosen = Self { optimizer, lr0, momentum: MOMENTUM, warmup_bias_lr: 0.0, ..self.clone() };
        let instead = if is_long { ", where Ultralytics 8.4 takes MuSGD, which Bonsai lacks" } else { "" };
        let line = format!(
            "optimizer auto: {optimizer} with lr0 {lr0}, momentum {MOMENTUM} and warmup_bias_lr 0 for {steps} steps and \
             {classes} classes{instead}; the given values of these settings are not used"
        );
        Some((chosen, line))
    }
}

/// `0.002 * 5 / (4 + classes)`, with six decimal places.
fn fitted_lr(classes: usize) -> f64 {
    (0.002 * 5.0 / (4.0 + classes as f64) * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 0.01 / 5 = 0.002, 0.01 / 7 = 0.00142857, 0.01 / 84 = 0.000119048; the last but one is what Ultralytics
    /// prints as 0.001429, the last for COCO as 0.000119.
    #[test]
    fn rates_by_hand() {
        assert_eq!([1, 3, 10, 80].map(fitted_lr), [0.002, 0.001_429, 0.000_714, 0.000_119]);
    }

    #[test]
    fn the_length_of_the_training_decides() {
        let auto = |epochs, batch| TrainConfig {
            optimizer: Optimizer::Auto,
            epochs,
            batch,
            lr0: 0.5,
            ..TrainConfig::default()
        };
        // 765 images: 12 steps of 64 images in an epoch, the last one smaller.
        let (config, line) = auto(833, 16).with_named_optimizer(765, 3).unwrap();
        assert_eq!((config.optimizer, config.lr0), (Optimizer::AdamW, 0.001_429));
        assert_eq!((config.momentum, config.warmup_bias_lr), (0.9, 0.0));
        assert!(line.contains("AdamW with lr0 0.001429") && line.contains("9996 steps"), "{line}");
        let (config, line) = auto(834, 16).with_named_optimizer(765, 3).unwrap();
        assert_eq!((config.optimizer, config.lr0), (Optimizer::Sgd, 0.01));
        assert_eq!((config.momentum, config.warmup_bias_lr), (0.9, 0.0));
        assert!(line.contains("10008 steps") && line.contains("MuSGD"), "{line}");
        // A larger batch makes fewer steps.
        let (config, _) = auto(834, 128).with_named_optimizer(765, 3).unwrap();
        assert_eq!(config.optimizer, Optimizer::AdamW);
        assert_eq!(TrainConfig::default().with_named_optimizer(765, 3), None);
    }
}
