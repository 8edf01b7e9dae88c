//! [`Runner`]: runs plans, for both training and inference.

use std::time::Duration;

use bonsai_checkpoint::Array;
use bonsai_graph::{Graph, Node};
use bonsai_kernels::layout::{from_nchw, images_to_nhwc, to_nchw};
use bonsai_kernels::{AlignedBuffer, KernelError, Nhwc, Program, Team};
use rayon::prelude::*;

use super::backend::CpuBackend;
use super::params::Params;
use super::{CpuOptions, LayerTime, need};
use crate::need::{least, pass_of};
use crate::plan::{Folded, HostWire, Key, Network, Plan, Planner, Rounding};
use crate::{ExecError, MemoryBudget, Mode};

/// Number of plans kept at the same time: training and evaluation on a few sizes.
const MAX_PLANS: usize = 8;

/// A network, its plans, and all they need to run except the parameters.
pub(super) struct Runner {
    pub(super) network: Network,
    pub(super) team: Team,
    pub(super) backend: CpuBackend,
    plans: Vec<KeptPlan>,
    pub(super) activations: AlignedBuffer,
    /// Folded parameters of plans without taps.
    folded: Option<FoldedMemory>,
    /// Memory that passes may use.
    pub(super) budget: Option<MemoryBudget>,
    passes: u64,
    timed: bool,
}

/// A plan and the state of its inference.
struct KeptPlan {
    plan: Plan<Program>,
    /// Separate folded parameters, if the plan has taps.
    folded: Option<FoldedMemory>,
    /// Version of the parameters for which `prepare` ran.
    prepared_from: Option<u64>,
    /// Pass number of the last use; the least recently used plan is dropped first.
    used: u64,
}

/// Folded parameters with their memory.
struct FoldedMemory {
    folded: Folded<CpuBackend>,
    memory: AlignedBuffer,
    /// Version of the parameters from which the memory was computed.
    made_from: Option<u64>,
}

impl From<Folded<CpuBackend>> for FoldedMemory {
    fn from(folded: Folded<CpuBackend>) -> Self {
        Self { folded, memory: AlignedBuffer::zeroed(0), made_from: None }
    }
}

/// A program of a plan.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pass {
    Forward,
    Backward,
}

impl Runner {
    pub(super) fn new(graph: &Graph, options: CpuOptions) -> Result<Self, ExecError> {
        Ok(Self {
            network: Network::new(graph),
            backend: CpuBackend::new(options)?,
            team: Team::new(options.threads)?,
            plans: Vec::new(),
            activations: AlignedBuffer::zeroed(0),
            folded: None,
            budget: None,
            passes: 0,
            timed: false,
        })
    }

    /// The plan with this index.
    pub(super) fn plan_at(&self, index: usize) -> &Plan<Program> {
        &self.plans[index].plan
    }

    /// Sets the rounding in training; drops the plans of training.
    pub(super) fn set_rounding(&mut self, rounding: Rounding) {
        self.network.rounding = rounding;
        self.plans.retain(|kept| kept.plan.key.mode == Mode::Eval);
    }

    /// Index of the plan for `key`. Makes the plan if there is none and it fits into the budget.
    pub(super) fn plan(&mut self, key: &Key, params: &Params) -> Result<usize, ExecError> {
        self.passes += 1;
        let found = self.plans.iter().position(|p| p.plan.key == *key);
        let index = if let Some(index) = found {
            index
        } else {
            let size = [key.n, key.h, key.w];
            if let Some(budget) = self.budget {
                budget.check(&pass_of(key.mode, size), least(&self.network.graph, size)?)?;
            }
            let plan = self.make(key, params)?;
            if let Some(budget) = self.budget {
                let folded = plan.folded.as_ref().or(self.folded.as_ref()).map(|f| &f.folded);
                let need = need::of(&plan.plan, folded, &params.map, self.team.threads());
                budget.check(&pass_of(key.mode, size), need)?;
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

    fn make(&mut self, key: &Key, params: &Params) -> Result<KeptPlan, ExecError> {
        let planner = Planner { network: &self.network, params: &params.map, backend: self.backend };
        let kept = |plan, folded| KeptPlan { plan, folded, prepared_from: None, used: 0 };
        if key.mode == Mode::Train {
            return Ok(kept(planner.plan(key, None)?, None));
        }
        if !key.taps.is_empty() {
            // The taps decide which layers are folded, so no other plan can use these parameters.
            let folded = planner.fold(key)?;
            let plan = planner.plan(key, Some(&folded))?;
            return Ok(kept(plan, Some(folded.into())));
        }
        if self.folded.is_none() {
            self.folded = Some(planner.fold(key)?.into());
        }
        let folded = self.folded.as_ref().map(|f| &f.folded);
        Ok(kept(planner.plan(key, folded)?, None))
    }

    /// Allocates the activations of a plan.
    pub(super) fn reserve(&mut self, index: usize) -> Result<(), ExecError> {
        let len = self.plan_at(index).activations_len;
        if self.activations.len() < len {
            // Free the old memory before allocating the new one.
            self.activations = AlignedBuffer::zeroed(0);
            self.activations = AlignedBuffer::try_zeroed(len)?;
        }
        Ok(())
    }

    /// Computes the folded parameters of a plan, unless they were computed from this version of the
    /// parameters.
    pub(super) fn prepare(
        &mut self,
        index: usize,
        params: &mut Params,
        version: u64,
    ) -> Result<(), ExecError> {
        let kept = &mut self.plans[index];
        let Some(shared) = kept.folded.as_mut().or(self.folded.as_mut()) else { return Ok(()) };
        let FoldedMemory { folded, memory, made_from } = shared;
        if memory.len() < folded.len {
            *memory = AlignedBuffer::try_zeroed(folded.len)?;
        }
        let mut run = |program| {
            run_on(program, (&self.team, self.timed), &mut self.activations, params, Some(&mut *memory))
        };
        if *made_from != Some(version) {
            run(&folded.make)?;
            *made_from = Some(version);
        }
        if kept.prepared_from != Some(version) {
            run(&kept.plan.prepare)?;
            kept.prepared_from = Some(version);
        }
        Ok(())
    }

    /// Runs a program of a plan.
    pub(super) fn run(&mut self, index: usize, pass: Pass, params: &mut Params) -> Result<(), ExecError> {
        let kept = &mut self.plans[index];
        let program = match pass {
            Pass::Forward => &kept.plan.forward,
            Pass::Backward => &kept.plan.backward,
        };
        let folded = kept.folded.as_mut().or(self.folded.as_mut()).map(|f| &mut f.memory);
        run_on(program, (&self.team, self.timed), &mut self.activations, params, folded)
    }

    /// Runs the network forward and overwrites `outputs`.
    pub(super) fn forward(
        &mut self,
        index: usize,
        images: &Array,
        params: &mut Params,
        outputs: &mut Vec<Array>,
    ) -> Result<(), ExecError> {
        let wire = self.plan_at(index).images.clone();
        self.upload(&wire, images)?;
        self.run(index, Pass::Forward, params)?;
        let wires = &self.plan_at(index).outputs;
        outputs.resize_with(wires.len(), || Array::zeros(&[0]));
        let downloads =
            || wires.par_iter().zip(outputs).try_for_each(|(w, array)| self.download_to(w, array));
        self.team.install(downloads)
    }

    /// Copies a host array to the position where a plan reads it.
    pub(super) fn upload(&mut self, wire: &HostWire, array: &Array) -> Result<(), ExecError> {
        let [n, c, h, w] = wire.shape;
        let shape = Nhwc::new(n, h, w, c);
        let memory = self.activations.as_mut_slice();
        if wire.view.channels == c && wire.view.ld == c {
            let range = wire.view.offset..wire.view.end();
            return Ok(images_to_nhwc(&self.team, shape, array.data(), &mut memory[range])?);
        }
        Ok(from_nchw(&self.team, shape, array.data(), memory, &wire.view, &wire.segments)?)
    }

    /// Copies a wire of a plan to the host.
    pub(super) fn download(&self, wire: &HostWire) -> Result<Array, ExecError> {
        let mut array = Array::zeros(&[0]);
        self.download_to(wire, &mut array)?;
        Ok(array)
    }

    /// Copies a wire into an array, reusing its memory if it has the right shape.
    fn download_to(&self, wire: &HostWire, array: &mut Array) -> Result<(), ExecError> {
        let [n, c, h, w] = wire.shape;
        if array.shape() != wire.shape {
            *array = Array::zeros(&[0]);
            *array = host_array(&wire.shape)?;
        }
        let memory = self.activations.as_slice();
        Ok(to_nchw(&self.team, Nhwc::new(n, h, w, c), memory, &wire.view, &wire.segments, array.data_mut())?)
    }

    /// See [`CpuExecutor::set_timed`](super::CpuExecutor::set_timed).
    pub(super) fn set_timed(&mut self, timed: bool) {
        self.timed = timed;
        let programs = self.plans.iter().flat_map(|p| [&p.plan.forward, &p.plan.backward]);
        programs.for_each(Program::reset_timings);
    }

    /// See [`CpuExecutor::timings`](super::CpuExecutor::timings).
    pub(super) fn timings(&self) -> Vec<LayerTime> {
        let layer = |node: &Node| LayerTime {
            node: node.name().to_owned(),
            forward: time_in(self.plans.iter().map(|p| &p.plan.forward), node.name()),
            backward: time_in(self.plans.iter().map(|p| &p.plan.backward), node.name()),
        };
        let layers = self.network.graph.nodes().iter().map(layer);
        layers.filter(|l| !(l.forward + l.backward).is_zero()).collect()
    }
}

/// An array of zeros on the host, or an error if its memory cannot be allocated.
fn host_array(shape: &[usize]) -> Result<Array, ExecError> {
    let values = shape.iter().product();
    let mut data = Vec::new();
    data.try_reserve_exact(values).map_err(|_| KernelError::Memory { values })?;
    data.resize(values, 0.0);
    Ok(Array::new(shape, data))
}

fn run_on(
    program: &Program,
    (team, timed): (&Team, bool),
    activations: &mut AlignedBuffer,
    params: &mut Params,
    folded: Option<&mut AlignedBuffer>,
) -> Result<(), ExecError> {
    let mut none = AlignedBuffer::zeroed(0);
    // In the order of `arena::buffers`.
    let mut buffers = [
        activations,
        &mut params.trained,
        &mut params.statistics,
        &mut params.gradients,
        folded.unwrap_or(&mut none),
    ];
    let run = if timed { Program::run_timed } else { Program::run };
    Ok(run(program, team, &mut buffers)?)
}

/// Total time of the kernels with this label.
fn time_in<'a>(programs: impl Iterator<Item = &'a Program>, label: &str) -> Duration {
    programs.flat_map(Program::timings).filter(|(l, _)| *l == label).map(|(_, time)| time).sum()
}
