//! [`Objective`]: what a training aims at, besides detection.

use crate::{L1Config, Teacher};

/// The additional goal of a training, besides detection.
#[derive(Debug, Clone, Copy)]
pub enum Objective<'a> {
    /// Detection only.
    Detection,
    /// Small gammas and betas.
    Sparsity(&'a L1Config),
    /// The outputs of a teacher.
    Distillation(&'a Teacher),
}
