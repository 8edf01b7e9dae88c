//! [`Network`]: the parts of a plan that do not depend on the image size.

use bonsai_checkpoint::Array;
use bonsai_graph::Graph;

use super::cuts::{self, Channels};
use super::host_wire::HostWire;
use super::placement::Placement;
use super::rounding::Rounding;
use crate::ExecError;

/// A graph with the positions of its channels and wires.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) graph: Graph,
    pub(crate) channels: Vec<Channels>,
    pub(crate) placement: Placement,
    /// Rounding in training; off at first.
    pub(crate) rounding: Rounding,
}

impl Network {
    pub(crate) fn new(graph: &Graph) -> Self {
        let channels = cuts::channels(graph);
        let placement = Placement::new(graph, &channels);
        Self { graph: graph.clone(), placement, channels, rounding: Rounding::default() }
    }

    /// Checks that images have four dimensions and the channels of the network; returns `[n, c, h, w]`.
    pub(crate) fn image_dims(&self, images: &Array) -> Result<[usize; 4], ExecError> {
        let dims = dims(images, "images")?;
        let wanted = self.graph.node(self.graph.input()).channels();
        let expected = match dims {
            [0, ..] => "at least one image".to_owned(),
            [_, c, ..] if c != wanted => format!("{wanted} channels, as the network's input"),
            _ => return Ok(dims),
        };
        Err(ExecError::Shape {
            what: "the image batch".to_owned(),
            got: images.shape()[1..].to_vec(),
            expected,
        })
    }

    /// Checks that there is one gradient for each output, of the shape of that output.
    pub(crate) fn check_gradients(
        &self,
        upstream: &[HostWire],
        gradients: &[Array],
    ) -> Result<(), ExecError> {
        if upstream.len() != gradients.len() {
            let expected = upstream.len();
            let got = gradients.len();
            return Err(ExecError::GradientCount { expected, got });
        }
        for (wire, array) in upstream.iter().zip(gradients) {
            let what = format!("the gradient at `{}`", self.graph.node(wire.node).name());
            if dims(array, &what)? != wire.shape {
                let expected = format!("{:?}, as the output", wire.shape);
                return Err(ExecError::Shape { what, got: array.shape().to_vec(), expected });
            }
        }
        Ok(())
    }
}

/// The four dimensions of an image tensor.
fn dims(array: &Array, what: &str) -> Result<[usize; 4], ExecError> {
    array.shape().try_into().map_err(|_| {
        let expected = "4 dimensions [n, c, h, w]".to_owned();
        ExecError::Shape { what: what.to_owned(), got: array.shape().to_vec(), expected }
    })
}
