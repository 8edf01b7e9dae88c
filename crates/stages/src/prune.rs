//! [`prune_stage`]: pruning, and the gradients, latencies and batch statistics that the pruner needs.

use anyhow::{Context as _, Result};
use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_data::{Batch, Loader};
use bonsai_detector::Detector;
use bonsai_exec::{Buffer, Executor, Mode, build_executor};
use bonsai_graph::{ClassMap, NodeId, Size};
use bonsai_prune::{
    ActivationSource, BoxError, Candidate, CostTarget, Importance, PruneOptions, PruneServices, Pruned,
    ScoreConfig, prune, prune_best, recalibrate,
};
use bonsai_tensorrt::EnginePrecision;
use bonsai_train::output_gradients;
use bonsai_yolov8::{HeadOutput, LossGains, detection_loss};

use crate::activations::{Activations, evenly, forward};
use crate::batches::targets;
use crate::calibrate::timed_engine;
use crate::classes::{in_network, matched};
use crate::latency_model::LatencyModel;
use crate::trial::Trials;
use crate::{Data, RunContext, validation_loader};
use crate::{PruneConfig, PruneExtras, engine_executor, time_images};

/// The importance in place of best where no ranking can be tried.
pub const UNTRIED: Importance = Importance::Taylor;
/// Runs of the networks for the latency in a note.
const LATENCY_RUNS: usize = 20;

/// Prunes according to `settings`, and reports long steps to `note`. Importance taylor and best and
/// recalibration need `data`.
///
/// # Errors
/// If the settings are out of range, a protected layer does not exist, a target cannot be reached or images
/// are missing; [`ForeignClasses`](crate::ForeignClasses) if importance needs labels and the network shares
/// no class with the dataset.
pub fn prune_stage(
    model: &Checkpoint,
    settings: &PruneConfig,
    context: &RunContext,
    data: Option<&Data>,
    note: &mut dyn FnMut(&str),
) -> Result<Pruned> {
    let mut activations = match settings.extras.reconstruct {
        0 => None,
        batches => {
            let data = data.context("reconstruction needs images: pass --data DATA.yaml")?;
            let activations = Activations::new(model, data, context, (batches, settings.extras.batch))?;
            if activations.is_none() {
                let instead = if settings.extras.compensate {
                    "only their constants are compensated"
                } else {
                    "nothing is"
                };
                note(&format!(
                    "warning: {batches} batches of {} from {} training images are too few for reconstruction, which needs \
                     2 images: of the removed channels, {instead}",
                    settings.extras.batch,
                    data.train.samples.len()
                ));
            }
            activations
        }
    };
    let config = PruneOptions {
        score: settings.score,
        policy: settings.policy.clone(),
        compensate: settings.extras.compensate,
        reconstruct: activations.as_ref().map_or(0, Activations::batches),
        image: Size::square(context.imgsz),
    };
    let labelled = data.filter(|_| settings.needs_labels());
    let classes = labelled.map(|data| matched(model.model.class_names(), &data.class_names)).transpose()?;
    let mut gradients = || -> Result<Weights, BoxError> {
        let images = labelled.zip(classes.as_ref()).ok_or("gradients need images: pass --data DATA.yaml")?;
        Ok(gradients(model, images, context, settings)?)
    };
    let mut latencies = None;
    let mut latency = |pruned: &Checkpoint| -> Result<f64, BoxError> {
        let fit = || LatencyModel::fit(model, &settings.policy, settings.extras.latency_in, context);
        let latencies = match &latencies {
            Some(latencies) => latencies,
            None => latencies.insert(fit()?),
        };
        Ok(latencies.predict(pruned.model.graph())?)
    };
    let mut activations = activations.as_mut().map(|activations| {
        |layers: &[NodeId], batch: usize| -> Result<Vec<Array>, BoxError> {
            Ok(activations.of(layers, batch)?)
        }
    });
    let services = PruneServices {
        gradients: Some(&mut gradients),
        latency: Some(&mut latency),
        activations: activations.as_mut().map(|run| run as &mut ActivationSource<'_>),
    };
    let mut pruned = if settings.score.importance == Importance::Best {
        let data = data.context("importance best needs images: pass --data DATA.yaml")?;
        let Some(trials) = Trials::new(data, settings) else {
            note(&format!(
                "warning: {} training images are too few to hold labelled ones back for trials of rankings: channels \
                 are ranked by {UNTRIED}",
                data.train.samples.len()
            ));
            let score = ScoreConfig { importance: UNTRIED, ..settings.score };
            let settings = PruneConfig { score, ..settings.clone() };
            return prune_stage(model, &settings, context, Some(data), note);
        };
        let mut number = 0;
        let mut trial = |network: &Checkpoint| -> Result<f64, BoxError> {
            number += 1;
            note(&format!("trial {number} of at most {} rankings", Candidate::DEFAULT.len()));
            Ok(trials.loss(network, context)?)
        };
        let contest = prune_best(model, &config, &Candidate::DEFAULT, services, &mut trial)?;
        contest.trials.iter().for_each(|trial| note(&trial.to_string()));
        contest.pruned
    } else {
        prune(model, &config, services)?
    };
    if let Some(reconstruction) = &pruned.report.reconstruction {
        note(&reconstruction.to_string());
    }
    if settings.policy.target.is_some_and(CostTarget::is_measured) {
        note(&measured_latency(model, &pruned.checkpoint, settings.extras.latency_in, context)?);
    }
    if settings.extras.recalibrate > 0 {
        let data = data.context("recalibration needs images: pass --data DATA.yaml")?;
        pruned.checkpoint = recalibrated(&pruned.checkpoint, data, context, settings)?;
    }
    Ok(pruned)
}

/// The measured latencies of a network and the pruned one, because the search only predicts them.
fn measured_latency(
    model: &Checkpoint,
    pruned: &Checkpoint,
    precision: EnginePrecision,
    context: &RunContext,
) -> Result<String> {
    let open = |network: &Checkpoint| -> Result<Detector> {
        let engine = timed_engine(network, precision, context)?;
        Ok(Detector::from_checkpoint(engine, engine_executor(context.executor))?)
    };
    let (mut before, mut after) = (open(model)?, open(pruned)?);
    let times = time_images(&mut [&mut before, &mut after], context.imgsz, LATENCY_RUNS)?;
    let [before, after] = [&times[0], &times[1]].map(|times| times.latency().p50_ms);
    Ok(format!(
        "measured latency in {precision}: {after:.2} ms after pruning, {before:.2} ms before ({:.3} of it)",
        after / before
    ))
}

/// Endless batches of the same training images, without augmentation.
struct Images {
    loader: Loader,
    batches: std::vec::IntoIter<Batch>,
}

impl Images {
    /// At most `batches` different batches, taken evenly from all training images.
    fn new(data: &Data, context: &RunContext, batches: usize, batch: usize) -> Result<Self> {
        let split = evenly(&data.train, batches * batch);
        let loader = validation_loader(&split, context.imgsz, batch, &context.loader)?;
        Ok(Self { loader, batches: Vec::new().into_iter() })
    }

    fn next(&mut self) -> Result<Batch> {
        if let Some(batch) = self.batches.next() {
            return Ok(batch);
        }
        let again: Vec<Batch> = self.loader.epoch(0).collect::<Result<_, _>>()?;
        self.batches = again.into_iter();
        self.batches.next().context("the training split has no images")
    }
}

/// Gradients of the loss with respect to the parameters, summed over batches.
fn gradients(
    model: &Checkpoint,
    (data, classes): (&Data, &ClassMap),
    context: &RunContext,
    settings: &PruneConfig,
) -> Result<Weights> {
    let mut executor = build_executor(model.model.graph(), &model.weights, &context.executor)?;
    let PruneExtras { gradient_batches, batch, .. } = settings.extras;
    let mut images = Images::new(data, context, gradient_batches, batch)?;
    for _ in 0..gradient_batches {
        let batch = images.next()?;
        let objects = in_network(targets(&batch), classes);
        let outputs = forward(&mut *executor, Mode::Train, &Array::new(&batch.shape, batch.images))?;
        let head = model.model.head();
        let loss =
            detection_loss(&HeadOutput::from_outputs(head, &outputs)?, &objects, LossGains::default())?;
        executor.backward(&output_gradients(head, outputs, loss))?;
    }
    Ok(executor.read(Buffer::Gradients)?)
}

/// The network with running statistics measured on training images.
fn recalibrated(
    model: &Checkpoint,
    data: &Data,
    context: &RunContext,
    settings: &PruneConfig,
) -> Result<Checkpoint> {
    let PruneExtras { recalibrate: batches, batch, .. } = settings.extras;
    let mut images = Images::new(data, context, batches, batch)?;
    let mut executor: Option<Box<dyn Executor>> = None;
    let mut statistics = |network: &Checkpoint, _: usize| -> Result<Weights, BoxError> {
        let executor = match &mut executor {
            Some(executor) => executor,
            none => none.insert(build_executor(network.model.graph(), &network.weights, &context.executor)?),
        };
        let batch = images.next()?;
        forward(&mut **executor, Mode::Train, &Array::new(&batch.shape, batch.images))?;
        Ok(executor.read(Buffer::Params)?)
    };
    Ok(recalibrate(model, batches, &mut statistics)?)
}
