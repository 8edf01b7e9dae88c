//! [`CudaParams`]: all parameters of a network on a GPU, with their gradients, momentum and averages. A [`ParamMap`] has
//! their positions.

use std::ops::Range;

use bonsai_checkpoint::Weights;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::launcher::Launcher;
use crate::frozen::Frozen;
use crate::penalty_map::{Mark, Marks};
use crate::plan::{Network, ParamMap};
use crate::{Buffer, ExecError, PenaltyMap};

/// The buffers, and the position of every parameter.
pub(super) struct CudaParams {
    pub(super) map: ParamMap,
    pub(super) trained: CudaSlice<f32>,
    pub(super) statistics: CudaSlice<f32>,
    pub(super) gradients: CudaSlice<f32>,
    pub(super) momentum: CudaSlice<f32>,
    /// `None` until AdamW uses it; then it is zero.
    pub(super) second_moment: Option<CudaSlice<f32>>,
    pub(super) ema_trained: CudaSlice<f32>,
    pub(super) ema_statistics: CudaSlice<f32>,
    pub(super) frozen: Frozen,
    pub(super) marks: Marks,
    /// The marks of a range on the GPU: 1 where L1 penalises, 0 where it does not.
    marks_on_gpu: Option<(Range<usize>, CudaSlice<f32>)>,
    /// Memory of a step, kept between steps: sums of squares, and the gradient of L1.
    pub(super) sums: CudaSlice<f64>,
    pub(super) pull: CudaSlice<f32>,
}

impl CudaParams {
    /// The parameters of a network; averages begin at them.
    pub(super) fn new(gpu: &Launcher, network: &Network, weights: &Weights) -> Result<Self, ExecError> {
        weights.verify(&network.graph.params())?;
        let map = ParamMap::new(&network.graph, &network.channels);
        let [trained, statistics] = map.lens();
        let mut params = Self {
            map,
            trained: gpu.zeros(trained)?,
            statistics: gpu.zeros(statistics)?,
            gradients: gpu.zeros(trained)?,
            momentum: gpu.zeros(trained)?,
            second_moment: None,
            ema_trained: gpu.zeros(trained)?,
            ema_statistics: gpu.zeros(statistics)?,
            frozen: Frozen::default(),
            marks: Marks::default(),
            marks_on_gpu: None,
            sums: gpu.reserve(0)?,
            pull: gpu.reserve(0)?,
        };
        params.write(gpu, Buffer::Params, weights)?;
        gpu.copy(&params.trained, &mut params.ema_trained)?;
        gpu.copy(&params.statistics, &mut params.ema_statistics)?;
        Ok(params)
    }

    /// Allocates the second moment if it is not allocated yet.
    pub(super) fn use_second_moment(&mut self, gpu: &Launcher) -> Result<&mut CudaSlice<f32>, ExecError> {
        if self.second_moment.is_none() {
            self.second_moment = Some(gpu.zeros(self.map.lens()[0])?);
        }
        Ok(self.second_moment.as_mut().expect("set above"))
    }

    /// Replaces the channels that L1 penalises.
    pub(super) fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        self.marks = self.map.marks(map)?;
        self.marks_on_gpu = None;
        Ok(())
    }

    /// The marks of a range of the trained buffer.
    pub(super) fn marks_of(
        &mut self,
        range: Range<usize>,
        gpu: &Launcher,
    ) -> Result<&CudaSlice<f32>, ExecError> {
        if self.marks_on_gpu.as_ref().is_none_or(|(made_for, _)| *made_for != range) {
            let one = |mark| f32::from(u8::from(mark != Mark::Left));
            let marks: Vec<f32> = self.marks.within(range.clone()).map(one).collect();
            let mut memory = gpu.reserve(marks.len())?;
            gpu.upload(&marks, &mut memory, 0)?;
            self.marks_on_gpu = Some((range, memory));
        }
        Ok(&self.marks_on_gpu.as_ref().expect("set above").1)
    }

    /// Copies a buffer to the host, by name and without padding.
    pub(super) fn read(&self, gpu: &Launcher, buffer: Buffer) -> Result<Weights, ExecError> {
        let (trained, statistics) = match buffer {
            Buffer::Params => (Some(&self.trained), Some(&self.statistics)),
            Buffer::Ema => (Some(&self.ema_trained), Some(&self.ema_statistics)),
            Buffer::Momentum => (Some(&self.momentum), None),
            // Absent and therefore zero before AdamW uses it.
            Buffer::SecondMoment => (self.second_moment.as_ref(), None),
            Buffer::Gradients => (Some(&self.gradients), None),
        };
        let lens = self.map.lens();
        let trained = trained.map_or(Ok(Vec::new()), |memory| gpu.download(memory, 0..lens[0]))?;
        let statistics = statistics.map(|memory| gpu.download(memory, 0..lens[1])).transpose()?;
        Ok(self.map.read(&trained, statistics.as_deref()))
    }

    /// Replaces a buffer; nothing changes if an array is missing or has another shape.
    pub(super) fn write(
        &mut self,
        gpu: &Launcher,
        buffer: Buffer,
        weights: &Weights,
    ) -> Result<(), ExecError> {
        self.map.check(weights, buffer.has_statistics())?;
        let lens = self.map.lens();
        let mut trained = vec![0.0; lens[0]];
        let mut statistics = buffer.has_statistics().then(|| vec![0.0; lens[1]]);
        self.map.write(weights, &mut trained, statistics.as_deref_mut())?;
        let targets = match buffer {
            Buffer::Params => (&mut self.trained, Some(&mut self.statistics)),
            Buffer::Ema => (&mut self.ema_trained, Some(&mut self.ema_statistics)),
            Buffer::Momentum => (&mut self.momentum, None),
            Buffer::SecondMoment => (self.use_second_moment(gpu)?, None),
            Buffer::Gradients => (&mut self.gradients, None),
        };
        gpu.upload(&trained, targets.0, 0)?;
        if let (Some(values), Some(to)) = (statistics, targets.1) {
            gpu.upload(&values, to, 0)?;
        }
        Ok(())
    }
}
