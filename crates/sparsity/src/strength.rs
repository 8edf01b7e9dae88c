//! How strong L1 is to be: as a number, or by what it is to achieve.

use serde::{Deserialize, Serialize};

/// A strength as it is asked for. Read and written as a number (`0.01`), as `{ travel = 1.75 }`, `{ loss = 0.1 }` or
/// `{ of_gamma = 0.3 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Strength {
    /// What is added to a gradient, times the sign of the parameter.
    Lambda(f64),
    /// As strong as it takes to move a parameter so far over the whole training, see [`Travel`](crate::Travel).
    Travel(f64),
    /// As strong as it can be while the detection loss stays within this fraction above the loss without L1, see
    /// [`BoundedL1`](crate::BoundedL1). On gammas alone.
    Loss(f64),
    /// This fraction of the strength on gammas. On betas alone.
    OfGamma(f64),
}

impl Strength {
    /// The number in it, whichever it is.
    pub(crate) const fn number(self) -> f64 {
        match self {
            Self::Lambda(number) | Self::Travel(number) | Self::Loss(number) | Self::OfGamma(number) => {
                number
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a strength of L1 is a number, `{ travel = DISTANCE }`, on gamma `{ loss = FRACTION }`, on beta `{ of_gamma = FRACTION }`"
)]
enum Written {
    Lambda(f64),
    Travel(TravelKey),
    Loss(LossKey),
    OfGamma(OfGammaKey),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TravelKey {
    travel: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LossKey {
    loss: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfGammaKey {
    of_gamma: f64,
}

impl From<Written> for Strength {
    fn from(written: Written) -> Self {
        match written {
            Written::Lambda(lambda) => Self::Lambda(lambda),
            Written::Travel(TravelKey { travel }) => Self::Travel(travel),
            Written::Loss(LossKey { loss }) => Self::Loss(loss),
            Written::OfGamma(OfGammaKey { of_gamma }) => Self::OfGamma(of_gamma),
        }
    }
}

impl From<Strength> for Written {
    fn from(strength: Strength) -> Self {
        match strength {
            Strength::Lambda(lambda) => Self::Lambda(lambda),
            Strength::Travel(travel) => Self::Travel(TravelKey { travel }),
            Strength::Loss(loss) => Self::Loss(LossKey { loss }),
            Strength::OfGamma(of_gamma) => Self::OfGamma(OfGammaKey { of_gamma }),
        }
    }
}
