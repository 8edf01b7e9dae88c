//! A teacher beside a training: a frozen network, run on the same batches as the student.

use std::path::Path;

use anyhow::{Result, ensure};
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{ExecutorOptions, Inference, build_inference};
use bonsai_graph::{ClassMap, DetectHead, Graph};
use bonsai_prune::PrunePlan;
use bonsai_train::{Distilled, Student};
use bonsai_yolov8::{
    DistillGains, FeatureMap, HeadOutput, ImitationSettings, distillation_loss, imitate_features,
};

use crate::Progress;
use crate::checkpoint_file::open_checkpoint;
use crate::classes::for_dataset;
use crate::ensure_usage;

/// A network to imitate, and how strongly.
#[derive(Debug, Clone)]
pub struct Teacher {
    /// Of the student's classes, in the same order.
    pub checkpoint: Checkpoint,
    /// Weights of the parts, if raw outputs are imitated.
    pub logits: Option<DistillGains>,
    /// How features are imitated, if they are.
    pub features: Option<FeatureImitation>,
}

/// Imitation of what the head reads.
#[derive(Debug, Clone)]
pub struct FeatureImitation {
    /// By level, the teacher's channel for each of the student's.
    pub matching: Vec<Vec<usize>>,
    /// Temperature and weight.
    pub settings: ImitationSettings,
}

impl FeatureImitation {
    /// The channels that a student kept of its teacher, by the plan of its pruning.
    ///
    /// # Errors
    /// If the plan is another network's.
    pub fn of_pruned(teacher: &Checkpoint, plan: &PrunePlan, settings: ImitationSettings) -> Result<Self> {
        let wires = teacher.model.head_inputs();
        let graph = teacher.model.graph();
        let matching = wires.into_iter().map(|wire| plan.kept_in(graph, wire)).collect::<Result<_, _>>()?;
        Ok(Self { matching, settings })
    }
}

impl Teacher {
    /// The teacher in a file, with its class outputs in the order of a dataset's classes.
    ///
    /// # Errors
    /// If the file is not a checkpoint, or lacks a class.
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
            "the teacher {} does not have all of the dataset's classes ({classes}): name a teacher that has",
            file.display()
        );
        // No output starts anew, so that no seed matters.
        let checkpoint = for_dataset(network, class_names, 0, &file.display().to_string(), progress)?;
        Ok(Self { checkpoint, logits: Some(gains), features: None })
    }

    /// The student's graph with the outputs that this teacher imitates.
    ///
    /// # Errors
    /// If the head reads other numbers of channels than the matching has.
    pub(super) fn tapped(&self, student: &Checkpoint) -> Result<Graph> {
        let graph = student.model.graph();
        let Some(features) = &self.features else { return Ok(graph.clone()) };
        let wires = student.model.head_inputs();
        let channels: Vec<usize> = wires.iter().map(|wire| graph.node(*wire).channels()).collect();
        let matched: Vec<usize> = features.matching.iter().map(Vec::len).collect();
        ensure!(
            channels == matched,
            "the student's head reads {channels:?} channels, the plan of its pruning keeps {matched:?}: they are not of one run"
        );
        Ok(graph.with_more_outputs(&wires)?)
    }

    /// Refuses a student that answers in other terms.
    ///
    /// # Errors
    /// If its classes, strides or bins are not the teacher's.
    pub fn check_student(&self, student: &Checkpoint) -> Result<()> {
        let theirs = &self.checkpoint.model;
        let ours = &student.model;
        ensure_usage!(
            theirs.class_names() == ours.class_names(),
            "the teacher's classes are {:?}, the student's are {:?}: name a teacher of the same ones in the same order",
            theirs.class_names(),
            ours.class_names()
        );
        let head = |model: &bonsai_graph::ModelSpec| (model.head().strides.clone(), model.head().reg_max);
        ensure_usage!(
            head(theirs) == head(ours),
            "the teacher's head has strides and bins {:?}, the student's has {:?}: name a YOLOv8 of the same ones",
            head(theirs),
            head(ours)
        );
        Ok(())
    }
}

/// A teacher at work.
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
    /// If its classes or its head are not the student's, or it cannot run on batches of `size` (images, height, width).
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

    /// Loss and gradients of what the student is to imitate on these images.
    pub(super) fn distil(&mut self, student: &Student<'_>) -> Result<Distilled, ServiceError> {
        let outputs = self.inference.infer(student.images)?;
        if outputs.iter().any(|output| output.data.iter().any(|value| !value.is_finite())) {
            return Err("the teacher answers with numbers that are not finite: name one that works".into());
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
            distilled.features.push(Array::new(&student.shape, output.gradient));
        }
        Ok(distilled)
    }
}

/// An output as features.
fn map(array: &Array) -> FeatureMap<'_> {
    let size = |axis: usize| array.shape.get(axis).copied().unwrap_or(0);
    FeatureMap { values: &array.data, n: size(0), channels: size(1), h: size(2), w: size(3) }
}
