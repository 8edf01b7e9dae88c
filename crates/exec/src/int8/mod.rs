//! [`Int8Inference`]: runs a quantised network on 8-bit codes.
//!
//! It plans as [`CpuInference`](crate::CpuInference) does: the same positions of wires, fused units and arena.
//! [`constants`] quantises the weights once, [`program`] writes the kernels of an image size, and [`images`]
//! converts between arrays on the host and codes. Results do not depend on the instruction set or the number
//! of threads.

mod buffers;
mod constants;
mod images;
mod options;
mod program;

use std::fmt;
use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Quantization};
use bonsai_kernels::int8::Int8Isa;
use bonsai_kernels::{AlignedBuffer, Program, Team};

use crate::need::{least, pass_of};
use crate::plan::Network;
use crate::{ExecError, Inference, MemoryBudget, MemoryNeed, Mode};
use constants::Constants;
pub use options::Int8Options;
use program::Programs;

/// Number of plans kept at the same time: evaluation on a few sizes.
const MAX_PLANS: usize = 8;

/// Runs a graph with folded batch norm forward on codes, with hand-written kernels.
///
/// Convolutions that compute outputs of the network give `f32` values; everything between is a code of one
/// byte per value.
pub struct Int8Inference {
    network: Network,
    quantization: Quantization,
    isa: Int8Isa,
    team: Team,
    constants: Constants,
    /// Least recently used first.
    plans: Vec<([usize; 3], Programs)>,
    activations: AlignedBuffer,
    taps: Vec<NodeId>,
    /// Size of the last run; its plan is the last one.
    ran: Option<[usize; 3]>,
    budget: Option<MemoryBudget>,
    timed: bool,
    outputs: Vec<Array>,
}

impl Int8Inference {
    /// Quantises the weights of a graph whose batch norms are folded
    /// ([`Checkpoint::fold_batch_norm`](bonsai_checkpoint::Checkpoint::fold_batch_norm)).
    ///
    /// # Errors
    /// [`ExecError::Weights`] if the parameters do not fit the graph, [`ExecError::Graph`] if a wire has no
    /// codes, [`ExecError::Codes`] for a layer that does not run on codes, and [`ExecError::Kernel`] if this
    /// machine lacks the instruction set or cannot start the threads.
    pub fn new(
        graph: &Graph,
        weights: &Weights,
        quantization: &Quantization,
        options: Int8Options,
    ) -> Result<Self, ExecError> {
        let network = Network::new(graph);
        let isa = options.instruction_set()?;
        Ok(Self {
            constants: Constants::new(&network, weights, quantization, isa)?,
            team: Team::new(options.threads)?,
            network,
            quantization: quantization.clone(),
            isa,
            plans: Vec::new(),
            activations: AlignedBuffer::zeroed(0),
            taps: Vec::new(),
            ran: None,
            budget: None,
            timed: false,
            outputs: Vec::new(),
        })
    }

    /// Rejects passes that exceed this budget ([`ExecError::Memory`]) before allocating memory.
    #[must_use]
    pub const fn with_budget(mut self, budget: Option<MemoryBudget>) -> Self {
        self.budget = budget;
        self
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Int8Isa {
        self.isa
    }

    /// Number of bytes of the quantised weights with their scales.
    pub fn constant_bytes(&self) -> usize {
        self.constants.memory.as_bytes().len()
    }

    /// Largest number of bytes that the passes so far needed for activations.
    pub fn activation_bytes(&self) -> usize {
        self.activations.as_bytes().len()
    }

    /// Keeps the codes of these wires for [`Int8Inference::tap`]. Layers are fused less, so that the wires
    /// exist.
    pub fn set_taps(&mut self, wires: &[NodeId]) {
        self.taps = wires.to_vec();
        self.taps.sort_unstable();
        self.taps.dedup();
        self.plans.clear();
        self.ran = None;
    }

    /// The numbers that the codes of a tapped wire stand for, `[n, c, h, w]`, of the last run; `None` if the
    /// wire is not tapped, nothing ran yet, or the memory of another size was checked since.
    pub fn tap(&self, wire: NodeId) -> Option<Array> {
        let index = self.taps.iter().position(|tap| *tap == wire)?;
        let (size, programs) = self.plans.last()?;
        if self.ran != Some(*size) {
            return None;
        }
        let mut array = Array::zeros(&[0]);
        images::download(&self.team, &programs.taps[index], &self.activations, &mut array).ok()?;
        Some(array)
    }

    /// Makes the plan for images `[n, h, w]` the last one.
    fn plan(&mut self, size: [usize; 3]) -> Result<(), ExecError> {
        if let Some(index) = self.plans.iter().position(|(planned, _)| *planned == size) {
            let plan = self.plans.remove(index);
            self.plans.push(plan);
            return Ok(());
        }
        if let Some(budget) = self.budget {
            // A code has a quarter of the bytes of a value.
            let MemoryNeed { touched, reserved } = least(&self.network.graph, size)?;
            let needed = MemoryNeed { touched: touched / 4, reserved: reserved / 4 };
            budget.check(&pass_of(Mode::Eval, size), needed)?;
        }
        let programs =
            Programs::new(&self.network, &self.quantization, &self.constants, &self.taps, self.isa, size)?;
        if let Some(budget) = self.budget {
            let need = MemoryNeed::all_touched(self.need(&programs));
            budget.check(&pass_of(Mode::Eval, size), need)?;
        }
        if self.plans.len() == MAX_PLANS {
            self.plans.remove(0);
        }
        self.plans.push((size, programs));
        Ok(())
    }

    /// Bytes that a plan needs: constants, activations, scratch, and images and outputs on the host.
    fn need(&self, programs: &Programs) -> u64 {
        let host = std::iter::once(&programs.images).chain(&programs.outputs);
        let host: usize = host.map(|wire| wire.host.shape.iter().product::<usize>()).sum();
        let scratch = programs.forward.scratch_len() * self.team.threads();
        let values = programs.activations_len + scratch + host;
        self.constant_bytes() as u64 + (values as u64).saturating_mul(4)
    }
}

impl Inference for Int8Inference {
    fn graph(&self) -> &Graph {
        &self.network.graph
    }

    fn infer(&mut self, images: &Array) -> Result<&[Array], ExecError> {
        let [n, _, h, w] = self.network.image_dims(images)?;
        self.ran = None;
        self.plan([n, h, w])?;
        let Self { plans, activations, constants, team, outputs, timed, .. } = self;
        let (_, programs) = plans.last().expect("the plan was just made");
        if activations.len() < programs.activations_len {
            // Free the old memory before allocating the new one.
            *activations = AlignedBuffer::zeroed(0);
            *activations = AlignedBuffer::try_zeroed(programs.activations_len)?;
        }
        team.install(|| images::upload(&programs.images, images, activations));
        let run = if *timed { Program::run_timed } else { Program::run };
        // In the order of `buffers`.
        run(&programs.forward, team, &mut [activations, &mut constants.memory])?;
        outputs.resize_with(programs.outputs.len(), || Array::zeros(&[0]));
        for (wire, array) in programs.outputs.iter().zip(outputs.iter_mut()) {
            images::download(team, wire, activations, array)?;
        }
        self.ran = Some([n, h, w]);
        Ok(&self.outputs)
    }

    fn check_memory(&mut self, size: [usize; 3]) -> Result<(), ExecError> {
        self.plan(size)
    }

    fn set_timing(&mut self, on: bool) {
        self.timed = on;
        self.plans.iter().for_each(|(_, programs)| programs.forward.reset_timings());
    }

    fn timings(&self) -> Vec<(String, Duration)> {
        let node_time = |name: &str| {
            let all = self.plans.iter().flat_map(|(_, programs)| programs.forward.timings());
            all.filter(|(label, _)| *label == name).map(|(_, time)| time).sum::<Duration>()
        };
        let names = self.network.graph.nodes().iter().map(|node| node.name().to_owned());
        let times = names.map(|name| {
            let time = node_time(&name);
            (name, time)
        });
        times.filter(|(_, time)| !time.is_zero()).collect()
    }
}

impl fmt::Debug for Int8Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Int8Inference");
        text.field("layers", &self.network.graph.nodes().len()).field("isa", &self.isa.name());
        text.finish_non_exhaustive()
    }
}
