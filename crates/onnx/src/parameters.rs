//! [`Parameters`]: the weights of the network, as the file stores them.

use bonsai_checkpoint::Weights;

use crate::OnnxError;
use crate::element::Element;
use crate::too_large::TooLarge;

/// The network's weights, as the file will store them.
pub(crate) struct Parameters<'a> {
    pub(crate) weights: &'a Weights,
    pub(crate) element: Element,
    /// Tensors met so far with weights that 16 bits cannot hold.
    pub(crate) too_large: Vec<TooLarge>,
}

impl Parameters<'_> {
    /// Shape and values of a parameter; all values must be finite.
    pub(crate) fn read(&self, name: &str) -> Result<(&[usize], &[f32]), OnnxError> {
        let array = self.weights.require(name)?;
        match array.data().iter().enumerate().find(|(_, v)| !v.is_finite()) {
            Some((index, value)) => {
                Err(OnnxError::NotFinite { tensor: name.to_owned(), index, value: *value })
            }
            None => Ok((array.shape(), array.data())),
        }
    }
}
