//! [`Plan`]: everything that depends on the image size, namely programs, memory and the positions of wires
//! for the host.

use bonsai_graph::{NodeId, Shape, Size};
use bonsai_kernels::KernelError;

use super::arena::Arena;
use super::backend::Backend;
use super::folded::Folded;
use super::host_wire::HostWire;
use super::layers::ProgramContext;
use super::network::Network;
use super::params::ParamMap;
use super::units::{by_depth, units};
use super::{eval, train};
use crate::need::bytes_of;
use crate::{ExecError, Mode};

/// Largest size of a wire in bytes: more than any machine has, and small enough that sums over all wires do
/// not overflow.
pub(crate) const MOST_BYTES: u64 = 1 << 46;

/// Identifies a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) mode: Mode,
    /// Number of images in the batch.
    pub(crate) n: usize,
    /// Height, px.
    pub(crate) h: usize,
    /// Width, px.
    pub(crate) w: usize,
    /// Tapped layers in ascending order, without duplicates.
    pub(crate) taps: Vec<NodeId>,
}

/// The programs for one image size.
pub(crate) struct Plan<P> {
    pub(crate) key: Key,
    /// Computes from the folded parameters what inference on this size reads; empty in training.
    pub(crate) prepare: P,
    pub(crate) forward: P,
    /// Empty in inference.
    pub(crate) backward: P,
    pub(crate) images: HostWire,
    pub(crate) outputs: Vec<HostWire>,
    pub(crate) taps: Vec<HostWire>,
    pub(crate) upstream: Vec<HostWire>,
    pub(crate) input_gradient: Option<HostWire>,
    /// Number of values in the activations.
    pub(crate) activations_len: usize,
}

/// Makes plans for a network.
pub(crate) struct Planner<'a, B> {
    pub(crate) network: &'a Network,
    pub(crate) params: &'a ParamMap,
    pub(crate) backend: B,
}

impl<B: Backend> Planner<'_, B> {
    /// The folded parameters of inference with these taps. The graph must be able to run on images of this
    /// size.
    pub(crate) fn fold(&self, key: &Key) -> Result<Folded<B>, ExecError> {
        let shapes = self.shapes(key)?;
        let mut arena = Arena::default();
        let layers = self.layers(key, &shapes, &mut arena);
        let graph = &self.network.graph;
        Ok(Folded::new(&layers, by_depth(graph, units(graph, &key.taps)))?)
    }

    /// Writes the programs twice: a draft to find the lifetimes of tensors, then with their positions.
    /// Inference needs `folded`.
    pub(crate) fn plan(&self, key: &Key, folded: Option<&Folded<B>>) -> Result<Plan<B::Program>, ExecError> {
        let shapes = self.shapes(key)?;
        let mut arena = Arena::default();
        let draft = self.write(key, &shapes, folded, &mut arena)?;
        let activations_len = arena.place([&draft.forward, &draft.backward]);
        let plan = self.write(key, &shapes, folded, &mut arena)?;
        Ok(Plan { activations_len, ..plan })
    }

    /// Shapes of all wires; an error if a wire is too large.
    fn shapes(&self, key: &Key) -> Result<Vec<Shape>, ExecError> {
        let shapes = self.network.graph.shapes(Size { height: key.h, width: key.w })?;
        if shapes.iter().any(|shape| bytes_of(key.n, *shape) > MOST_BYTES) {
            return Err(KernelError::TooLarge { what: "the output of a layer" }.into());
        }
        Ok(shapes)
    }

    fn layers<'a>(&'a self, key: &Key, shapes: &'a [Shape], arena: &'a mut Arena) -> ProgramContext<'a, B> {
        let Self { network, params, backend } = *self;
        ProgramContext { network, params, backend, n: key.n, shapes, arena, values: Vec::new() }
    }

    fn write(
        &self,
        key: &Key,
        shapes: &[Shape],
        folded: Option<&Folded<B>>,
        arena: &mut Arena,
    ) -> Result<Plan<B::Program>, ExecError> {
        let layers = self.layers(key, shapes, arena);
        let empty = || self.backend.program();
        let plan = |images| Plan {
            key: key.clone(),
            prepare: empty(),
            forward: empty(),
            backward: empty(),
            images,
            outputs: Vec::new(),
            taps: Vec::new(),
            upstream: Vec::new(),
            input_gradient: None,
            activations_len: 0,
        };
        Ok(match folded {
            None => {
                let graph = &self.network.graph;
                let kept = self.network.rounding.kept(graph, &key.taps);
                let made = train::write(layers, &units(graph, &kept), &key.taps)?;
                Plan {
                    forward: made.forward,
                    backward: made.backward,
                    outputs: made.outputs,
                    taps: made.taps,
                    upstream: made.upstream,
                    input_gradient: made.input_gradient,
                    ..plan(made.images)
                }
            }
            Some(folded) => {
                let made = eval::write(layers, folded, &key.taps)?;
                Plan {
                    prepare: made.prepare,
                    forward: made.forward,
                    outputs: made.outputs,
                    taps: made.taps,
                    ..plan(made.images)
                }
            }
        })
    }
}
