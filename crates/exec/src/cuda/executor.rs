//! [`CudaExecutor`]: trains and evaluates a network on a GPU.

use std::fmt;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId};
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::backend::CudaBackend;
use super::convert::{push_give, values};
use super::image_bytes::ImageBytes;
use super::image_plan::{CudaPlan, Folded};
use super::launcher::{Bases, Launcher, Loaded};
use super::params::CudaParams;
use super::step::CudaProgram;
use super::update;
use crate::candle::out_of_memory;
use crate::eval_only::CheckMemory;
use crate::plan::{HostWire, Key, Network, Planner};
use crate::{
    Buffer, ComputePrecision, Device, ExecError, Executor, HeadPass, Mode, PenaltyMap, UpdateReport,
    UpdateRule,
};

/// Number of plans kept at the same time: training and evaluation on a few sizes.
const MAX_PLANS: usize = 8;

/// Runs a graph on a GPU with the project's own kernels.
pub struct CudaExecutor {
    pub(super) gpu: Launcher,
    backend: CudaBackend,
    pub(super) network: Network,
    params: CudaParams,
    /// The most recently used plan is the last.
    pub(super) plans: Vec<CudaPlan>,
    /// Folded parameters of the last inference.
    folded: Option<FoldedMemory>,
    activations: CudaSlice<f32>,
    pub(super) staging: CudaSlice<f32>,
    image_bytes: ImageBytes,
    /// Positions that the kernels of a head look up.
    pub(super) lists: CudaSlice<i32>,
    pub(super) taps: Vec<NodeId>,
    /// Whether the values of the last plan are in memory.
    pub(super) has_values: bool,
    pub(super) input_gradient: Option<Array>,
    /// Incremented with every change of parameters or statistics.
    version: u64,
}

/// Folded parameters on the GPU.
struct FoldedMemory {
    /// Taps decide which layers are folded.
    taps: Vec<NodeId>,
    folded: Folded,
    make: Loaded,
    memory: CudaSlice<f32>,
    /// Version of the parameters from which the memory was computed.
    made_from: Option<u64>,
}

impl CudaExecutor {
    /// Creates an executor for a network and its parameters on a GPU.
    ///
    /// # Errors
    /// [`ExecError::Weights`] if the parameters do not fit the graph, [`ExecError::Device`] if the GPU cannot be opened,
    /// [`ExecError::NoTensorCores`] if it is too old for the precision.
    pub fn new(
        graph: &Graph,
        weights: &Weights,
        device: Device,
        precision: ComputePrecision,
    ) -> Result<Self, ExecError> {
        let gpu = Launcher::open(device)?;
        let (major, minor) = gpu.compute_capability()?;
        if precision != ComputePrecision::F32 && major < 8 {
            return Err(ExecError::NoTensorCores { device, precision, major, minor });
        }
        let network = Network::new(graph);
        let params = CudaParams::new(&gpu, &network, weights)?;
        let (activations, staging) = (gpu.reserve(0)?, gpu.reserve(0)?);
        Ok(Self {
            image_bytes: ImageBytes::new(&gpu)?,
            lists: gpu.reserve(0)?,
            gpu,
            backend: CudaBackend { precision },
            network,
            params,
            plans: Vec::new(),
            folded: None,
            activations,
            staging,
            taps: Vec::new(),
            has_values: false,
            input_gradient: None,
            version: 0,
        })
    }

    /// Records the launches of a pass as CUDA graphs, which the driver runs with one call each; off by default.
    #[must_use]
    pub fn with_graphs(mut self, on: bool) -> Self {
        self.gpu.record(on);
        self
    }

    /// Makes the plan for `key` the last one, with enough memory for it.
    pub(super) fn use_plan(&mut self, key: &Key) -> Result<(), ExecError> {
        if let Some(found) = self.plans.iter().position(|plan| plan.key == *key) {
            let plan = self.plans.remove(found);
            self.plans.push(plan);
        } else {
            let planner = Planner { network: &self.network, params: &self.params.map, backend: self.backend };
            let folded = self.folded.as_ref().filter(|_| key.mode == Mode::Eval).map(|f| &f.folded);
            let plan = CudaPlan::new(&self.gpu, planner.plan(key, folded)?)?;
            if self.plans.len() == MAX_PLANS {
                self.plans.remove(0);
            }
            self.plans.push(plan);
        }
        let plan = self.plans.last().expect("pushed above");
        if self.activations.len() < plan.activations_len {
            // Free the old memory before allocating the new one.
            self.activations = self.gpu.reserve(0)?;
            self.activations = self.gpu.reserve(plan.activations_len)?;
        }
        if self.staging.len() < plan.staging_len {
            self.staging = self.gpu.reserve(plan.staging_len)?;
        }
        Ok(())
    }

    /// Computes the folded parameters for these taps, unless they were computed from this version.
    fn fold(&mut self, key: &Key) -> Result<(), ExecError> {
        if self.folded.as_ref().is_none_or(|f| f.taps != key.taps) {
            let planner = Planner { network: &self.network, params: &self.params.map, backend: self.backend };
            let mut folded = planner.fold(key)?;
            let make = self.gpu.load(std::mem::take(&mut folded.make))?;
            let memory = self.gpu.zeros(folded.len)?;
            self.folded =
                Some(FoldedMemory { taps: key.taps.clone(), folded, make, memory, made_from: None });
        }
        let bases = self.bases();
        if let Some(folded) = self.folded.as_mut().filter(|f| f.made_from != Some(self.version)) {
            self.gpu.run(&folded.make, &bases)?;
            folded.made_from = Some(self.version);
        }
        Ok(())
    }

    pub(super) fn bases(&self) -> Bases {
        let CudaParams { trained, statistics, gradients, .. } = &self.params;
        let folded = self.folded.as_ref().map_or(0, |f| self.gpu.address(&f.memory));
        let [activations, trained, statistics, gradients, staging] =
            [&self.activations, trained, statistics, gradients, &self.staging].map(|b| self.gpu.address(b));
        // In the order of `Bases`.
        [
            activations,
            trained,
            statistics,
            gradients,
            folded,
            // Halves lie in the activations.
            activations,
            staging,
            self.gpu.address(self.image_bytes.memory()),
        ]
    }

    /// Runs the network; its outputs stay on the GPU.
    pub(super) fn run_network(&mut self, key: &Key, images: &Array) -> Result<(), ExecError> {
        if key.mode == Mode::Eval {
            self.fold(key)?;
        } else {
            self.version += 1;
        }
        self.use_plan(key)?;
        let as_bytes = self.image_bytes.upload(images.data(), &self.gpu)?;
        if !as_bytes {
            self.gpu.upload(images.data(), &mut self.staging, 0)?;
        }
        let bases = self.bases();
        let plan = self.plans.last().expect("a plan is in use");
        self.gpu.run(if as_bytes { &plan.take_bytes } else { &plan.take_images }, &bases)?;
        self.gpu.run(&plan.forward, &bases)
    }

    fn run_forward(&mut self, key: &Key, images: &Array) -> Result<Vec<Array>, ExecError> {
        self.run_network(key, images)?;
        let plan = self.plans.last().expect("a plan is in use");
        self.gpu.run(&plan.give_outputs, &self.bases())?;
        let values = self.gpu.download(&self.staging, plan.images_len..plan.staging_len)?;
        self.has_values = true;
        Ok(split(&plan.outputs, &values))
    }

    fn run_backward(&mut self, gradients: &[Array]) -> Result<Option<Array>, ExecError> {
        let bases = self.bases();
        let plan = self.plans.last().expect("a plan is in use");
        let mut at = plan.images_len;
        for array in gradients {
            self.gpu.upload(array.data(), &mut self.staging, at)?;
            at += array.data().len();
        }
        self.gpu.run(&plan.take_gradients, &bases)?;
        self.gpu.run(&plan.backward, &bases)?;
        plan.input_gradient.as_ref().map(|wire| self.fetch(wire)).transpose()
    }

    /// Copies a wire to the host.
    pub(super) fn fetch(&self, wire: &HostWire) -> Result<Array, ExecError> {
        let mut program = CudaProgram::default();
        push_give(&mut program, wire, 0)?;
        let memory = self.gpu.reserve(values(wire))?;
        let mut bases = self.bases();
        bases[super::launcher::STAGING] = self.gpu.address(&memory);
        self.gpu.run(&self.gpu.load(program)?, &bases)?;
        Ok(Array::new(&wire.shape, self.gpu.download(&memory, 0..values(wire))?))
    }

    /// The last plan, if its values are in memory.
    pub(super) fn last(&self) -> Option<&CudaPlan> {
        self.plans.last().filter(|_| self.has_values)
    }
}

/// Cuts values into the arrays of wires.
fn split(wires: &[HostWire], mut rest: &[f32]) -> Vec<Array> {
    let mut arrays = Vec::with_capacity(wires.len());
    for wire in wires {
        let (own, others) = rest.split_at(values(wire));
        arrays.push(Array::new(&wire.shape, own.to_vec()));
        rest = others;
    }
    arrays
}

impl Executor for CudaExecutor {
    fn graph(&self) -> &Graph {
        &self.network.graph
    }

    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError> {
        self.has_values = false;
        let [n, _, h, w] = self.network.image_dims(images)?;
        let key = Key { mode, n, h, w, taps: self.taps.clone() };
        self.run_forward(&key, images).map_err(|error| out_of_memory(error, mode, [n, h, w]))
    }

    fn head_pass(&mut self) -> Option<&mut dyn HeadPass> {
        Some(self)
    }

    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError> {
        let Some(plan) = self.last().filter(|plan| plan.key.mode == Mode::Train) else {
            self.has_values = false;
            return Err(ExecError::NoForward);
        };
        let size = [plan.key.n, plan.key.h, plan.key.w];
        let fits = self.network.check_gradients(&plan.upstream, output_gradients);
        self.has_values = false;
        fits?;
        let done = self.run_backward(output_gradients);
        self.input_gradient = done.map_err(|error| out_of_memory(error, Mode::Train, size))?;
        Ok(())
    }

    fn set_taps(&mut self, nodes: &[NodeId]) {
        self.taps = nodes.to_vec();
        self.taps.sort_unstable();
        self.taps.dedup();
    }

    fn tap(&self, node: NodeId) -> Result<Array, ExecError> {
        let wire = self.last().and_then(|plan| plan.taps.iter().find(|wire| wire.node == node));
        self.fetch(wire.ok_or_else(|| ExecError::not_kept(self.graph(), node))?)
    }

    fn input_gradient(&self) -> Result<Array, ExecError> {
        self.input_gradient.clone().ok_or(ExecError::NoInputGradient)
    }

    fn read(&self, buffer: Buffer) -> Result<Weights, ExecError> {
        self.params.read(&self.gpu, buffer)
    }

    fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError> {
        self.version += 1;
        self.params.write(&self.gpu, buffer, weights)
    }

    fn zero_gradients(&mut self) -> Result<(), ExecError> {
        let trained = self.params.map.lens()[0];
        self.gpu.zero(&mut self.params.gradients, 0..trained)
    }

    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError> {
        self.version += 1;
        update::update(rule, &mut self.params, &self.gpu)
    }

    fn freeze(&mut self, names: &[String]) -> Result<(), ExecError> {
        self.params.frozen = self.params.map.frozen(names)?;
        Ok(())
    }

    fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        self.params.penalise(map)
    }
}

impl CheckMemory for CudaExecutor {
    /// The driver refuses what does not fit, before any work is lost.
    fn check_memory(&mut self, _: Mode, _: [usize; 3]) -> Result<(), ExecError> {
        Ok(())
    }
}

impl fmt::Debug for CudaExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaExecutor").field("layers", &self.graph().nodes().len()).finish_non_exhaustive()
    }
}
