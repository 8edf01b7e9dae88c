//! [`Strength`]: a configured L1 strength, as a number or by its intended effect.

use serde::{Deserialize, Serialize};

/// A configured strength. Serialised as a number (`0.01`), as `{ travel = 1.75 }`, `{ loss = 0.1 }` or
/// `{ of_gamma = 0.3 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Strength {
    /// Factor of the parameter's sign in the gradient.
    Lambda(f64),
    /// The strength that moves a parameter by this distance over the whole training, see
    /// [`Travel`](crate::Travel).
    Travel(f64),
    /// The largest strength at which the detection loss stays within this fraction above the loss without L1,
    /// see [`BoundedL1`](crate::BoundedL1). Only for gammas.
    Loss(f64),
    /// This fraction of the strength on gammas. Only for betas.
    OfGamma(f64),
}

impl Strength {
    /// The number inside any of the variants.
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
