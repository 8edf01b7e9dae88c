//! [`Seen`]: all results of a pass of an executor, for comparison with another executor.

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{Buffer, Executor, Mode};
use bonsai_graph::NodeId;
use bonsai_testkit::{Tolerance, assert_arrays_close, random_array};

/// All results of an evaluation and a training pass.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) arrays: Vec<(String, Array)>,
}

impl Seen {
    /// Runs an evaluation, then a training forward and backward pass.
    pub(crate) fn new(executor: &mut dyn Executor, images: &Array, taps: &[NodeId]) -> Self {
        let mut arrays = Vec::new();
        executor.set_taps(taps);
        for mode in [Mode::Eval, Mode::Train] {
            for (i, output) in executor.forward(mode, images).unwrap().into_iter().enumerate() {
                arrays.push((format!("{mode:?} output {i}"), output));
            }
            for tap in taps {
                let name = executor.graph().node(*tap).name().to_owned();
                arrays.push((format!("{mode:?} tap {name}"), executor.tap(*tap).unwrap()));
            }
        }
        let shapes =
            arrays.iter().filter(|(n, _)| n.starts_with("Train output")).map(|(_, a)| a.shape().to_vec());
        let upstream: Vec<Array> = shapes.enumerate().map(|(i, s)| random_array(i as u64, &s)).collect();
        executor.backward(&upstream).unwrap();
        if taps.contains(&executor.graph().input()) {
            arrays.push(("input gradient".to_owned(), executor.input_gradient().unwrap()));
        }
        for buffer in [Buffer::Gradients, Buffer::Params] {
            arrays.extend(named(&executor.read(buffer).unwrap(), buffer));
        }
        Self { arrays }
    }

    /// Compares array by array. Gradients through batch norms cancel (that of a bias before a batch norm even
    /// to zero), and the remaining precision depends on the cancelled values. The tolerance is therefore also
    /// relative to the largest gradient, and wider for a convolution with one weight per channel: it only scales the channel,
    /// the batch norm after it removes the scale, and its gradient is what `eps` leaves of a sum that cancels.
    #[track_caller]
    pub(crate) fn assert_close(&self, expected: &Self, tolerance: Tolerance, what: &str) {
        assert_eq!(self.arrays.len(), expected.arrays.len());
        for ((name, actual), (_, array)) in self.arrays.iter().zip(&expected.arrays) {
            let kind = name.split(' ').next().unwrap_or(name);
            let slack =
                if ["Gradients", "Momentum"].contains(&kind) { SLACK * expected.largest(kind) } else { 0.0 };
            let scales = kind == "Gradients" && matches!(array.shape(), [_, 1, 1, 1]);
            let tolerance =
                if scales && tolerance == Tolerance::Close { Tolerance::Approx } else { tolerance };
            let limit = tolerance.share() as f32 * largest(array).max(slack);
            let near = |(a, e): (&f32, &f32)| (a - e).abs() <= limit;
            if actual.shape() != array.shape() || !actual.data().iter().zip(array.data()).all(near) {
                assert_arrays_close(actual, array, tolerance, &format!("{name}, {what}"));
            }
        }
    }

    /// Largest magnitude in all arrays of a kind.
    fn largest(&self, kind: &str) -> f32 {
        self.arrays
            .iter()
            .filter(|(name, _)| name.starts_with(kind))
            .map(|(_, a)| largest(a))
            .fold(0.0, f32::max)
    }
}

/// Fraction of the largest gradient that may have cancelled in another gradient.
const SLACK: f32 = 0.1;

fn largest(array: &Array) -> f32 {
    array.data().iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Arrays with the name of the buffer in their names.
pub(crate) fn named(weights: &Weights, buffer: Buffer) -> Vec<(String, Array)> {
    weights.iter().map(|(name, array)| (format!("{buffer:?} {name}"), array.clone())).collect()
}
