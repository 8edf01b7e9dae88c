//! How far L1 alone can move a gamma over a training.
//!
//! Gammas start at 1. Under momentum SGD a constant push of `lambda` ends as a step of
//! `lr * lambda / (1 - momentum)` an update, so the sum over all updates tells before training whether any gamma
//! can come near 0. It is an upper bound for what happens: gradients of the loss hold back the gammas that matter,
//! and clipping shrinks a penalty that is added before it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is known of one optimiser step before training: the values of the parameters' group.
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
    /// Over how many optimiser steps.
    pub updates: u64,
}

impl Travel {
    /// Travel below which hardly a gamma can reach 0: they start at 1.
    pub const ENOUGH: f64 = 1.0;
    /// Travel to aim for: room for gammas above 1 and for what the loss holds back.
    pub const AIM: f64 = 1.5;

    /// Sum of `lr * lambda / (1 - momentum)` over `updates`, with warm-up and schedules as the caller has them.
    pub fn from_updates(updates: impl IntoIterator<Item = PlannedUpdate>) -> Self {
        updates.into_iter().fold(Self { distance: 0.0, updates: 0 }, |travel, u| Self {
            distance: travel.distance + u.lr * u.lambda / (1.0 - u.momentum),
            updates: travel.updates + 1,
        })
    }

    /// Whether L1 can bring gammas from 1 to 0.
    pub fn is_enough(&self) -> bool {
        self.distance >= Self::ENOUGH
    }

    /// A sentence for the user where it is not enough for gammas: what will happen, and what to change by how much.
    pub fn warning(&self) -> Option<String> {
        if self.is_enough() {
            return None;
        }
        let factor = Self::AIM / self.distance;
        let advice = if factor.is_finite() && factor > 0.0 {
            format!(
                "raise the strength of L1 on gamma {factor:.1}-fold for a travel of {}, give it as a travel, or train \
                 for more updates",
                Self::AIM
            )
        } else {
            "L1 on gamma is switched off, or there are no updates".to_owned()
        };
        Some(format!("{self}, but gammas start at 1 and few will come near 0: {advice}"))
    }
}

/// `L1 alone can move a gamma by 0.27 in 650 updates`.
impl fmt::Display for Travel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L1 alone can move a gamma by {:.2} in {} updates", self.distance, self.updates)
    }
}
