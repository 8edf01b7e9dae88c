//! [`Plan`]: everything that depends on the image size, namely programs, memory and the positions of wires
//! for the host.

use bonsai_graph::{NodeId, Shape, Size};
use bonsai_kernels::{Isa, KernelError, Program, WinogradMode};

use super::arena::Arena;
use super::folded::Folded;
use super::layers::{HostWire, Network, ProgramContext};
use super::params::Params;
use super::{eval, train, units};
use crate::need::bytes_of;
use crate::{ExecError, Mode};

/// Largest size of a wire in bytes: more than any machine has, and small enough that sums over all wires do
/// not overflow.
const MOST_BYTES: u64 = 1 << 46;

/// Identifies a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) mode: Mode,
    /// Number of images in the batch.
    pub(super) n: usize,
    /// Height, px.
    pub(super) h: usize,
    /// Width, px.
    pub(super) w: usize,
    /// Tapped layers in ascending order, without duplicates.
    pub(super) taps: Vec<NodeId>,
}

/// The programs for one image size.
pub(super) struct Plan {
    pub(super) key: Key,
    /// Computes from the folded parameters what inference on this size reads; empty in training.
    pub(super) prepare: Program,
    pub(super) forward: Program,
    /// Empty in inference.
    pub(super) backward: Program,
    pub(super) images: HostWire,
    pub(super) outputs: Vec<HostWire>,
    pub(super) taps: Vec<HostWire>,
    pub(super) upstream: Vec<HostWire>,
    pub(super) input_gradient: Option<HostWire>,
    /// Number of values in the activations.
    pub(super) activations_len: usize,
    /// Separate folded parameters, if the plan has taps.
    pub(super) folded: Option<Folded>,
    /// Version of the parameters for which `prepare` ran.
    pub(super) prepared_from: Option<u64>,
    /// Pass number of the last use; the least recently used plan is dropped first.
    pub(super) used: u64,
}

/// Makes plans for a network.
pub(super) struct Planner<'a> {
    pub(super) network: &'a Network,
    pub(super) params: &'a Params,
    pub(super) isa: Isa,
    pub(super) winograd: WinogradMode,
}

impl Planner<'_> {
    /// The folded parameters of inference with these taps. The graph must be able to run on images of this
    /// size.
    pub(super) fn fold(&self, key: &Key) -> Result<Folded, ExecError> {
        let shapes = self.shapes(key)?;
        let mut arena = Arena::default();
        let layers = self.layers(key, &shapes, &mut arena);
        let graph = &self.network.graph;
        Ok(Folded::new(&layers, units::by_depth(graph, units::units(graph, &key.taps)))?)
    }

    /// Writes the programs twice: a draft to find the lifetimes of tensors, then with their positions.
    /// Inference needs `folded`.
    pub(super) fn plan(&self, key: &Key, folded: Option<&Folded>) -> Result<Plan, ExecError> {
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

    fn layers<'a>(&'a self, key: &Key, shapes: &'a [Shape], arena: &'a mut Arena) -> ProgramContext<'a> {
        let Self { network, params, isa, winograd } = *self;
        ProgramContext { network, params, isa, winograd, n: key.n, shapes, arena, values: Vec::new() }
    }

    fn write(
        &self,
        key: &Key,
        shapes: &[Shape],
        folded: Option<&Folded>,
        arena: &mut Arena,
    ) -> Result<Plan, ExecError> {
        let layers = self.layers(key, shapes, arena);
        let empty = || Program::new(self.isa);
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
            folded: None,
            prepared_from: None,
            used: 0,
        };
        Ok(match folded {
            None => {
                let made = train::write(layers, &units::units(&self.network.graph, &key.taps), &key.taps)?;
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
