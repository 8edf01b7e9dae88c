//! [`need`]: the memory of a plan, computed before allocating.

use std::collections::BTreeMap;

use bonsai_graph::Graph;
use bonsai_kernels::{Operand, Program};

use super::CpuOptions;
use super::backend::CpuBackend;
use crate::plan::{Folded, HostWire, Key, Network, ParamMap, Plan, Planner, buffers};
use crate::{ExecError, MemoryNeed, Mode};

/// See [`memory_need`](crate::memory_need).
pub(super) fn need(
    graph: &Graph,
    mode: Mode,
    [n, h, w]: [usize; 3],
    options: CpuOptions,
) -> Result<MemoryNeed, ExecError> {
    let network = Network::new(graph);
    let params = ParamMap::new(graph, &network.channels);
    let planner = Planner { network: &network, params: &params, backend: CpuBackend::new(options)? };
    let key = Key { mode, n, h, w, taps: Vec::new() };
    let folded = match mode {
        Mode::Train => None,
        Mode::Eval => Some(planner.fold(&key)?),
    };
    let plan = planner.plan(&key, folded.as_ref())?;
    Ok(of(&plan, folded.as_ref(), &params, options.thread_count()))
}

/// Memory of a plan with everything that belongs to it: parameters, folded parameters in inference,
/// activations, the scratch of each thread, and images and outputs on the host.
pub(super) fn of(
    plan: &Plan<Program>,
    folded: Option<&Folded<CpuBackend>>,
    params: &ParamMap,
    threads: usize,
) -> MemoryNeed {
    let [trained, statistics] = params.lens();
    let scratch = [&plan.prepare, &plan.forward, &plan.backward]
        .into_iter()
        .chain(folded.map(|folded| &folded.make))
        .map(Program::scratch_len)
        .max()
        .unwrap_or(0);
    let host = |wires: &[HostWire]| wires.iter().map(|w| w.shape.iter().product::<usize>()).sum::<usize>();
    let images = host(std::slice::from_ref(&plan.images));
    // In training, the gradients of the outputs also exist, in addition to the loss's own copies of the
    // outputs.
    let outputs = host(&plan.outputs) * if plan.key.mode == Mode::Train { 3 } else { 1 };
    let passing = values(plan.activations_len + scratch * threads + images + outputs);
    let Some(folded) = folded else {
        // Parameters, gradients, momentum and average.
        return passing.and(values(4 * trained + 2 * statistics));
    };
    let touched = written(&folded.make, buffers::FOLDED) + written(&plan.prepare, buffers::FOLDED);
    let folded = MemoryNeed { touched: values(touched).touched, ..values(folded.len) };
    // The parameters exist until folding is done.
    passing.and(folded).and(values(trained + statistics))
}

fn values(values: usize) -> MemoryNeed {
    MemoryNeed::all_touched((values as u64).saturating_mul(size_of::<f32>() as u64))
}

/// Number of values that a program writes in a buffer; each position is counted once.
fn written(program: &Program, buffer: usize) -> usize {
    let operands = program.operands().flat_map(|(_, operands)| operands);
    let writes = operands.filter(|o: &&Operand| o.access.writes() && o.view.buffer == buffer);
    let lens: BTreeMap<usize, usize> =
        writes.map(|o| (o.view.offset, o.view.pixels * o.view.channels)).collect();
    lens.values().sum()
}
