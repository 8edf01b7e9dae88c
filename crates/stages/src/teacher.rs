//! [`Teacher`]: a frozen network that runs on the same batches as the student during a training.

use std::path::Path;

use anyhow::{Result, ensure};
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{ExecutorOptions, Inference, build_inference};
use bonsai_graph::{ClassMap, DetectHead, Graph};
use bonsai_prune::PrunePlan;
use bonsai_train::{Distilled, Student};
use bonsai_yolov8::{
    DistillGains, FeatureMap, HeadOutput, ImitationConfig, distillation_loss, imitate_features,
};

use crate::Progress;
use crate::checkpoint_file::open_checkpoint;
use crate::classes::for_dataset;
use crate::ensure_usage;

/// A network to imitate, and the weights of the imitation.
#[derive(Debug, Clone)]
pub struct Teacher {
    /// The network, with the student's classes in the same order.
    pub checkpoint: Checkpoint,
    /// Weights of the loss parts, if raw outputs are imitated.
    pub logits: Option<DistillGains>,
    /// Settings for the imitation of features, if they are imitated.
    pub features: Option<FeatureImitation>,
}

/// Imitation of the head's inputs.
#[derive(Debug, Clone)]
pub struct FeatureImitation {
    /// For each level, the teacher's channel for each channel of the student.
    pub matching: Vec<Vec<usize>>,
    /// Temperature and weight.
    pub settings: ImitationConfig,
}

impl FeatureImitation {
    /// Matches each channel of a pruned student to the teacher's channel that it was, according to the
    /// pruning plan.
    ///
    /// # Errors
    /// If the plan belongs to another network.
    pub fn of_pruned(teacher: &Checkpoint, plan: &PrunePlan, settings: ImitationConfig) -> Result<Self> {
        let wires = teacher.model.head_inputs();
        let graph = teacher.model.graph();
        let matching = wires.into_iter().map(|wire| plan.kept_in(graph, wire)).collect::<Result<_, _>>()?;
        Ok(Self { matching, settings })
    }
}

impl Teacher {
    /// Opens a teacher, and puts its class outputs into the order of the dataset's classes.
    ///
    /// # Errors
    /// If the file is not a checkpoint, or the network lacks a class of the dataset.
    pub fn open(
        file: &Path,
        class_names: &[String],
        gains: DistillGains,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let network = Checkpoint { train: None, ..open_checkpoint(file)? };
        let classes = ClassMap::new(network.model.class_names(), class_names);
        ensure_usage!(
            classes.missing().next().is_none(),
            "the teacher {} lacks classes of the dataset ({classes}): pass a teacher that has all of them",
            file.display()
        );
        // No output gets new weights, so the seed is not used.
        let checkpoint = for_dataset(network, class_names, 0, &file.display().to_string(), progress)?;
        Ok(Self { checkpoint, logits: Some(gains), features: None })
    }

    /// The student's graph, with the outputs that are compared with this teacher's.
    ///
    /// # Errors
    /// If the numbers of channels that the head reads are not those of the matching.
    pub(super) fn tapped(&self, student: &Checkpoint) -> Result<Graph> {
        let graph = student.model.graph();
        let Some(features) = &self.features else { return Ok(graph.clone()) };
        let wires = student.model.head_inputs();
        let channels: Vec<usize> = wires.iter().map(|wire| graph.node(*wire).channels()).collect();
        let matched: Vec<usize> = features.matching.iter().map(Vec::len).collect();
        ensure!(
            channels == matched,
            "the student's head reads {channels:?} channels, but its pruning plan keeps {matched:?}: student and plan \
             belong to different runs"
        );
        Ok(graph.with_more_outputs(&wires)?)
    }

    /// Refuses a student whose outputs cannot be compared with the teacher's.
    ///
    /// # Errors
    /// If the student's classes, strides or bins differ from the teacher's.
    pub fn check_student(&self, student: &Checkpoint) -> Result<()> {
        let theirs = &self.checkpoint.model;
        let ours = &student.model;
        ensure_usage!(
            theirs.class_names() == ours.class_names(),
            "the teacher's classes are {:?}, the student's are {:?}: pass a teacher with the same classes in the same order",
            theirs.class_names(),
            ours.class_names()
        );
        let head = |model: &bonsai_graph::ModelSpec| (model.head().strides.clone(), model.head().reg_max);
        ensure_usage!(
            head(theirs) == head(ours),
            "the teacher's head has strides and bins {:?}, the student's has {:?}: pass a YOLOv8 with the same ones",
            head(theirs),
            head(ours)
        );
        Ok(())
    }
}

/// A teacher that is ready to run.
pub(super) struct RunningTeacher {
    inference: Box<dyn Inference + Send>,
    head: DetectHead,
    logits: Option<DistillGains>,
    features: Option<FeatureImitation>,
}

type ServiceError = Box<dyn std::error::Error + Send + Sync>;

impl RunningTeacher {
    /// Folds the teacher and makes it ready to run.
    ///
    /// # Errors
    /// If the teacher's classes or head differ from the student's, or it cannot run on batches of `size`
    /// (images, height, width).
    pub(super) fn new(
        teacher: &Teacher,
        student: &Checkpoint,
        size: [usize; 3],
        executor: ExecutorOptions,
    ) -> Result<Self> {
        teacher.check_student(student)?;
        let Teacher { checkpoint, logits, features } = teacher.clone();
        let folded = Checkpoint { train: None, ..checkpoint }.fold_batch_norm()?;
        let mut graph = folded.model.graph().clone();
        if features.is_some() {
            graph = graph.with_more_outputs(&folded.model.head_inputs())?;
        }
        let mut inference = build_inference(&graph, folded.weights, &executor)?;
        inference.check_memory(size)?;
        Ok(Self { inference, head: folded.model.head().clone(), logits, features })
    }

    /// Loss and gradients of the imitation for the student's batch.
    pub(super) fn distil(&mut self, student: &Student<'_>) -> Result<Distilled, ServiceError> {
        let outputs = self.inference.infer(student.images)?;
        if outputs.iter().any(|output| output.data().iter().any(|value| !value.is_finite())) {
            return Err("the teacher's outputs are not finite: pass another teacher".into());
        }
        let mut distilled = Distilled { loss: 0.0, gradients: Vec::new(), features: Vec::new() };
        if let Some(gains) = self.logits {
            let teacher = HeadOutput::from_outputs(&self.head, outputs)?;
            let output = distillation_loss(student.head, &teacher, student.score_sum, gains)?;
            (distilled.loss, distilled.gradients) = (output.total, output.gradients);
        }
        let Some(FeatureImitation { matching, settings }) = &self.features else { return Ok(distilled) };
        let taught = &outputs[outputs.len() - matching.len()..];
        for ((student, teacher), matching) in student.features.iter().zip(taught).zip(matching) {
            let output = imitate_features(&map(student), &map(teacher), matching, *settings)?;
            distilled.loss += output.total;
            distilled.features.push(Array::new(student.shape(), output.gradient));
        }
        Ok(distilled)
    }
}

/// An output as a feature map.
fn map(array: &Array) -> FeatureMap<'_> {
    let size = |axis: usize| array.shape().get(axis).copied().unwrap_or(0);
    FeatureMap { values: array.data(), n: size(0), channels: size(1), h: size(2), w: size(3) }
}
