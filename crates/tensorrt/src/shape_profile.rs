//! [`ShapeProfile`]: the sizes that an input of dynamic shape may take.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Sizes that an input of dynamic shape may take.
///
/// Written `images:1x3x640x640,4x3x640x640,16x3x640x640`: smallest, preferred, largest; a single shape stands
/// for all three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShapeProfile {
    /// Name of the input, `images` for Bonsai's exports.
    pub input: String,
    /// Smallest shape, NCHW.
    pub min: Vec<usize>,
    /// Shape to optimise for.
    pub opt: Vec<usize>,
    /// Largest shape.
    pub max: Vec<usize>,
}

/// Error for a text that is not a valid profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The text has another form.
    #[error(
        "shape profile `{text}` is not of the form INPUT:MIN,OPT,MAX with shapes such as 1x3x640x640 \
         (or INPUT:SHAPE)"
    )]
    Form {
        /// The text.
        text: String,
    },
    /// The three shapes do not fit together.
    #[error(
        "shape profile of input `{input}`: min {min:?}, opt {opt:?} and max {max:?} must have the same rank, \
         no zeros, and rise in every dimension"
    )]
    Shapes {
        /// Name of the input.
        input: String,
        /// Smallest shape given.
        min: Vec<usize>,
        /// Preferred shape given.
        opt: Vec<usize>,
        /// Largest shape given.
        max: Vec<usize>,
    },
}

impl ShapeProfile {
    /// Checks that the three shapes have one rank, no zeros, and rise in every dimension.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Shapes`].
    pub fn check(&self) -> Result<(), ProfileError> {
        let Self { input, min, opt, max } = self;
        let same_rank = min.len() == opt.len() && opt.len() == max.len() && !min.is_empty();
        let rises = |a: &[usize], b: &[usize]| a.iter().zip(b).all(|(a, b)| a <= b);
        if same_rank && !min.contains(&0) && rises(min, opt) && rises(opt, max) {
            return Ok(());
        }
        let input = input.clone();
        let min = min.clone();
        let opt = opt.clone();
        let max = max.clone();
        Err(ProfileError::Shapes { input, min, opt, max })
    }
}

/// A shape as `trtexec` writes it: `1x3x640x640`.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let dims: Vec<String> = shape.iter().map(ToString::to_string).collect();
    dims.join("x")
}

impl fmt::Display for ShapeProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, opt, max] = [&self.min, &self.opt, &self.max].map(|shape| shape_text(shape));
        write!(f, "{}:{min},{opt},{max}", self.input)
    }
}

impl FromStr for ShapeProfile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let form = || ProfileError::Form { text: text.to_owned() };
        // Split from the right, because names of tensors may contain colons.
        let (input, shapes) = text.rsplit_once(':').ok_or_else(form)?;
        let shape = |text: &str| -> Result<Vec<usize>, ProfileError> {
            text.split('x').map(|dim| dim.trim().parse().map_err(|_| form())).collect()
        };
        let shapes: Vec<Vec<usize>> = shapes.split(',').map(shape).collect::<Result<_, _>>()?;
        let (min, opt, max) = match shapes.as_slice() {
            [only] => (only, only, only),
            [min, opt, max] => (min, opt, max),
            _ => return Err(form()),
        };
        if input.is_empty() {
            return Err(form());
        }
        let profile = Self { input: input.to_owned(), min: min.clone(), opt: opt.clone(), max: max.clone() };
        profile.check()?;
        Ok(profile)
    }
}

impl TryFrom<String> for ShapeProfile {
    type Error = ProfileError;

    fn try_from(text: String) -> Result<Self, ProfileError> {
        text.parse()
    }
}

impl From<ShapeProfile> for String {
    fn from(profile: ShapeProfile) -> Self {
        profile.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{ProfileError, ShapeProfile};

    #[test]
    fn text_and_profile_are_the_same() {
        let text = "images:1x3x64x64,4x3x64x64,16x3x640x640";
        let profile: ShapeProfile = text.parse().unwrap();
        assert_eq!((profile.input.as_str(), profile.opt.as_slice()), ("images", [4, 3, 64, 64].as_slice()));
        assert_eq!(profile.to_string(), text);
        let one: ShapeProfile = "in:0:2x3".parse().unwrap();
        assert_eq!((one.input.as_str(), one.min, one.max), ("in:0", vec![2, 3], vec![2, 3]));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "images",
            "images:",
            ":1x3",
            "images:1x3,2x3",
            "images:1xx3",
            "images:1x-3",
            "a:1x3,1x3,1x3,1x3",
        ] {
            assert!(matches!(text.parse::<ShapeProfile>(), Err(ProfileError::Form { .. })), "{text}");
        }
        for text in ["i:2x3,1x3,4x3", "i:1x3,8x3,4x3", "i:1x3,1x3x1,4x3", "i:0x3,1x3,4x3"] {
            assert!(matches!(text.parse::<ShapeProfile>(), Err(ProfileError::Shapes { .. })), "{text}");
        }
    }
}
