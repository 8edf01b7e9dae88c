//! Everything that depends on the size of the images: programs, memory, and where the host finds what.

use bonsai_graph::{NodeId, Shape};
use bonsai_kernels::{Buffer as Memory, Isa, Program, WinogradMode};

use super::arena::Arena;
use super::layers::{HostWire, Layers, Network};
use super::params::Params;
use super::{eval, train, units};
use crate::{ExecError, Mode};

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
    /// Makes of the parameters what inference reads; empty in training.
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
    /// What `prepare` made.
    pub(super) prepared: Memory,
    /// Of which version of the parameters.
    pub(super) prepared_from: Option<u64>,
    /// When it was used last, for dropping old plans.
    pub(super) used: u64,
}

impl Plan {
    /// Writes the programs twice: to learn what lives when, and with the places found.
    pub(super) fn new(
        key: Key,
        network: &Network,
        params: &Params,
        (isa, winograd): (Isa, WinogradMode),
    ) -> Result<Self, ExecError> {
        let shapes = network.graph.shapes(key.h, key.w)?;
        let maker = Maker { network, params, isa, winograd, n: key.n, shapes: &shapes };
        let mut arena = Arena::default();
        let draft = maker.write(&key, &mut arena)?;
        let activations_len = arena.place([&draft.prepare, &draft.forward, &draft.backward]);
        let plan = maker.write(&key, &mut arena)?;
        Ok(Self { key, activations_len, prepared: Memory::zeroed(arena.prepared_len()), ..plan })
    }
}

struct Maker<'a> {
    network: &'a Network,
    params: &'a Params,
    isa: Isa,
    winograd: WinogradMode,
    n: usize,
    shapes: &'a [Shape],
}

impl Maker<'_> {
    fn write(&self, key: &Key, arena: &mut Arena) -> Result<Plan, ExecError> {
        let Self { network, params, isa, winograd, n, shapes } = *self;
        let layers = Layers { network, params, isa, winograd, n, shapes, arena, values: Vec::new() };
        let units = units::units(&network.graph, &key.taps);
        let empty = || Program::new(isa);
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
            prepared: Memory::zeroed(0),
            prepared_from: None,
            used: 0,
        };
        Ok(match key.mode {
            Mode::Train => {
                let made = train::write(layers, &units, &key.taps)?;
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
            Mode::Eval => {
                let made = eval::write(layers, &units, &key.taps)?;
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
