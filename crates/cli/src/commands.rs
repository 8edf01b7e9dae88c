//! What each command does with its arguments.

use std::path::Path;
use std::time::Instant;

use crate::predict_files::{DetectSettings, Predict, Seen, predict as predict_files};
use anyhow::Result;
use bonsai_pipeline::jobs::Validated;
use bonsai_pipeline::{
    Check, ClassMap, DetMetrics, ExecutorOptions, NoDataset, PipelineConfig, PipelinePreset, SplitFlaws,
    SplitKind, check, doctor as examine, executor_options, jobs, limit_threads, load_settings, open_model,
    path_of_text, path_text, resolve, summarise,
};
use serde::Serialize;

use crate::args;
use crate::failure::{DONE, ErrorExt as _, FAILED, misused};
use crate::near::near_model;
use crate::output::{eprint_line, is_json, name, say, tell};
use crate::terminal::Terminal;

/// Models that are known by name.
const MODELS: [&str; 5] = ["yolov8n", "yolov8s", "yolov8m", "yolov8l", "yolov8x"];

impl args::Settings {
    /// Defaults, then the file, then flags, then --set. Limits the program's threads to what comes out.
    pub(crate) fn resolve(&self, base: PipelineConfig) -> Result<PipelineConfig> {
        let config = self.overlaid(base).misuse()?;
        check(&config).misuse()?;
        limit_threads(config.threads)?;
        Ok(config)
    }

    /// The settings of a run, over those of the drawn dataset where no other is named, be it by a flag, in a file or by
    /// `--set`.
    pub(crate) fn resolve_run(&self, preset: PipelinePreset) -> Result<PipelineConfig> {
        let own = self.overlaid(PipelineConfig::default().with_preset(preset)).misuse()?;
        let drawn = || self.overlaid(PipelineConfig::drawn().with_preset(preset)).misuse();
        let config = if own.data.is_some() { own } else { drawn()? };
        limit_threads(config.threads)?;
        Ok(config)
    }

    /// The settings of runs on datasets that are named elsewhere.
    pub(crate) fn resolve_real(&self, preset: PipelinePreset) -> Result<PipelineConfig> {
        self.overlaid(PipelineConfig::default().with_preset(preset)).misuse()
    }

    fn overlaid(&self, base: PipelineConfig) -> Result<PipelineConfig> {
        let mut config = match &self.config {
            Some(path) => load_settings(&base, path)?,
            None => base,
        };
        if let Some(data) = &self.data {
            config.data = Some(data.clone());
        }
        for training in [&mut config.baseline, &mut config.sparse, &mut config.finetune] {
            // Sparsity training that is left out stays so.
            training.epochs = self.epochs.filter(|_| training.epochs > 0).unwrap_or(training.epochs);
            training.batch = self.batch.unwrap_or(training.batch);
        }
        config.model = self.model.clone().unwrap_or(config.model);
        config.imgsz = self.imgsz.map_or(Ok(config.imgsz), args::ImageSize::side)?;
        config.seed = self.seed.unwrap_or(config.seed);
        config.device = self.machine.device.clone().unwrap_or(config.device);
        config.executor = self.machine.executor.or(config.executor);
        config.threads = self.machine.threads.unwrap_or(config.threads);
        let config = resolve(&config, &self.set)?;
        known_model(&config.model)?;
        Ok(config)
    }
}

impl args::Machine {
    /// The flags alone. Limits the program's threads to what they say.
    pub(crate) fn options(&self) -> Result<ExecutorOptions> {
        let threads = self.threads.unwrap_or(0);
        let device = self.device.as_deref().unwrap_or("cpu");
        let options = executor_options(self.executor, device, threads).misuse()?;
        limit_threads(threads)?;
        Ok(options)
    }
}

/// Refuses a word that is neither a model's name nor looks like a file.
pub(crate) fn known_model(name: &str) -> Result<()> {
    let is_word = !name.contains(['.', '/', '\\']) && !path_of_text(name).exists();
    if !is_word || MODELS.contains(&name) {
        return Ok(());
    }
    let text = format!("`{name}` is neither a file nor one of {}", MODELS.join(", "));
    let refused = misused(text);
    match near_model(name, MODELS.iter().map(|&model| model.to_owned())) {
        Some(tip) => refused.hint(|| tip),
        None => refused,
    }
}

/// Defaults for a file: its own image size. What is wrong with a file is the command's to say, not this one's.
pub(crate) fn for_file(weights: &Path) -> PipelineConfig {
    let base = PipelineConfig::default();
    let trained = jobs::trained_imgsz(weights).ok().flatten();
    PipelineConfig { imgsz: trained.unwrap_or(base.imgsz), ..base }
}

/// The result of a validation as JSON.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    metrics: &'a DetMetrics,
    classes: &'a ClassMap,
    left_out: &'a [usize],
    /// What was left out of the split when it was read.
    dataset: &'a [SplitFlaws],
}

pub(crate) fn val(args: &args::Val) -> Result<u8> {
    const USED: [&str; 7] = ["data", "imgsz", "baseline.batch", "loader", "device", "executor", "threads"];
    args.settings.only("val", &USED)?;
    let config = args.settings.resolve(for_file(&args.weights))?;
    config.data.as_ref().ok_or(NoDataset)?;
    let split = match args.split {
        args::Split::Train => SplitKind::Train,
        args::Split::Val => SplitKind::Val,
        args::Split::Test => SplitKind::Test,
    };
    let convention = args.figures.unwrap_or_default();
    let runtime = args.onnx.choice();
    let how = jobs::Validation { confidence: args.conf, iou: args.iou, rect: args.rect, convention, runtime };
    let mut terminal = Terminal::new();
    let Validated { metrics, classes, left_out } =
        jobs::validate(&config, &args.weights, split, &how, &mut terminal)?;
    if classes.is_plain() {
        tell!("{classes}");
    } else {
        let fewer = match left_out.iter().sum() {
            0usize => String::new(),
            objects => format!("; {objects} objects of classes that the network does not have take no part"),
        };
        eprint_line!("{classes}{fewer}");
    }
    if is_json() {
        let document = Document {
            metrics: &metrics,
            classes: &classes,
            left_out: &left_out,
            dataset: terminal.splits(),
        };
        say!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print_metrics(&metrics, classes.dataset(), &left_out);
    }
    Ok(args.thresholds.check(&metrics))
}

/// The table of classes that ends a validation. A class without an object that counts has no figures, and no part in the means;
/// `left_out` has the objects by class that do not count.
pub(crate) fn print_metrics(metrics: &DetMetrics, names: &[String], left_out: &[usize]) {
    say!("{:>20} {:>9} {:>9} {:>9} {:>9} {:>9}", "class", "objects", "P", "R", "mAP50", "mAP50-95");
    let row = |class: &str, (counted, left_out): (usize, usize), figures: [f64; 4]| {
        let [p, r, map50, map50_95] =
            figures.map(|figure| if counted == 0 { "n/a".to_owned() } else { format!("{figure:.3}") });
        let name = name(class);
        let n = counted + left_out;
        say!("{name:>20} {n:>9} {p:>9} {r:>9} {map50:>9} {map50_95:>9}");
    };
    let counted = metrics.per_class.iter().filter(|class| class.instances > 0).count();
    let whole = match metrics.per_class.len() {
        classes if classes == counted => "all".to_owned(),
        classes => format!("all ({counted} of {classes})"),
    };
    let all = [metrics.precision, metrics.recall, metrics.map50, metrics.map50_95];
    row(&whole, (metrics.instances, 0), all);
    for class in &metrics.per_class {
        let class_name = names.get(class.class_id).map_or("?", String::as_str);
        let objects = (class.instances, left_out.get(class.class_id).copied().unwrap_or_default());
        row(class_name, objects, [class.precision, class.recall, class.ap50, class.ap50_95]);
    }
}

pub(crate) fn import(args: &args::Import) -> Result<u8> {
    let (checkpoint, notes) = jobs::import(&args.file, &args.out)?;
    for note in &notes {
        eprint_line!("warning: {}: {note}", args.file.display());
    }
    let from = checkpoint.metadata.get("imported_from").map_or("a state dict", String::as_str);
    let trained = checkpoint.model.graph().params().into_iter().filter(|p| p.role.is_trained());
    let params = trained.fold(0, |sum, p| sum + p.len());
    let classes = checkpoint.model.class_names();
    let more = if classes.len() > 8 { ", ..." } else { "" };
    let names = classes.iter().take(8).map(name).collect::<Vec<_>>().join(", ");
    if is_json() {
        say!(
            "{:#}",
            serde_json::json!({
                "file": path_text(&args.out), "params": params, "classes": classes, "from": from, "warnings": notes
            })
        );
        return Ok(DONE);
    }
    say!("{}: {params} params, {} classes ({names}{more}), from {from}", args.out.display(), classes.len());
    Ok(DONE)
}

pub(crate) fn predict(args: &args::Predict) -> Result<u8> {
    let detect = DetectSettings {
        imgsz: args.imgsz,
        confidence: args.conf,
        iou: args.iou,
        max_detections: args.max_det,
        classes: args.classes.clone(),
    };
    let labels = args.out.as_ref().filter(|_| args.save_txt).map(|out| out.join("labels"));
    let load = args.onnx.choice().with(args.machine.options()?);
    let settings = Predict { detect, out: args.out.as_deref(), labels: labels.as_deref(), load };
    let start = Instant::now();
    let mut count = 0;
    let mut unreadable = 0;
    predict_files(&args.weights, &args.source, &settings, &mut |path, seen| {
        count += 1;
        match seen {
            Seen::Unreadable(why) => {
                unreadable += 1;
                eprint_line!("warning: {} was passed over: {why}", name(&path.display()));
            }
            Seen::Found(found) if is_json() => {
                say!("{}", serde_json::json!({ "image": path_text(path), "detections": found }));
            }
            Seen::Found(found) => {
                say!("{}: {} objects", name(&path.display()), found.len());
                for object in found {
                    let [x1, y1, x2, y2] = object.xyxy;
                    let class = name(&object.name);
                    say!("  {class} {:.3} at {x1:.0},{y1:.0} to {x2:.0},{y2:.0}", object.confidence);
                }
            }
        }
        Ok(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    tell!(
        "{count} images in {seconds:.2} s, {:.1} a second, loading included; {unreadable} could not be read",
        f64::from(count) / seconds
    );
    Ok(if unreadable == 0 { DONE } else { FAILED })
}

pub(crate) fn summary(args: &args::Summary) -> Result<u8> {
    known_model(&args.model)?;
    let summary = summarise(&args.model, &open_model(&args.model)?, args.imgsz)?;
    if is_json() {
        say!("{}", serde_json::to_string_pretty(&summary)?);
        return Ok(DONE);
    }
    for layer in &summary.layers {
        let [c, h, w] = layer.shape;
        let shape = format!("{c}x{h}x{w}");
        say!("{:>24} {:>10} {shape:>14} {:>10} {:>13}", layer.name, layer.op, layer.params, layer.macs);
    }
    say!(
        "{}: {} layers, {} classes, {} params, {} MACs ({:.2} G) at {} px",
        summary.model,
        summary.layers.len(),
        summary.num_classes,
        summary.params,
        summary.macs,
        summary.macs as f64 / 1e9,
        summary.imgsz
    );
    Ok(DONE)
}

#[expect(clippy::unnecessary_wraps, reason = "every command has one signature")]
pub(crate) fn doctor() -> Result<u8> {
    let checks = examine();
    if is_json() {
        let entry = |check: &Check| serde_json::json!({ "name": check.name, "works": check.works, "detail": check.detail });
        let checks: Vec<_> = checks.iter().map(entry).collect();
        say!("{:#}", serde_json::json!({ "checks": checks }));
        return Ok(DONE);
    }
    for check in checks {
        say!("{} {}: {}", if check.works { "yes" } else { " no" }, check.name, check.detail);
    }
    Ok(DONE)
}
