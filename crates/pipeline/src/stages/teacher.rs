//! A teacher beside a training: a frozen network, run on the same batches as the student.

use std::path::Path;

use anyhow::Result;
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_detector::Detector;
use bonsai_exec::ExecutorOptions;
use bonsai_graph::ClassMap;
use bonsai_train::Distilled;
use bonsai_yolov8::{DistillGains, HeadOutput, distillation_loss};

use crate::Progress;
use crate::checkpoint_file::open_checkpoint;
use crate::classes::for_dataset;
use crate::misuse::demand;

/// A network to imitate, and how strongly.
#[derive(Debug, Clone)]
pub struct Teacher {
    /// Of the student's classes, in the same order.
    pub checkpoint: Checkpoint,
    /// Weights of the parts.
    pub gains: DistillGains,
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
        let classes = ClassMap::of(network.model.class_names(), class_names);
        demand!(
            classes.missing().next().is_none(),
            "the teacher {} does not have all of the dataset's classes ({classes}): name a teacher that has",
            file.display()
        );
        // No output starts anew, so that no seed matters.
        let checkpoint = for_dataset(network, class_names, 0, &file.display().to_string(), progress)?;
        Ok(Self { checkpoint, gains })
    }

    /// Refuses a student that answers in other terms.
    ///
    /// # Errors
    /// If its classes, strides or bins are not the teacher's.
    pub fn check_student(&self, student: &Checkpoint) -> Result<()> {
        let (theirs, ours) = (&self.checkpoint.model, &student.model);
        demand!(
            theirs.class_names() == ours.class_names(),
            "the teacher's classes are {:?}, the student's are {:?}: name a teacher of the same ones in the same order",
            theirs.class_names(),
            ours.class_names()
        );
        let head = |model: &bonsai_graph::ModelSpec| (model.head().strides.clone(), model.head().reg_max);
        demand!(
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
    detector: Detector,
    gains: DistillGains,
}

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
        let Teacher { checkpoint, gains } = teacher;
        let network = Checkpoint { train: None, ..checkpoint.clone() };
        let mut detector = Detector::from_checkpoint(network, executor)?;
        detector.check_memory(size)?;
        Ok(Self { detector, gains: *gains })
    }

    /// Loss and gradient of the student's raw outputs on these images.
    pub(super) fn distil(
        &mut self,
        images: &Array,
        student: &HeadOutput<'_>,
        score_sum: f64,
    ) -> Result<Distilled, Box<dyn std::error::Error + Send + Sync>> {
        let gains = self.gains;
        let output = self
            .detector
            .read_head(images, |teacher| distillation_loss(student, teacher, score_sum, gains))??;
        Ok(Distilled { loss: output.total, gradients: output.gradients })
    }
}
