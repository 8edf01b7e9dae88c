//! [`Settings`] and [`Machine`]: options that many commands share, and the configuration that results from
//! them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_pipeline::{
    ComputePrecision, ExecutorKind, ExecutorOptions, PipelineConfig, PipelinePreset, check, executor_options,
    jobs, limit_threads, load_settings, path_text, resolve,
};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::failure::ErrorExt as _;
use crate::image_size::ImageSize;
use crate::model_name::known_model;
use crate::numbers::seed;

/// Options for settings. Later ones override earlier ones: defaults, the file, options, --set.
#[derive(Args, Clone)]
pub(crate) struct Settings {
    /// data.yaml, folder or COCO file of a dataset
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// yolov8n to yolov8x, or a checkpoint file
    #[arg(long, value_parser = OsStringValueParser::new().map(|name| path_text(name.as_ref())))]
    pub(crate) model: Option<String>,
    /// Side of the images in pixels, a multiple of 32; for `export` also HEIGHT,WIDTH [default: 640, or as
    /// trained]
    #[arg(long)]
    pub(crate) imgsz: Option<ImageSize>,
    /// Images per batch in every training; for `export`, images per run of the file [default: 1]
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// Epochs of every training; sparsity training with 0 epochs stays skipped
    #[arg(long)]
    pub(crate) epochs: Option<usize>,
    /// Seed of all randomness
    #[arg(long, value_parser = seed)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// TOML file with settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, such as `finetune.epochs=20` or `prune.prune_ratio=0.3`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Options for the executor.
#[derive(Args, Clone)]
pub(crate) struct Machine {
    /// cpu or cuda:0 [default: cpu]
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// cpu or cuda (Bonsai's kernels), or candle [default: cpu on the CPU, cuda on a GPU]
    #[arg(long)]
    pub(crate) executor: Option<ExecutorKind>,
    /// How executor cuda computes: f32, tf32 or bf16 [default: tf32]
    #[arg(long, value_name = "NAME")]
    pub(crate) compute_precision: Option<ComputePrecision>,
    /// CPU threads, at most one per core; 0 for one per core [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// Options of commands that convert a file.
#[derive(Args)]
pub(crate) struct Convert {
    /// Checkpoint or ONNX file to convert
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Settings {
    /// Applies the file, options and --set to `base`, checks the result, and limits the program's threads to
    /// its number.
    pub(crate) fn resolve(&self, base: PipelineConfig) -> Result<PipelineConfig> {
        self.resolve_with(base, |_| {})
    }

    /// As [`Self::resolve`]; `own` applies the options of the command itself, which `--set` overrides as well.
    pub(crate) fn resolve_with(
        &self,
        base: PipelineConfig,
        own: impl FnOnce(&mut PipelineConfig),
    ) -> Result<PipelineConfig> {
        let config = self.overlaid(base, own).misuse()?;
        check(&config).misuse()?;
        limit_threads(config.threads)?;
        Ok(config)
    }

    /// The settings of a run. If no dataset is given by flag, file or `--set`, they start from those of the
    /// drawn dataset.
    pub(crate) fn resolve_run(&self, preset: PipelinePreset) -> Result<PipelineConfig> {
        let own = self.overlaid(PipelineConfig::default().with_preset(preset), |_| {}).misuse()?;
        let drawn = || self.overlaid(PipelineConfig::drawn().with_preset(preset), |_| {}).misuse();
        let config = if own.data.is_some() { own } else { drawn()? };
        limit_threads(config.threads)?;
        Ok(config)
    }

    /// The settings of runs whose datasets are given by other options.
    pub(crate) fn resolve_real(&self, preset: PipelinePreset) -> Result<PipelineConfig> {
        self.overlaid(PipelineConfig::default().with_preset(preset), |_| {}).misuse()
    }

    fn overlaid(
        &self,
        base: PipelineConfig,
        own: impl FnOnce(&mut PipelineConfig),
    ) -> Result<PipelineConfig> {
        let mut config = match &self.config {
            Some(path) => load_settings(&base, path)?,
            None => base,
        };
        if let Some(data) = &self.data {
            config.data = Some(data.clone());
        }
        for training in [&mut config.baseline, &mut config.sparse, &mut config.finetune] {
            // Sparsity training with 0 epochs stays skipped.
            training.epochs = self.epochs.filter(|_| training.epochs > 0).unwrap_or(training.epochs);
            training.batch = self.batch.unwrap_or(training.batch);
        }
        config.model = self.model.clone().unwrap_or(config.model);
        config.imgsz = self.imgsz.map_or(Ok(config.imgsz), ImageSize::side)?;
        config.seed = self.seed.unwrap_or(config.seed);
        config.device = self.machine.device.clone().unwrap_or(config.device);
        config.executor = self.machine.executor.or(config.executor);
        config.compute_precision = self.machine.compute_precision.or(config.compute_precision);
        config.threads = self.machine.threads.unwrap_or(config.threads);
        own(&mut config);
        let config = resolve(&config, &self.set)?;
        known_model(&config.model)?;
        Ok(config)
    }
}

impl Machine {
    /// The executor options of these flags alone. Limits the program's threads to `--threads`.
    pub(crate) fn options(&self) -> Result<ExecutorOptions> {
        let threads = self.threads.unwrap_or(0);
        let device = self.device.as_deref().unwrap_or("cpu");
        let options = executor_options(self.executor, device, self.compute_precision, threads).misuse()?;
        limit_threads(threads)?;
        Ok(options)
    }
}

/// Defaults for a file, with the image size of its training. Errors in the file are ignored here; the command
/// reports them.
pub(crate) fn for_file(weights: &Path) -> PipelineConfig {
    let base = PipelineConfig::default();
    let trained = jobs::trained_imgsz(weights).ok().flatten();
    PipelineConfig { imgsz: trained.unwrap_or(base.imgsz), ..base }
}
