//! The fast executor for the CPU: the graph compiled to programs of `bonsai-kernels`.
//!
//! Tensors are NHWC with channels in padded segments ([`cuts`]); concats and slices are views ([`placement`]); layers
//! run fused ([`units`]); memory is planned once per image size ([`arena`]); forward ([`train`]), backward
//! ([`backward`], [`gradients`]) and inference ([`eval`]) are programs, the optimiser step is two passes over flat buffers ([`params`],
//! [`update`]). Nothing here computes a layer.
//!
//! Invariants: the same inputs on the same instruction set give the same bits with any number of threads; padding is zero
//! in every buffer; a pass allocates what it returns and a few words per stage, no more.

mod arena;
mod backward;
mod cuts;
mod eval;
mod gradients;
mod layers;
mod options;
mod params;
mod placement;
mod plan;
#[cfg(test)]
mod tests;
mod train;
mod units;
mod update;

use std::fmt;
use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, Node, NodeId};
use bonsai_kernels::layout::{from_nchw, images_to_nhwc, to_nchw};
use bonsai_kernels::{Buffer as Memory, Isa, Nhwc, Program, Team, WinogradMode};

use crate::{Buffer, ExecError, Executor, Mode, UpdateReport, UpdateRule};
use layers::{HostWire, Network};
use params::Params;
use plan::{Key, Plan};

pub use options::CpuOptions;

/// Plans kept at a time: training and evaluation on a few sizes.
const MAX_PLANS: usize = 8;

/// Time that threads spent in one layer, summed over threads. A fused layer's time is its unit's first layer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerTime {
    /// Name of the layer.
    pub node: String,
    /// In forward passes.
    pub forward: Duration,
    /// In backward passes.
    pub backward: Duration,
}

/// Runs a graph with hand-written kernels.
pub struct CpuExecutor {
    network: Network,
    params: Params,
    team: Team,
    isa: Isa,
    winograd: WinogradMode,
    plans: Vec<Plan>,
    activations: Memory,
    taps: Vec<NodeId>,
    /// The plan whose values are in memory.
    last: Option<usize>,
    input_gradient: Option<Array>,
    /// Changes with every change of parameters or statistics.
    version: u64,
    passes: u64,
    timed: bool,
}

impl CpuExecutor {
    /// Takes in a network and its parameters.
    ///
    /// # Errors
    /// [`ExecError::Weights`] if the parameters are not the graph's; [`ExecError::Kernel`] if this machine has no such
    /// instruction set or starts no more threads.
    pub fn new(graph: &Graph, weights: &Weights, options: CpuOptions) -> Result<Self, ExecError> {
        let isa = options.instruction_set()?;
        let network = Network::new(graph);
        Ok(Self {
            params: Params::new(graph, weights, &network.channels)?,
            network,
            team: Team::new(options.threads)?,
            isa,
            winograd: if options.winograd { WinogradMode::Auto } else { WinogradMode::Off },
            plans: Vec::new(),
            activations: Memory::zeroed(0),
            taps: Vec::new(),
            last: None,
            input_gradient: None,
            version: 0,
            passes: 0,
            timed: false,
        })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// Bytes of activations, gradients and temporaries that the passes so far needed at once.
    pub fn activation_bytes(&self) -> usize {
        size_of_val(self.activations.as_slice())
    }

    /// Whether the next passes measure their layers; forgets what was measured.
    pub fn set_timed(&mut self, timed: bool) {
        self.timed = timed;
        let programs = self.plans.iter().flat_map(|p| [&p.prepare, &p.forward, &p.backward]);
        programs.for_each(Program::reset_timings);
    }

    /// What [`CpuExecutor::set_timed`] measured, in the graph's order; layers that took no time are left out.
    pub fn timings(&self) -> Vec<LayerTime> {
        let layer = |node: &Node| LayerTime {
            node: node.name().to_owned(),
            forward: time_in(self.plans.iter().flat_map(|p| [&p.prepare, &p.forward]), node.name()),
            backward: time_in(self.plans.iter().map(|p| &p.backward), node.name()),
        };
        let layers = self.network.graph.nodes().iter().map(layer);
        layers.filter(|l| !(l.forward + l.backward).is_zero()).collect()
    }
}

/// What kernels of that label took.
fn time_in<'a>(programs: impl Iterator<Item = &'a Program>, label: &str) -> Duration {
    programs.flat_map(Program::timings).filter(|(l, _)| *l == label).map(|(_, time)| time).sum()
}

impl CpuExecutor {
    /// The position of a plan for `key`; made if there is none.
    fn plan(&mut self, key: Key) -> Result<usize, ExecError> {
        self.passes += 1;
        let found = self.plans.iter().position(|p| p.key == key);
        let index = if let Some(index) = found {
            index
        } else {
            let plan = Plan::new(key, &self.network, &self.params, (self.isa, self.winograd))?;
            if self.activations.len() < plan.activations_len {
                self.activations = Memory::zeroed(plan.activations_len);
            }
            if self.plans.len() < MAX_PLANS {
                self.plans.push(plan);
                self.plans.len() - 1
            } else {
                let oldest = (0..MAX_PLANS).min_by_key(|i| self.plans[*i].used).unwrap_or(0);
                self.plans[oldest] = plan;
                oldest
            }
        };
        self.plans[index].used = self.passes;
        Ok(index)
    }

    fn run(&mut self, index: usize, program: fn(&Plan) -> &Program) -> Result<(), ExecError> {
        let plan = &mut self.plans[index];
        let mut prepared = std::mem::replace(&mut plan.prepared, Memory::zeroed(0));
        // In the order of `arena::buffers`.
        let mut buffers = [
            &mut self.activations,
            &mut self.params.trained,
            &mut self.params.statistics,
            &mut self.params.gradients,
            &mut prepared,
        ];
        let program = program(plan);
        let result = if self.timed {
            program.run_timed(&self.team, &mut buffers)
        } else {
            program.run(&self.team, &mut buffers)
        };
        plan.prepared = prepared;
        Ok(result?)
    }

    fn upload(&mut self, wire: &HostWire, array: &Array) -> Result<(), ExecError> {
        let [n, c, h, w] = wire.shape;
        let shape = Nhwc::new(n, h, w, c);
        let memory = self.activations.as_mut_slice();
        if wire.view.channels == c && wire.view.ld == c {
            let range = wire.view.offset..wire.view.end();
            return Ok(images_to_nhwc(&self.team, shape, &array.data, &mut memory[range])?);
        }
        Ok(from_nchw(&self.team, shape, &array.data, memory, &wire.view, &wire.segments)?)
    }

    fn download(&self, wire: &HostWire) -> Result<Array, ExecError> {
        let [n, c, h, w] = wire.shape;
        let mut array = Array::zeros(&wire.shape);
        let memory = self.activations.as_slice();
        to_nchw(&self.team, Nhwc::new(n, h, w, c), memory, &wire.view, &wire.segments, &mut array.data)?;
        Ok(array)
    }
}

impl Executor for CpuExecutor {
    fn graph(&self) -> &Graph {
        &self.network.graph
    }

    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError> {
        self.last = None;
        let [n, c, h, w] = dims(images, "images")?;
        let shape_error = |expected: String| {
            let what = "the image batch".to_owned();
            Err(ExecError::Shape { what, got: images.shape[1..].to_vec(), expected })
        };
        let wanted = self.graph().node(self.graph().input()).channels();
        if c != wanted {
            return shape_error(format!("{wanted} channels, as the network's input"));
        }
        if n == 0 {
            return shape_error("at least one image".to_owned());
        }
        let index = self.plan(Key { mode, n, h, w, taps: self.taps.clone() })?;
        if mode == Mode::Eval && self.plans[index].prepared_from != Some(self.version) {
            self.run(index, |p| &p.prepare)?;
            self.plans[index].prepared_from = Some(self.version);
        }
        let wire = self.plans[index].images.clone();
        self.upload(&wire, images)?;
        if mode == Mode::Train {
            self.version += 1;
        }
        self.run(index, |p| &p.forward)?;
        let outputs = self.plans[index].outputs.iter().map(|wire| self.download(wire)).collect();
        self.last = Some(index);
        outputs
    }

    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError> {
        let index = match self.last.take() {
            Some(index) if self.plans[index].key.mode == Mode::Train => index,
            _ => return Err(ExecError::NoForward { what: "backward" }),
        };
        let upstream = self.plans[index].upstream.clone();
        if upstream.len() != output_gradients.len() {
            let (expected, got) = (upstream.len(), output_gradients.len());
            return Err(ExecError::GradientCount { expected, got });
        }
        for (wire, array) in upstream.iter().zip(output_gradients) {
            let what = format!("the gradient at `{}`", self.graph().node(wire.node).name());
            if dims(array, &what)? != wire.shape {
                let expected = format!("{:?}, as the output", wire.shape);
                return Err(ExecError::Shape { what, got: array.shape.clone(), expected });
            }
        }
        for (wire, array) in upstream.iter().zip(output_gradients) {
            self.upload(wire, array)?;
        }
        self.run(index, |p| &p.backward)?;
        let input_gradient = self.plans[index].input_gradient.as_ref();
        self.input_gradient = input_gradient.map(|wire| self.download(wire)).transpose()?;
        Ok(())
    }

    fn set_taps(&mut self, nodes: &[NodeId]) {
        self.taps = nodes.to_vec();
        self.taps.sort_unstable();
        self.taps.dedup();
    }

    fn tap(&self, node: NodeId) -> Result<Array, ExecError> {
        let taps = self.last.map(|index| self.plans[index].taps.as_slice());
        let wire = taps.and_then(|taps| taps.iter().find(|wire| wire.node == node));
        self.download(wire.ok_or(ExecError::NoForward { what: "a tap" })?)
    }

    fn input_gradient(&self) -> Result<Array, ExecError> {
        let what = "the input gradient (with a tap on the input)";
        self.input_gradient.clone().ok_or(ExecError::NoForward { what })
    }

    fn read(&self, buffer: Buffer) -> Result<Weights, ExecError> {
        Ok(self.params.read(buffer))
    }

    fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError> {
        self.version += 1;
        self.params.write(buffer, weights)
    }

    fn zero_gradients(&mut self) -> Result<(), ExecError> {
        self.params.gradients.as_mut_slice().fill(0.0);
        Ok(())
    }

    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError> {
        self.version += 1;
        Ok(update::update(rule, &mut self.params, &self.team))
    }

    fn set_timing(&mut self, on: bool) {
        self.set_timed(on);
    }

    fn timings(&self) -> Vec<(String, Duration)> {
        let layers = self.timings();
        let passes = layers.into_iter().flat_map(|l| {
            [(format!("{} forward", l.node), l.forward), (format!("{} backward", l.node), l.backward)]
        });
        passes.filter(|(_, time)| !time.is_zero()).collect()
    }
}

impl fmt::Debug for CpuExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.network.graph.nodes().len();
        let mut text = f.debug_struct("CpuExecutor");
        text.field("layers", &layers).field("isa", &self.isa.name()).field("threads", &self.threads());
        text.finish_non_exhaustive()
    }
}

/// The four dimensions of an image tensor.
fn dims(array: &Array, what: &str) -> Result<[usize; 4], ExecError> {
    array.shape.as_slice().try_into().map_err(|_| {
        let expected = "4 dimensions [n, c, h, w]".to_owned();
        ExecError::Shape { what: what.to_owned(), got: array.shape.clone(), expected }
    })
}
