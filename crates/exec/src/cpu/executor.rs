//! Implements [`Executor`] for [`CpuExecutor`].

use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Quantization};

use super::runner::Pass;
use super::{CpuExecutor, update};
use crate::plan::{Key, Rounding};
use crate::{Buffer, ExecError, Executor, Mode, PenaltyMap, UpdateReport, UpdateRule};

impl Executor for CpuExecutor {
    fn graph(&self) -> &Graph {
        &self.runner.network.graph
    }

    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError> {
        self.last = None;
        let [n, _, h, w] = self.runner.network.image_dims(images)?;
        let key = Key { mode, n, h, w, taps: self.taps.clone() };
        let index = self.runner.plan(&key, &self.params)?;
        self.runner.reserve(index)?;
        match mode {
            Mode::Eval => self.runner.prepare(index, &mut self.params, self.version)?,
            Mode::Train => self.version += 1,
        }
        let mut outputs = Vec::new();
        self.runner.forward(index, images, &mut self.params, &mut outputs)?;
        self.last = Some(index);
        Ok(outputs)
    }

    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError> {
        let index = match self.last.take() {
            Some(index) if self.runner.plan_at(index).key.mode == Mode::Train => index,
            _ => return Err(ExecError::NoForward),
        };
        let upstream = self.runner.plan_at(index).upstream.clone();
        self.runner.network.check_gradients(&upstream, output_gradients)?;
        for (wire, array) in upstream.iter().zip(output_gradients) {
            self.runner.upload(wire, array)?;
        }
        self.runner.run(index, Pass::Backward, &mut self.params)?;
        let input_gradient = self.runner.plan_at(index).input_gradient.as_ref();
        self.input_gradient = input_gradient.map(|wire| self.runner.download(wire)).transpose()?;
        Ok(())
    }

    fn set_taps(&mut self, nodes: &[NodeId]) {
        self.taps = nodes.to_vec();
        self.taps.sort_unstable();
        self.taps.dedup();
    }

    fn tap(&self, node: NodeId) -> Result<Array, ExecError> {
        let taps = self.last.map(|index| self.runner.plan_at(index).taps.as_slice());
        let wire = taps.and_then(|taps| taps.iter().find(|wire| wire.node == node));
        self.runner.download(wire.ok_or_else(|| ExecError::not_kept(self.graph(), node))?)
    }

    fn input_gradient(&self) -> Result<Array, ExecError> {
        self.input_gradient.clone().ok_or(ExecError::NoInputGradient)
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

    fn exchange_gradients(&mut self, exchange: &mut dyn FnMut(&mut [f32])) -> Result<(), ExecError> {
        exchange(self.params.gradients.as_mut_slice());
        Ok(())
    }

    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError> {
        self.version += 1;
        update::update(rule, &mut self.params, &self.runner.team)
    }

    fn freeze(&mut self, names: &[String]) -> Result<(), ExecError> {
        self.params.freeze(names)
    }

    fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        self.params.penalise(map)
    }

    fn set_rounding(&mut self, codes: Option<&Quantization>) -> Result<(), ExecError> {
        let rounding = match codes {
            Some(codes) => Rounding::new(self.graph(), codes)?,
            None => Rounding::default(),
        };
        self.last = None;
        self.runner.set_rounding(rounding);
        Ok(())
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
