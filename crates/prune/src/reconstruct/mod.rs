//! [`reconstruct`]: refits the kernels that read removed channels, by least squares on sampled activations.
//!
//! A convolution that loses input channels loses their contribution to its outputs. The kept channels of the
//! same image are correlated with the removed ones, so they can provide a part of it. For each such
//! convolution, this module samples input windows of the original network, regresses the contribution of the
//! removed channels on the kept ones, and adds the result to the kernel and to the bias or the running mean of
//! the batch norm after it.
//!
//! Training images decide how much of the fit is used: see [`LeastSquares`].
//!
//! Source: He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017, section 3.1,
//! for a kernel at a time; Bonsai regresses only the missing contribution, so that without any evidence the
//! kernel stays as it was.

mod least_squares;
mod reader;

use std::fmt;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId};
use serde::{Deserialize, Serialize};

use crate::{BoxError, Coupling, PruneError, PrunePlan};
use least_squares::Fit;
use rayon::prelude::*;
use reader::Reader;

/// Returns the outputs `[n, c, h, w]` of the given layers of the original network in evaluation mode. The
/// second argument is the number of the batch; the same number must mean the same images.
pub type ActivationSource<'a> = dyn FnMut(&[NodeId], usize) -> Result<Vec<Array>, BoxError> + 'a;

/// Memory for the sums of the convolutions that are fitted in one pass over the images. A single convolution
/// may need more.
const PASS_BYTES: usize = 256 << 20;

/// What [`reconstruct`] changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reconstruction {
    /// Convolutions that read removed channels.
    pub convs: usize,
    /// Mean over these convolutions: the fraction of the squared error of a constant in place of the missing
    /// contribution that the kept channels remove, on images that were not used for the fit.
    pub explained: f64,
    /// Convolutions whose missing contribution has a mean that could not be restored, because a convolution
    /// without bias is read by a layer that is not a batch norm.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// `refitted 57 convolutions: they restore 71 % of the removed contributions`.
impl fmt::Display for Reconstruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = 100.0 * self.explained;
        write!(
            f,
            "refitted {} convolutions: they restore {percent:.0} % of the removed contributions",
            self.convs
        )?;
        if self.lost.is_empty() {
            return Ok(());
        }
        write!(f, "; the mean contribution could not be restored for {}", self.lost.join(", "))
    }
}

/// Adds to `pruned`, the weights of the network after `plan`, what the kept channels can provide of the
/// contribution of the removed ones.
///
/// `graph` and `weights` are the original network. `activations` is called several times for each of
/// `batches` batches.
///
/// # Errors
/// As [`apply_to_graph`](crate::apply_to_graph()); [`PruneError::Policy`] for fewer than two batches,
/// [`PruneError::Service`] if `activations` fails, or returns arrays of wrong shapes or values that are not
/// finite, [`PruneError::NotFinite`] if a weight is not finite, [`PruneError::Checkpoint`] if `pruned` is not
/// the result of `plan`.
pub fn reconstruct(
    plan: &PrunePlan,
    graph: &Graph,
    weights: &Weights,
    pruned: &mut Weights,
    batches: usize,
    activations: &mut ActivationSource<'_>,
) -> Result<Reconstruction, PruneError> {
    if batches < 2 {
        let field = "reconstruction batches";
        return Err(PruneError::Policy { field, got: batches.to_string(), expected: "at least 2" });
    }
    let kept = plan.kept_channels(&Coupling::from_graph(graph))?;
    let mut result = Reconstruction::default();
    let mut pending = Reader::all(graph, weights, &kept)?;
    while !pending.is_empty() {
        let mut bytes = 0;
        let in_pass = pending
            .iter()
            .take_while(|reader| {
                bytes += reader.bytes();
                bytes <= PASS_BYTES
            })
            .count();
        let mut pass: Vec<Reader<'_>> = pending.drain(..in_pass.max(1)).collect();
        let mut inputs: Vec<NodeId> = pass.iter().map(|reader| reader.input).collect();
        inputs.sort();
        inputs.dedup();
        for batch in 0..batches {
            let failed =
                |source| PruneError::Service { task: format!("reconstruction batch {batch}"), source };
            let arrays = activations(&inputs, batch).map_err(failed)?;
            let sample = |reader: &mut Reader<'_>| {
                let index = inputs.iter().position(|input| *input == reader.input);
                let array = index.and_then(|index| arrays.get(index));
                reader.sample(array.ok_or("too few activations were returned")?, batch, batches)
            };
            pass.par_iter_mut().try_for_each(sample).map_err(failed)?;
        }
        let fits: Vec<(Fit, f64)> = pass.par_iter().map(Reader::fit).collect();
        for (reader, (fit, explained)) in pass.iter().zip(fits) {
            reader.refit(&fit, pruned)?;
            result.lost.extend(reader.loses_constant().map(str::to_owned));
            result.convs += 1;
            result.explained += explained;
        }
    }
    result.explained /= result.convs.max(1) as f64;
    Ok(result)
}
