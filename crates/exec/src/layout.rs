//! [`ParamLayout`]: positions of the parameters in the flat buffers of an executor.
//!
//! Trained parameters are ordered by role, so that the parameters of one role form one range: kernels,
//! biases, gammas, betas. Running statistics form a second buffer: means, variances.

use std::ops::Range;

use bonsai_graph::{Graph, ParamRole, ParamSpec};

/// Position of one parameter.
#[derive(Debug, Clone)]
pub struct ParamSlot {
    /// The parameter.
    pub spec: ParamSpec,
    /// Index of its first scalar in its buffer: the buffer of trained parameters or the buffer of statistics.
    pub offset: usize,
}

/// Positions of all parameters of a graph.
#[derive(Debug, Clone)]
pub struct ParamLayout {
    slots: Vec<ParamSlot>,
    ranges: [Range<usize>; 6],
}

impl ParamLayout {
    /// Assigns a position to every parameter of `graph`.
    pub fn from_graph(graph: &Graph) -> Self {
        let params = graph.params();
        let mut slots = Vec::with_capacity(params.len());
        let mut end = [0usize; 2];
        let ranges = ParamRole::ALL.map(|role| {
            let buffer = usize::from(!role.is_trained());
            let start = end[buffer];
            for spec in params.iter().filter(|s| s.role == role) {
                slots.push(ParamSlot { spec: spec.clone(), offset: end[buffer] });
                end[buffer] += spec.len();
            }
            start..end[buffer]
        });
        Self { slots, ranges }
    }

    /// All positions, role by role.
    pub fn slots(&self) -> &[ParamSlot] {
        &self.slots
    }

    /// The range of one role in its buffer.
    pub fn range(&self, role: ParamRole) -> Range<usize> {
        self.ranges[role_index(role)].clone()
    }

    /// Number of trained scalars.
    pub fn trained_len(&self) -> usize {
        self.range(ParamRole::BnBeta).end
    }

    /// Number of running statistics.
    pub fn statistics_len(&self) -> usize {
        self.range(ParamRole::BnVar).end
    }
}

/// Position of a role in [`ParamRole::ALL`].
pub(crate) fn role_index(role: ParamRole) -> usize {
    ParamRole::ALL.iter().position(|r| *r == role).expect("every role is listed")
}
