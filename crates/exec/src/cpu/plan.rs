//! Everything that depends on the size of the images: programs, memory, and where the host finds what.

use bonsai_graph::{NodeId, Shape};
use bonsai_kernels::{Isa, KernelError, Program, WinogradMode};

use super::arena::Arena;
use super::folded::Folded;
use super::layers::{HostWire, Network, ProgramContext};
use super::params::Params;
use super::{eval, train, units};
use crate::memory::bytes_of;
use crate::{ExecError, Mode};

/// Most bytes of a wire: no machine has more, and sums over all wires stay far from overflow.
const MOST_BYTES: u64 = 1 << 46;

/// What a plan is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) mode: Mode,
    /// Images in the batch.
    pub(super) n: usize,
    /// Height, px.
    pub(super) h: usize,
    /// Width, px.
    pub(super) w: usize,
    /// In ascending order, each once.
    pub(super) taps: Vec<NodeId>,
}

/// The programs for one size of images.
pub(super) struct Plan {
    pub(super) key: Key,
    /// Makes of folded parameters what inference on this size reads; empty in training.
    pub(super) prepare: Program,
    pub(super) forward: Program,
    /// Empty in inference.
    pub(super) backward: Program,
    pub(super) images: HostWire,
    pub(super) outputs: Vec<HostWire>,
    pub(super) taps: Vec<HostWire>,
    pub(super) upstream: Vec<HostWire>,
    pub(super) input_gradient: Option<HostWire>,
    /// Values that the activations need.
    pub(super) activations_len: usize,
    /// Folded parameters of its own, if it has taps.
    pub(super) folded: Option<Folded>,
    /// The version of the parameters that `prepare` ran on.
    pub(super) prepared_from: Option<u64>,
    /// When it was used last, for dropping old plans.
    pub(super) used: u64,
}

/// What plans are made from.
pub(super) struct Planner<'a> {
    pub(super) network: &'a Network,
    pub(super) params: &'a Params,
    pub(super) isa: Isa,
    pub(super) winograd: WinogradMode,
}

impl Planner<'_> {
    /// The folded parameters of inference with these taps; images of this size must be possible.
    pub(super) fn fold(&self, key: &Key) -> Result<Folded, ExecError> {
        let shapes = self.shapes(key)?;
        let mut arena = Arena::default();
        let layers = self.layers(key, &shapes, &mut arena);
        let graph = &self.network.graph;
        Ok(Folded::new(&layers, units::by_depth(graph, units::units(graph, &key.taps)))?)
    }

    /// Writes the programs twice: to learn what lives when, and with the places found. Inference needs `folded`.
    pub(super) fn plan(&self, key: &Key, folded: Option<&Folded>) -> Result<Plan, ExecError> {
        let shapes = self.shapes(key)?;
        let mut arena = Arena::default();
        let draft = self.write(key, &shapes, folded, &mut arena)?;
        let activations_len = arena.place([&draft.forward, &draft.backward]);
        let plan = self.write(key, &shapes, folded, &mut arena)?;
        Ok(Plan { activations_len, ..plan })
    }

    /// Sizes of all wires, whose values can be counted.
    fn shapes(&self, key: &Key) -> Result<Vec<Shape>, ExecError> {
        let shapes = self.network.graph.shapes(key.h, key.w)?;
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
