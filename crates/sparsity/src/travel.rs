//! [`Travel`]: how far L1 alone can move a gamma over a training.
//!
//! Gammas start at 1. Under momentum SGD a constant gradient of `lambda` leads to a step of
//! `lr * lambda / (1 - momentum)` per update, so the sum over all updates shows before training whether any
//! gamma can come near zero. The sum is an upper bound: gradients of the loss counteract L1 on important
//! gammas, and gradient clipping shrinks a penalty that is added before it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The values of one optimiser step that are known before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedUpdate {
    /// Learning rate.
    pub lr: f64,
    /// Strength of L1.
    pub lambda: f64,
    /// Momentum, below 1.
    pub momentum: f64,
}

/// How far L1 alone can move a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Travel {
    /// The distance, in units of the parameter.
    pub distance: f64,
    /// Number of optimiser steps.
    pub updates: u64,
}

impl Travel {
    /// Travel below which hardly any gamma can reach 0, because gammas start at 1.
    pub const ENOUGH: f64 = 1.0;
    /// Recommended travel; leaves room for gammas above 1 and for the gradients of the loss.
    pub const AIM: f64 = 1.5;

    /// Sum of `lr * lambda / (1 - momentum)` over `updates`, which include warm-up and schedules.
    pub fn from_updates(updates: impl IntoIterator<Item = PlannedUpdate>) -> Self {
        updates.into_iter().fold(Self { distance: 0.0, updates: 0 }, |travel, u| Self {
            distance: travel.distance + u.lr * u.lambda / (1.0 - u.momentum),
            updates: travel.updates + 1,
        })
    }

    /// Whether L1 can move gammas from 1 to 0.
    pub fn is_enough(&self) -> bool {
        self.distance >= Self::ENOUGH
    }

    /// A warning for the user if the travel is too small: the consequence, and which setting to change by how
    /// much.
    pub fn warning(&self) -> Option<String> {
        if self.is_enough() {
            return None;
        }
        let factor = Self::AIM / self.distance;
        let advice = if factor.is_finite() && factor > 0.0 {
            format!(
                "raise the strength of L1 on gamma {factor:.1}-fold for a travel of {}, configure a travel \
                 instead, or train for more updates",
                Self::AIM
            )
        } else {
            "L1 on gamma is switched off, or there are no updates".to_owned()
        };
        Some(format!("{self}, but gammas start at 1 and few of them will come near 0: {advice}"))
    }
}

/// `L1 alone can move a gamma by 0.27 in 650 updates`.
impl fmt::Display for Travel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L1 alone can move a gamma by {:.2} in {} updates", self.distance, self.updates)
    }
}
