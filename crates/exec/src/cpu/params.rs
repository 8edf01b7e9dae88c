//! [`Params`]: all parameters of a network in memory, with their gradients, momentum and averages. A
//! [`ParamMap`] has their positions.

use bonsai_checkpoint::Weights;
use bonsai_kernels::AlignedBuffer;

use crate::frozen::Frozen;
use crate::penalty_map::Marks;
use crate::plan::{Network, ParamMap, Ranges};
use crate::step::CHUNK;
use crate::{Buffer, ExecError, PenaltyMap};

/// The buffers, and the position of every parameter.
#[derive(Debug)]
pub(super) struct Params {
    pub(super) map: ParamMap,
    pub(super) trained: AlignedBuffer,
    pub(super) statistics: AlignedBuffer,
    pub(super) gradients: AlignedBuffer,
    pub(super) momentum: AlignedBuffer,
    /// Empty until a method other than SGD uses it.
    pub(super) second_moment: AlignedBuffer,
    pub(super) ema_trained: AlignedBuffer,
    pub(super) ema_statistics: AlignedBuffer,
    pub(super) frozen: Frozen,
    pub(super) marks: Marks,
    /// One sum per chunk of the longest role.
    pub(super) chunk_sums: Vec<f64>,
}

impl Params {
    /// The parameters of a network for training. Gradients, momentum and averages are zero and take no memory
    /// before they are used.
    pub(super) fn new(network: &Network, weights: &Weights) -> Result<Self, ExecError> {
        let mut params = Self::for_inference(network, weights)?;
        let [trained, statistics] = params.map.lens();
        params.gradients = AlignedBuffer::try_zeroed(trained)?;
        params.momentum = AlignedBuffer::try_zeroed(trained)?;
        params.ema_trained = AlignedBuffer::try_zeroed(trained)?;
        params.ema_statistics = AlignedBuffer::try_zeroed(statistics)?;
        Ok(params)
    }

    /// The parameters of a network for inference, without the training buffers.
    pub(super) fn for_inference(network: &Network, weights: &Weights) -> Result<Self, ExecError> {
        weights.verify(&network.graph.params())?;
        let mut params = Self::without_memory(ParamMap::new(&network.graph, &network.channels));
        let [trained, statistics] = params.map.lens();
        params.trained = AlignedBuffer::try_zeroed(trained)?;
        params.statistics = AlignedBuffer::try_zeroed(statistics)?;
        params.write(Buffer::Params, weights)?;
        Ok(params)
    }

    fn without_memory(map: ParamMap) -> Self {
        let longest = map.ranges().longest().div_ceil(CHUNK);
        let none = || AlignedBuffer::zeroed(0);
        Self {
            map,
            trained: none(),
            statistics: none(),
            gradients: none(),
            momentum: none(),
            second_moment: none(),
            ema_trained: none(),
            ema_statistics: none(),
            frozen: Frozen::default(),
            marks: Marks::default(),
            chunk_sums: vec![0.0; longest],
        }
    }

    /// Sets the averages to the current parameters.
    pub(super) fn start_average(&mut self) {
        self.ema_trained.as_mut_slice().copy_from_slice(self.trained.as_slice());
        self.ema_statistics.as_mut_slice().copy_from_slice(self.statistics.as_slice());
    }

    /// Allocates the second moment if it is not allocated yet.
    pub(super) fn use_second_moment(&mut self) -> Result<(), ExecError> {
        if self.second_moment.len() < self.trained.len() {
            self.second_moment = AlignedBuffer::try_zeroed(self.trained.len())?;
        }
        Ok(())
    }

    /// Frees all memory; positions do not change.
    pub(super) fn forget(&mut self) {
        let Self {
            trained, statistics, gradients, momentum, second_moment, ema_trained, ema_statistics, ..
        } = self;
        for memory in [trained, statistics, gradients, momentum, second_moment, ema_trained, ema_statistics] {
            *memory = AlignedBuffer::zeroed(0);
        }
    }

    /// See [`Executor::freeze`](crate::Executor::freeze).
    pub(super) fn freeze(&mut self, names: &[String]) -> Result<(), ExecError> {
        self.frozen = self.map.frozen(names)?;
        Ok(())
    }

    /// See [`Executor::penalise`](crate::Executor::penalise).
    pub(super) fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        self.marks = self.map.marks(map)?;
        Ok(())
    }

    /// Range of each role in its buffer.
    pub(super) fn ranges(&self) -> Ranges {
        self.map.ranges().clone()
    }

    /// Copies a buffer, by name and without padding.
    pub(super) fn read(&self, buffer: Buffer) -> Weights {
        let (trained, statistics) = match buffer {
            Buffer::Params => (&self.trained, Some(&self.statistics)),
            Buffer::Ema => (&self.ema_trained, Some(&self.ema_statistics)),
            Buffer::Momentum => (&self.momentum, None),
            // Empty and therefore zero before a method uses it.
            Buffer::SecondMoment => (&self.second_moment, None),
            Buffer::Gradients => (&self.gradients, None),
        };
        self.map.read(trained.as_slice(), statistics.map(AlignedBuffer::as_slice))
    }

    /// Replaces a buffer; nothing changes if an array is missing or has another shape.
    pub(super) fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError> {
        self.map.check(weights, buffer.has_statistics())?;
        if buffer == Buffer::SecondMoment {
            self.use_second_moment()?;
        }
        let (trained, statistics) = match buffer {
            Buffer::Params => (&mut self.trained, Some(&mut self.statistics)),
            Buffer::Ema => (&mut self.ema_trained, Some(&mut self.ema_statistics)),
            Buffer::Momentum => (&mut self.momentum, None),
            Buffer::SecondMoment => (&mut self.second_moment, None),
            Buffer::Gradients => (&mut self.gradients, None),
        };
        self.map.write(weights, trained.as_mut_slice(), statistics.map(AlignedBuffer::as_mut_slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_testkit::{RandomGraphConfig, random_model};

    #[test]
    fn arrays_survive_the_physical_layout_and_padding_is_zero() {
        for seed in 0..20 {
            let model = random_model(seed, &RandomGraphConfig::default());
            let graph = model.spec().graph();
            let weights = &model.checkpoint.weights;
            let mut params = Params::new(&Network::new(graph), weights).unwrap();
            params.start_average();
            assert!(params.read(Buffer::Params) == weights.clone().check(graph).unwrap(), "seed {seed}");
            assert!(params.read(Buffer::Ema) == params.read(Buffer::Params), "seed {seed}");
            let nonzero = |m: &AlignedBuffer| m.as_slice().iter().filter(|v| **v != 0.0).count();
            let logical: usize =
                weights.iter().map(|(_, a)| a.data().iter().filter(|v| **v != 0.0).count()).sum();
            assert_eq!(nonzero(&params.trained) + nonzero(&params.statistics), logical);
        }
    }
}
