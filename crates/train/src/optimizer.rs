//! [`Optimizer`]: the optimisers of a training, with Ultralytics' names.

use std::fmt;
use std::str::FromStr;

use bonsai_exec::Method;
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Factor on the mean square of the gradients in the Adams.
const BETA2: f32 = 0.999;
/// Added to the root of the mean square.
const EPS: f32 = 1e-8;
/// Factor on the mean square of the gradients in `RMSProp`; PyTorch's default.
const ALPHA: f32 = 0.99;

/// An optimiser. Written as `SGD` or `AdamW`; read in upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Optimizer {
    /// Stochastic gradient descent with Nesterov momentum.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay: beta1 is the momentum, which does not warm up, beta2 0.999, epsilon
    /// 1e-8.
    AdamW,
    /// Adam with the weight decay in the gradient; otherwise as `AdamW`.
    Adam,
    /// Adam with Nesterov momentum, with the weight decay in the gradient; otherwise as `AdamW`.
    NAdam,
    /// Gradients divided by the root of their mean square (factor 0.99, epsilon 1e-8), with momentum, which warms
    /// up as that of SGD.
    RmsProp,
    /// Chosen by the length of the training: [`TrainConfig::with_named_optimizer`](crate::TrainConfig::with_named_optimizer).
    Auto,
}

impl Optimizer {
    /// All optimisers.
    pub const ALL: [Self; 6] = [Self::Sgd, Self::AdamW, Self::Adam, Self::NAdam, Self::RmsProp, Self::Auto];

    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd => "SGD",
            Self::AdamW => "AdamW",
            Self::Adam => "Adam",
            Self::NAdam => "NAdam",
            Self::RmsProp => "RMSProp",
            Self::Auto => "auto",
        }
    }

    /// The executor's method for optimiser step `step`, from 1. [`train`](crate::train) does not accept `Auto`, whose
    /// method here is that of SGD.
    pub const fn method(self, step: u64) -> Method {
        match self {
            Self::Sgd | Self::Auto => Method::Sgd,
            Self::AdamW => Method::AdamW { beta2: BETA2, eps: EPS, step },
            Self::Adam => Method::Adam { beta2: BETA2, eps: EPS, step },
            Self::NAdam => Method::NAdam { beta2: BETA2, eps: EPS, step },
            Self::RmsProp => Method::RmsProp { alpha: ALPHA, eps: EPS },
        }
    }

    /// Whether the momentum grows during warm-up. Ultralytics warms up the key `momentum` of the parameter groups; the
    /// Adams have betas instead.
    pub(crate) const fn warms_momentum(self) -> bool {
        matches!(self, Self::Sgd | Self::RmsProp | Self::Auto)
    }

    /// The name in checkpoints; `None` for the two that a checkpoint tells apart by its state, as older ones do.
    pub(crate) fn recorded(self) -> Option<String> {
        (!matches!(self, Self::Sgd | Self::AdamW)).then(|| self.name().to_owned())
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Optimizer {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        let found = Self::ALL.into_iter().find(|optimizer| optimizer.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| TrainError::Config {
            field: "optimizer",
            got: format!("`{name}`"),
            expected: "SGD, AdamW, Adam, NAdam, RMSProp or auto".to_owned(),
        })
    }
}

impl TryFrom<String> for Optimizer {
    type Error = TrainError;

    fn try_from(name: String) -> Result<Self, TrainError> {
        name.parse()
    }
}

impl From<Optimizer> for String {
    fn from(optimizer: Optimizer) -> Self {
        optimizer.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_strangers_answered() {
        for (text, optimizer) in [
            ("SGD", Optimizer::Sgd),
            ("sgd", Optimizer::Sgd),
            ("adamw", Optimizer::AdamW),
            ("AdamW", Optimizer::AdamW),
            ("adam", Optimizer::Adam),
            ("NADAM", Optimizer::NAdam),
            ("RMSprop", Optimizer::RmsProp),
            ("Auto", Optimizer::Auto),
        ] {
            assert_eq!(serde_json::from_str::<Optimizer>(&format!("\"{text}\"")).unwrap(), optimizer);
        }
        for optimizer in Optimizer::ALL {
            assert_eq!(optimizer.name().parse::<Optimizer>().unwrap(), optimizer);
            assert_eq!(serde_json::to_string(&optimizer).unwrap(), format!("\"{optimizer}\""));
            assert!(optimizer == Optimizer::Auto || optimizer.method(1).name() == optimizer.name());
        }
        let text = "RAdam".parse::<Optimizer>().unwrap_err().to_string();
        assert_eq!(text, "optimizer is `RAdam`, must be SGD, AdamW, Adam, NAdam, RMSProp or auto");
    }
}
