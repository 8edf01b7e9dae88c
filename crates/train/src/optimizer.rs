//! [`Optimizer`]: the optimisers of a training, with Ultralytics' names.

use std::fmt;
use std::str::FromStr;

use bonsai_exec::Method;
use serde::{Deserialize, Serialize};

use crate::TrainError;

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
}

impl Optimizer {
    /// All optimisers.
    pub const ALL: [Self; 2] = [Self::Sgd, Self::AdamW];

    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd => "SGD",
            Self::AdamW => "AdamW",
        }
    }

    /// The executor's method for optimiser step `step`, from 1.
    pub const fn method(self, step: u64) -> Method {
        match self {
            Self::Sgd => Method::Sgd,
            Self::AdamW => Method::AdamW { beta2: 0.999, eps: 1e-8, step },
        }
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
            expected: "SGD or AdamW".to_owned(),
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
        ] {
            assert_eq!(serde_json::from_str::<Optimizer>(&format!("\"{text}\"")).unwrap(), optimizer);
        }
        for optimizer in Optimizer::ALL {
            assert_eq!(optimizer.name().parse::<Optimizer>().unwrap(), optimizer);
            assert_eq!(serde_json::to_string(&optimizer).unwrap(), format!("\"{optimizer}\""));
        }
        let text = "RMSProp".parse::<Optimizer>().unwrap_err().to_string();
        assert_eq!(text, "optimizer is `RMSProp`, must be SGD or AdamW");
    }
}
