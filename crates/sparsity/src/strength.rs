//! How strong L1 is to be: as a number, or by what it is to achieve.

use serde::{Deserialize, Serialize};

/// A strength as it is asked for. Read and written as a number (`0.01`) or as `{ travel = 1.75 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Strength {
    /// What is added to a gradient, times the sign of the parameter.
    Lambda(f64),
    /// As strong as it takes to move a parameter so far over the whole training, see [`Travel`](crate::Travel).
    Travel(f64),
}

impl Strength {
    /// The number in it, whichever it is.
    pub(crate) const fn number(self) -> f64 {
        match self {
            Self::Lambda(number) | Self::Travel(number) => number,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a strength of L1 is a number, or `{ travel = DISTANCE }`")]
enum Written {
    Lambda(f64),
    Travel(TravelKey),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TravelKey {
    travel: f64,
}

impl From<Written> for Strength {
    fn from(written: Written) -> Self {
        match written {
            Written::Lambda(lambda) => Self::Lambda(lambda),
            Written::Travel(TravelKey { travel }) => Self::Travel(travel),
        }
    }
}

impl From<Strength> for Written {
    fn from(strength: Strength) -> Self {
        match strength {
            Strength::Lambda(lambda) => Self::Lambda(lambda),
            Strength::Travel(travel) => Self::Travel(TravelKey { travel }),
        }
    }
}
