//! [`step`]: times one training step: forward, loss, backward, clip, SGD with Nesterov momentum, average.

#![expect(
    clippy::result_large_err,
    reason = "closures that hand on the error of an executor, which carries candle's"
)]

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{
    ExecutorInfo, ExecutorOptions, HeadGradient, HeadPass, Mode, UpdateRule, build_executor, check_memory,
};
use bonsai_graph::{DetectHead, Size};
use bonsai_stages::peak_rss_mb;
use bonsai_train::output_gradients;
use bonsai_yolov8::{HeadOutput, LossGains, SplitLoss, Target, detection_loss};
use rayon::prelude::*;
use serde::Serialize;

use crate::input::{images, targets};
use crate::network::Network;
use crate::stopwatch::{LayerShare, PhaseTime, Stopwatch, layer_shares, least, median, timed};

/// Number of warm-up steps, which are not counted.
const WARM_UP: usize = 2;

/// Settings of [`step`].
#[derive(Debug, Clone, PartialEq)]
pub struct StepBench {
    /// The network to time.
    pub network: Network,
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Images in the batch.
    pub batch: usize,
    /// Number of counted steps, after two that warm up.
    pub steps: usize,
    /// Whether to use the mean square of the raw outputs in place of the loss, and no optimiser, to time the
    /// executor alone.
    pub dummy_loss: bool,
    /// The executor.
    pub executor: ExecutorOptions,
    /// Whether to time the layers too.
    pub layers: bool,
}

/// The result of [`step`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepFigures {
    /// Median wall-clock milliseconds of a step.
    pub step_ms_median: f64,
    /// Milliseconds of the fastest step.
    pub step_ms_min: f64,
    /// Median milliseconds of the loss and its gradient, on slices.
    pub loss_ms_median: f64,
    /// Peak resident memory of the process in MiB; `None` if the system does not report it.
    pub peak_rss_mb: Option<f64>,
    /// The loss in the last step, to show that the step computed something.
    pub loss: f64,
    /// Name of the network.
    pub network: String,
    /// Number of its learned scalars.
    pub params: u64,
    /// The executor.
    #[serde(flatten)]
    pub executor: ExecutorInfo,
    /// Median of each phase.
    pub phases: Vec<PhaseTime>,
    /// Layers, most expensive first; empty unless requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerShare>,
}

/// Times training steps on random images and objects.
///
/// # Errors
/// If the network cannot be loaded or run at that size, or a number is 0.
pub fn step(what: &StepBench) -> Result<StepFigures> {
    ensure!(
        what.batch > 0 && what.steps > 0,
        "batch {} and steps {} must be at least 1",
        what.batch,
        what.steps
    );
    let Checkpoint { model, weights, .. } = what.network.open()?;
    let params = model.graph().cost(Size::square(what.imgsz))?.params;
    let channels = model.graph().node(model.graph().input()).channels();
    check_memory(model.graph(), Mode::Train, [what.batch, what.imgsz, what.imgsz], &what.executor)?;
    let images = images(what.batch, channels, what.imgsz);
    let loss = if what.dummy_loss {
        Loss::MeanSquare
    } else {
        Loss::Detection(targets(what.batch, model.head().num_classes))
    };
    let mut executor = build_executor(model.graph(), &weights, &what.executor)?;
    drop(weights);
    let mut watch = Stopwatch::new(["forward", "loss", "backward", "update"], WARM_UP);
    let mut last_loss = f64::NAN;
    for number in 1..=WARM_UP + what.steps {
        if what.layers && number == WARM_UP + 1 {
            executor.set_timing(true);
        }
        let mut times = [Duration::ZERO; 4];
        let [forward, loss_time, backward, update] = &mut times;
        // As in training, an executor on a device may keep the head's outputs there.
        let (value, gradients) = if let Loss::Detection(targets) = &loss
            && let Some(pass) = executor.head_pass()
        {
            (split_step(pass, model.head(), &images, targets, [forward, loss_time, backward])?, Vec::new())
        } else {
            let outputs = timed(forward, || executor.forward(Mode::Train, &images))?;
            let (value, gradients) = timed(loss_time, || loss.value_and_gradients(model.head(), outputs))?;
            timed(backward, || executor.backward(&gradients))?;
            (value, gradients)
        };
        timed(update, || {
            if what.dummy_loss { executor.zero_gradients() } else { executor.update(&rule(number)).map(drop) }
        })?;
        // Freeing the memory of a step is part of the step.
        timed(update, || drop(gradients));
        last_loss = value;
        watch.add(times);
    }
    ensure!(
        last_loss.is_finite(),
        "the loss is {last_loss}; expected a finite number: the time of a network that does not train means nothing"
    );
    let totals = watch.totals();
    let phases = watch.phases();
    Ok(StepFigures {
        step_ms_median: median(&totals),
        step_ms_min: least(&totals),
        loss_ms_median: phases[1].ms,
        peak_rss_mb: peak_rss_mb(),
        loss: last_loss,
        network: what.network.name(),
        params,
        executor: what.executor.describe()?,
        layers: if what.layers { layer_shares(executor.timings(), what.steps) } else { Vec::new() },
        phases,
    })
}

/// Forward, loss and backward; the outputs of the head stay on the device.
fn split_step(
    pass: &mut dyn HeadPass,
    head: &DetectHead,
    images: &Array,
    targets: &[Target],
    [forward, loss_time, backward]: [&mut Duration; 3],
) -> Result<f64> {
    let &[batch, _, h, w] = images.shape() else { bail!("images have shape {:?}", images.shape()) };
    let mut loss = timed(loss_time, || SplitLoss::new(head, batch, [h, w], targets))?;
    let summary = timed(forward, || pass.forward_head(images, head, loss.columns()))?;
    let output = timed(loss_time, || -> Result<_> {
        loss.assign(&summary.distances, &summary.logits);
        let box_logits = pass.box_logits(loss.anchors())?;
        Ok(loss.evaluate(summary.softplus, &box_logits, LossGains::default()))
    })?;
    let gradient = HeadGradient {
        class_scale: output.class_scale,
        anchors: loss.anchors(),
        class_terms: &output.class_terms,
        box_logits: &output.box_logits,
    };
    timed(backward, || pass.backward_head(&gradient))?;
    Ok(f64::from(output.total))
}

/// The update of the default recipe at a small learning rate, with the decay of the average after `updates`
/// updates.
fn rule(updates: usize) -> UpdateRule {
    UpdateRule {
        momentum: 0.937,
        nesterov: true,
        clip_norm: Some(10.0),
        ema_decay: 0.9999 * (1.0 - (-(updates as f32) / 2000.0).exp()),
        ..UpdateRule::sgd(1e-3)
    }
}

/// The loss that a step minimises.
enum Loss {
    Detection(Vec<Target>),
    MeanSquare,
}

impl Loss {
    fn value_and_gradients(&self, head: &DetectHead, mut outputs: Vec<Array>) -> Result<(f64, Vec<Array>)> {
        let targets = match self {
            Self::Detection(targets) => targets,
            Self::MeanSquare => return Ok((mean_square(head, &mut outputs), outputs)),
        };
        let loss = detection_loss(&HeadOutput::from_outputs(head, &outputs)?, targets, LossGains::default())?;
        let total = f64::from(loss.total);
        Ok((total, output_gradients(head, outputs, loss)))
    }
}

/// The mean square of all box logits plus that of all class logits. The outputs are replaced by its gradient.
fn mean_square(head: &DetectHead, outputs: &mut [Array]) -> f64 {
    let mut loss = 0.0;
    for positions in [&head.box_outputs, &head.cls_outputs] {
        let count: usize = positions.iter().map(|p| outputs[*p].data().len()).sum();
        for position in positions {
            loss += square(outputs[*position].data_mut(), 2.0 / count as f32) / count as f64;
        }
    }
    loss
}

/// The sum of squares; scales the values by `factor`. Computed in blocks, which are summed in order, so that
/// the result does not depend on threads.
fn square(values: &mut [f32], factor: f32) -> f64 {
    const BLOCK: usize = 1 << 13;
    let block = |block: &mut [f32]| -> f64 {
        let mut lanes = [0.0f32; 16];
        for row in block.chunks_mut(lanes.len()) {
            for (lane, value) in lanes.iter_mut().zip(row) {
                *lane += *value * *value;
                *value *= factor;
            }
        }
        lanes.iter().map(|lane| f64::from(*lane)).sum()
    };
    values.par_chunks_mut(BLOCK).map(block).collect::<Vec<f64>>().iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dummy_loss_has_the_gradient_of_its_value() {
        let head = DetectHead {
            num_classes: 1,
            reg_max: 1,
            strides: vec![8],
            box_outputs: vec![1],
            cls_outputs: vec![0],
        };
        let outputs =
            || vec![Array::new(&[1, 1, 1, 2], vec![1.0, -3.0]), Array::new(&[1, 4, 1, 1], vec![2.0; 4])];
        let mut gradients = outputs();
        assert_eq!(mean_square(&head, &mut gradients), 5.0 + 4.0);
        assert_eq!((gradients[0].data(), gradients[1].data()), (&[1.0, -3.0][..], &[1.0; 4][..]));
    }
}
