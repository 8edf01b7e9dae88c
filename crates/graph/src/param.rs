//! [`ParamSpec`]: one entry of the parameter list of a graph.
//!
//! Initialisation, weight decay, sparsity, pruning and export select parameters by [`ParamRole`].

use serde::{Deserialize, Serialize};

use crate::{Graph, NodeId, Op};

/// Role of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamRole {
    /// Convolution kernel `[out, in / groups, k, k]`.
    ConvWeight,
    /// Convolution bias `[out]`.
    ConvBias,
    /// Batch-norm scale `[c]`.
    BnGamma,
    /// Batch-norm shift `[c]`.
    BnBeta,
    /// Running mean `[c]`; a statistic, not trained.
    BnMean,
    /// Running variance `[c]`; a statistic, not trained.
    BnVar,
}

impl ParamRole {
    /// All roles, the trained ones first.
    pub const ALL: [Self; 6] =
        [Self::ConvWeight, Self::ConvBias, Self::BnGamma, Self::BnBeta, Self::BnMean, Self::BnVar];

    /// Whether the optimiser updates parameters of this role.
    pub const fn is_trained(self) -> bool {
        match self {
            Self::ConvWeight | Self::ConvBias | Self::BnGamma | Self::BnBeta => true,
            Self::BnMean | Self::BnVar => false,
        }
    }

    /// The part of a parameter name after the layer name and the dot, as in PyTorch state dictionaries.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::ConvWeight | Self::BnGamma => "weight",
            Self::ConvBias | Self::BnBeta => "bias",
            Self::BnMean => "running_mean",
            Self::BnVar => "running_var",
        }
    }
}

/// One parameter of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    /// Name: the layer name, a dot, and the suffix of the role.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Its role.
    pub role: ParamRole,
    /// The layer it belongs to.
    pub node: NodeId,
}

impl ParamSpec {
    /// Number of scalars.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parameter has no scalars; never true for a parameter of a valid graph.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Graph {
    /// All parameters, layer by layer.
    pub fn params(&self) -> Vec<ParamSpec> {
        self.ids().flat_map(|id| self.node_params(id)).collect()
    }

    /// The parameters of one layer.
    pub fn node_params(&self, id: NodeId) -> Vec<ParamSpec> {
        let node = self.node(id);
        let roles: &[(ParamRole, Vec<usize>)] = &match node.op {
            Op::Conv2d { out_channels, kernel, bias, groups, .. } => {
                let shape = vec![out_channels, self.in_channels(id) / groups, kernel, kernel];
                let mut roles = vec![(ParamRole::ConvWeight, shape)];
                if bias {
                    roles.push((ParamRole::ConvBias, vec![out_channels]));
                }
                roles
            }
            Op::BatchNorm { .. } => {
                [ParamRole::BnGamma, ParamRole::BnBeta, ParamRole::BnMean, ParamRole::BnVar]
                    .map(|role| (role, vec![node.channels]))
                    .to_vec()
            }
            Op::Input { .. }
            | Op::Silu
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::MaxPool { .. }
            | Op::Upsample { .. } => Vec::new(),
        };
        roles
            .iter()
            .map(|(role, shape)| ParamSpec {
                name: format!("{}.{}", node.name, role.suffix()),
                shape: shape.clone(),
                role: *role,
                node: id,
            })
            .collect()
    }
}
