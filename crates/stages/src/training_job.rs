//! [`TrainingJob`]: a training that the first of several processes sends to the others.
//!
//! The first process runs the stages. When it comes to a training, the others receive it and train with it, each on its share of
//! every batch. They read nothing but the images, and write nothing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::Checkpoint;
use bonsai_collective::PATIENCE;
use bonsai_data::{Label, Sample, Split};
use bonsai_exec::{ComputePrecision, Device, ExecutorKind};
use bonsai_train::TrainConfig;
use bonsai_yolov8::{DistillGains, ImitationConfig};
use serde::{Deserialize, Serialize};

use crate::{L1Config, LoadingConfig, Objective, Ranks, RunContext, Teacher};

/// A training without its networks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TrainingJob {
    pub(crate) class_names: Vec<String>,
    pub(crate) samples: Vec<JobSample>,
    pub(crate) config: TrainConfig,
    pub(crate) objective: JobObjective,
    pub(crate) imgsz: usize,
    pub(crate) loader: LoadingConfig,
    pub(crate) executor: Option<ExecutorKind>,
    pub(crate) on_gpu: bool,
    pub(crate) precision: Option<ComputePrecision>,
    pub(crate) threads: usize,
    /// Bytes of the network's checkpoint, which follow this text; those of the teacher's come last.
    pub(crate) start: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobSample {
    #[serde(with = "crate::path_text")]
    path: PathBuf,
    size: (u32, u32),
    /// Class, and centre, width and height as fractions.
    labels: Vec<(usize, [f32; 4])>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum JobObjective {
    Detection,
    Sparsity(L1Config),
    Distillation { logits: Option<DistillGains>, features: Option<(Vec<Vec<usize>>, ImitationConfig)> },
}

impl From<&Sample> for JobSample {
    fn from(sample: &Sample) -> Self {
        let label = |Label { class_id, bbox: b }: &Label| (*class_id, [b.cx, b.cy, b.w, b.h]);
        Self {
            path: sample.image_path.clone(),
            size: sample.size,
            labels: sample.labels.iter().map(label).collect(),
        }
    }
}

impl From<JobSample> for Sample {
    fn from(sample: JobSample) -> Self {
        let label =
            |(class_id, [cx, cy, w, h]): (usize, [f32; 4])| Label { class_id, bbox: Cxcywh { cx, cy, w, h } };
        Self {
            image_path: sample.path,
            size: sample.size,
            labels: sample.labels.into_iter().map(label).collect(),
        }
    }
}

/// Sends a training to the other processes. The first process calls this before it begins the training itself.
///
/// # Errors
/// If a process is lost.
pub(crate) fn send_job(
    ranks: &Ranks,
    start: &Checkpoint,
    train: &Split,
    config: &TrainConfig,
    objective: Objective<'_>,
    context: &RunContext,
) -> Result<()> {
    let start = start.to_bytes()?;
    let (objective, teacher) = match objective {
        Objective::Detection => (JobObjective::Detection, Vec::new()),
        Objective::Sparsity(l1) => (JobObjective::Sparsity(*l1), Vec::new()),
        Objective::Distillation(Teacher { checkpoint, logits, features }) => {
            let features = features.as_ref().map(|f| (f.matching.clone(), f.settings));
            (JobObjective::Distillation { logits: *logits, features }, checkpoint.to_bytes()?)
        }
    };
    let job = TrainingJob {
        class_names: train.class_names.clone(),
        samples: train.samples.iter().map(JobSample::from).collect(),
        config: config.clone(),
        objective,
        imgsz: context.imgsz,
        loader: context.loader,
        executor: context.executor.kind,
        on_gpu: context.executor.device != Device::Cpu,
        precision: context.executor.precision,
        threads: context.executor.threads,
        start: start.len(),
    };
    let text = serde_json::to_vec(&job)?;
    for part in [&text, &start, &teacher] {
        send(ranks, part)?;
    }
    Ok(())
}

/// Tells the other processes that there is no further training.
///
/// # Errors
/// If a process is lost.
pub fn dismiss(ranks: &Ranks) -> Result<()> {
    send(ranks, &[])
}

/// The next training of the first process with its network and its teacher; `None` after the last.
pub(crate) fn receive_job(ranks: &Ranks) -> Result<Option<(TrainingJob, Checkpoint, Option<Checkpoint>)>> {
    // The first process may do other work for hours.
    ranks.collective().set_patience(Duration::MAX);
    let text = receive(ranks)?;
    ranks.collective().set_patience(PATIENCE);
    if text.is_empty() {
        return Ok(None);
    }
    let job: TrainingJob = serde_json::from_slice(&text).context("a training of the first process")?;
    let start = receive(ranks)?;
    let teacher = receive(ranks)?;
    ensure!(
        start.len() == job.start,
        "the first process sent {} of {} bytes of its network",
        start.len(),
        job.start
    );
    let teacher = if teacher.is_empty() { None } else { Some(Checkpoint::from_bytes(&teacher)?) };
    Ok(Some((job, Checkpoint::from_bytes(&start)?, teacher)))
}

/// Sends bytes to all other processes, after their number.
fn send(ranks: &Ranks, bytes: &[u8]) -> Result<()> {
    let mut collective = ranks.collective();
    collective.broadcast(&mut (bytes.len() as u64).to_le_bytes(), 0)?;
    if !bytes.is_empty() {
        collective.broadcast(&mut bytes.to_vec(), 0)?;
    }
    Ok(())
}

/// Receives what the first process sends.
fn receive(ranks: &Ranks) -> Result<Vec<u8>> {
    let mut collective = ranks.collective();
    let mut length = [0; 8];
    collective.broadcast(&mut length, 0)?;
    let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length))?];
    if !bytes.is_empty() {
        collective.broadcast(&mut bytes, 0)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use bonsai_collective::Threads;
    use bonsai_yolov8::{Scale, build, init};

    use super::*;
    use crate::FeatureImitation;

    /// What arrives of a training that this thread sends.
    fn sent(objective: Objective<'_>) -> (TrainingJob, Checkpoint, Option<Checkpoint>) {
        let (start, split, config, context) = training();
        std::thread::scope(|scope| {
            let mut ranks = Threads::world(2).into_iter();
            let (first, second) = (ranks.next().unwrap(), ranks.next().unwrap());
            let follower = scope.spawn(move || receive_job(&Ranks::new(second)?));
            let first = Ranks::new(first).unwrap();
            send_job(&first, &start, &split, &config, objective, &context).unwrap();
            follower.join().unwrap().unwrap().unwrap()
        })
    }

    /// A training in which no setting has its default.
    fn training() -> (Checkpoint, Split, TrainConfig, RunContext) {
        let start = init(&build(Scale::N, &["a".to_owned(), "b".to_owned()]).unwrap(), 3).unwrap();
        let label = Label { class_id: 1, bbox: Cxcywh { cx: 0.1, cy: 0.7, w: 0.3, h: 1.0 / 3.0 } };
        let sample = Sample { image_path: PathBuf::from("a/b.png"), size: (30, 20), labels: vec![label] };
        let split = Split { samples: vec![sample], class_names: vec!["a".to_owned(), "b".to_owned()] };
        let config = TrainConfig {
            epochs: 7,
            lr0: 0.1 / 3.0,
            cls_pw: 0.5,
            qat: true,
            seed: 9,
            ..TrainConfig::default()
        };
        let loader =
            LoadingConfig { workers: 3, multi_scale: 0.25, close_mosaic: 2, ..LoadingConfig::default() };
        let executor = bonsai_exec::ExecutorOptions {
            kind: Some(ExecutorKind::Candle),
            threads: 5,
            precision: Some(ComputePrecision::F32),
            ..Default::default()
        };
        let context = RunContext { imgsz: 96, seed: 9, executor, loader, rect: true, ranks: None };
        (start, split, config, context)
    }

    #[test]
    fn everything_of_a_training_arrives() {
        let (start, split, config, context) = training();
        let l1 = L1Config { limit: 0.7, ..L1Config::default() };
        let (job, network, teacher) = sent(Objective::Sparsity(&l1));
        assert!(network == start && teacher.is_none());
        assert!(matches!(job.objective, JobObjective::Sparsity(sent) if sent == l1));
        assert_eq!((job.config, job.loader), (config, context.loader));
        assert_eq!((job.imgsz, job.threads, job.on_gpu), (96, 5, false));
        assert_eq!((job.executor, job.precision), (context.executor.kind, context.executor.precision));
        assert_eq!(job.class_names, split.class_names);
        assert_eq!(job.samples.into_iter().map(Sample::from).collect::<Vec<_>>(), split.samples);
    }

    #[test]
    fn a_teacher_arrives_with_what_it_teaches() {
        let checkpoint = init(&training().0.model, 4).unwrap();
        let settings = ImitationConfig::default();
        let features = Some(FeatureImitation { matching: vec![vec![2, 0], vec![1]], settings });
        let logits = Some(DistillGains::default());
        let taught = Teacher { checkpoint, logits, features };
        let (job, _, teacher) = sent(Objective::Distillation(&taught));
        assert!(teacher == Some(taught.checkpoint));
        let JobObjective::Distillation { logits, features } = job.objective else { panic!("a distillation") };
        assert_eq!(logits, taught.logits);
        assert_eq!(features, Some((vec![vec![2, 0], vec![1]], settings)));
    }
}
