//! [`Reader`]: a convolution that reads removed channels.

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole};
use nalgebra::DMatrix;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::least_squares::{Fit, LeastSquares};
use crate::param::{checked, checked_mut};
use crate::{BoxError, PruneError};

/// Samples per input of the regression, if the images have that many windows.
const SAMPLES_PER_INPUT: usize = 6;
/// Fewest samples, if the images have that many windows. With few inputs, 6 samples per input would leave the
/// intercept to chance; with this number its standard error is 1/64 of the standard deviation of a target.
const MIN_SAMPLES: usize = 4096;

/// An ungrouped convolution of the original network that loses some of its input channels.
pub(super) struct Reader<'a> {
    /// The layer that the convolution reads.
    pub(super) input: NodeId,
    node: NodeId,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// Channels of `input` before pruning.
    channels: usize,
    kept: &'a [usize],
    removed: Vec<usize>,
    /// Weights of the removed inputs for the kept outputs, `[outputs, removed * kernel * kernel]`.
    removed_weights: DMatrix<f64>,
    name: &'a str,
    weight_name: String,
    /// Shape of the kernel after pruning.
    pruned_shape: [usize; 4],
    /// The parameter that absorbs a constant, and the sign of the constant there.
    constant: Option<(String, f64)>,
    /// Sums over the even and the odd batches; empty until the first sample, to take no memory.
    sums: Option<[LeastSquares; 2]>,
}

impl<'a> Reader<'a> {
    /// All convolutions that lose input channels, in the network's order.
    ///
    /// # Errors
    /// [`PruneError::Checkpoint`] if a weight is missing or has a wrong shape; [`PruneError::NotFinite`].
    pub(super) fn all(
        graph: &'a Graph,
        weights: &Weights,
        kept: &'a [Vec<usize>],
    ) -> Result<Vec<Self>, PruneError> {
        let consumers = graph.consumers();
        let mut readers = Vec::new();
        for (id, node) in graph.iter() {
            let Op::Conv2d { kernel, stride, padding, bias, groups: 1, .. } = *node.op() else { continue };
            let input = node.inputs()[0];
            let channels = graph.node(input).channels();
            let kept_inputs = kept[input.index()].as_slice();
            if kept_inputs.len() == channels {
                continue;
            }
            let spec = graph.node_params(id).into_iter().find(|spec| spec.role == ParamRole::ConvWeight);
            let spec = spec.expect("a convolution has a kernel");
            let weight = checked(weights, &spec)?;
            let area = kernel * kernel;
            if let Some(index) = weight.data().iter().position(|value| !value.is_finite()) {
                let channel = index / (channels * area);
                return Err(PruneError::NotFinite { param: spec.name, channel, value: weight.data()[index] });
            }
            let removed: Vec<usize> =
                (0..channels).filter(|channel| kept_inputs.binary_search(channel).is_err()).collect();
            let outputs = &kept[id.index()];
            let removed_weights = DMatrix::from_fn(outputs.len(), removed.len() * area, |o, column| {
                let channel = removed[column / area];
                f64::from(weight.data()[(outputs[o] * channels + channel) * area + column % area])
            });
            let batch_norm = match consumers[id.index()].as_slice() {
                [only] if matches!(graph.node(*only).op(), Op::BatchNorm { .. }) => Some(*only),
                _ => None,
            };
            let name =
                |node: NodeId, role: ParamRole| format!("{}.{}", graph.node(node).name(), role.suffix());
            let constant = if bias {
                Some((name(id, ParamRole::ConvBias), 1.0))
            } else {
                batch_norm.map(|batch_norm| (name(batch_norm, ParamRole::BnMean), -1.0))
            };
            readers.push(Self {
                input,
                node: id,
                kernel,
                stride,
                padding,
                channels,
                kept: kept_inputs,
                removed,
                removed_weights,
                name: node.name(),
                weight_name: spec.name,
                pruned_shape: [outputs.len(), kept_inputs.len(), kernel, kernel],
                constant,
                sums: None,
            });
        }
        Ok(readers)
    }

    const fn inputs(&self) -> usize {
        self.kept.len() * self.kernel * self.kernel
    }

    /// The name of the convolution if no parameter can take a constant.
    pub(super) fn loses_constant(&self) -> Option<&'a str> {
        self.constant.is_none().then_some(self.name)
    }

    /// Bytes of the sums.
    pub(super) fn bytes(&self) -> usize {
        2 * LeastSquares::bytes(self.inputs(), self.removed_weights.nrows())
    }

    /// Adds windows of one of `batches` batches, drawn at random positions.
    ///
    /// # Errors
    /// If the shape is not that of the layer's output, or a value is not finite.
    pub(super) fn sample(&mut self, input: &Array, batch: usize, batches: usize) -> Result<(), BoxError> {
        let &[images, channels, height, width] = input.shape() else {
            return Err(format!("activations have shape {:?}, expected 4 axes", input.shape()).into());
        };
        if channels != self.channels {
            return Err(format!("activations have {channels} channels, expected {}", self.channels).into());
        }
        let size = |length: usize| {
            (length + 2 * self.padding).checked_sub(self.kernel).map_or(0, |rest| rest / self.stride + 1)
        };
        let windows = images * size(height) * size(width);
        if windows == 0 {
            return Err(format!(
                "activations of shape {:?} have no window of {} px",
                input.shape(),
                self.kernel
            )
            .into());
        }
        let wanted = (SAMPLES_PER_INPUT * self.inputs()).max(MIN_SAMPLES).div_ceil(batches).min(windows);
        let mut rng = ChaCha8Rng::seed_from_u64(batch as u64);
        rng.set_stream(self.node.index() as u64);
        let origins: Vec<[usize; 3]> = (0..wanted)
            .map(|_| {
                let window = rng.random_range(0..windows);
                let image = window / (size(height) * size(width));
                [image, window / size(width) % size(height) * self.stride, window % size(width) * self.stride]
            })
            .collect();
        let area = self.kernel * self.kernel;
        let gather = |selected: &[usize]| {
            DMatrix::from_fn(selected.len() * area, origins.len(), |row, column| {
                let [image, top, left] = origins[column];
                let y = (top + row % area / self.kernel).wrapping_sub(self.padding);
                let x = (left + row % self.kernel).wrapping_sub(self.padding);
                if y >= height || x >= width {
                    return 0.0;
                }
                let plane = image * channels + selected[row / area];
                f64::from(input.data()[(plane * height + y) * width + x])
            })
        };
        let inputs = gather(self.kept);
        let targets = &self.removed_weights * gather(&self.removed);
        if let Some(value) = inputs.iter().chain(&targets).find(|value| !value.is_finite()) {
            return Err(format!(
                "the inputs of `{}` have the value {value}, expected finite numbers: check the weights and running \
                 statistics of the layers before it",
                self.name
            )
            .into());
        }
        let sums = self.sums.get_or_insert_with(|| {
            let empty = LeastSquares::new(inputs.nrows(), targets.nrows());
            [empty.clone(), empty]
        });
        sums[batch % 2].add(&inputs, &targets);
        Ok(())
    }

    /// What the kept channels can provide, and the fraction of variance that it explains.
    pub(super) fn fit(&self) -> (Fit, f64) {
        match &self.sums {
            Some([even, odd]) => even.fit(odd, self.constant.is_some()),
            None => (Fit::zero(self.inputs(), self.removed_weights.nrows()), 0.0),
        }
    }

    /// Adds a fit to the pruned network.
    ///
    /// # Errors
    /// [`PruneError::Checkpoint`] if `pruned` does not have the parameters of the pruned network.
    pub(super) fn refit(&self, fit: &Fit, pruned: &mut Weights) -> Result<(), PruneError> {
        let inputs = self.inputs();
        let weight = checked_mut(pruned, &self.weight_name, &self.pruned_shape)?;
        for (index, value) in weight.data_mut().iter_mut().enumerate() {
            *value = (f64::from(*value) + fit.slope[(index % inputs, index / inputs)]) as f32;
        }
        if let Some((name, sign)) = &self.constant {
            let constant = checked_mut(pruned, name, &self.pruned_shape[..1])?;
            for (value, shift) in constant.data_mut().iter_mut().zip(&fit.intercept) {
                *value = (f64::from(*value) + sign * shift) as f32;
            }
        }
        Ok(())
    }
}
