//! [`compress`]: from a trained network and a budget to the best engine that meets it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_detector::write_engine;
use bonsai_exec::ExecutorOptions;
use bonsai_graph::Size;
use bonsai_pipeline::neighbours::mark_neighbours;
use bonsai_pipeline::{Control, PipelineConfig, Progress, RunDir, check, run_stages};
use bonsai_stages::{
    Data, Measurement, RunContext, engine_executor, ensure_usage, measure_artefacts, open_dataset,
    quantize_stage, save_json, trained_checkpoint,
};
use bonsai_tensorrt::EnginePrecision;

use crate::accepted::{UNPRUNED, accept, accepted, with_target};
use crate::candidates::{Candidate, candidates};
use crate::cost::Scale;
use crate::outcome::GIVEN;
use crate::prune::{Reached, prune_to};
use crate::{Budget, Cost, Curve, Engine, Excess, Outcome};

/// Engine of the outcome.
const COMPRESSED: &str = "compressed.cpu.safetensors";

/// Arguments of [`compress`].
#[derive(Debug, Clone)]
pub struct CompressOptions {
    /// Settings of the runs; `model` is the given network, and `baseline.epochs` is 0.
    pub config: PipelineConfig,
    /// The limits.
    pub budget: Budget,
    /// Precisions to try: `f32` and 8-bit codes.
    pub precisions: Vec<EnginePrecision>,
}

/// Compresses a network in `folder`, which gets a run directory for each candidate, the kept engine and the
/// outcome as JSON and Markdown. The same call continues after an interruption.
///
/// # Errors
/// If a setting is out of range, the network lacks a class of the dataset, or a stage fails. A budget that is
/// not met is no error ([`Outcome::missed`]).
pub fn compress(options: &CompressOptions, folder: &Path, progress: &mut dyn Progress) -> Result<Outcome> {
    let CompressOptions { config, budget, precisions } = options;
    budget.check()?;
    check(config)?;
    ensure_usage!(
        config.baseline.epochs == 0,
        "baseline.epochs is {}, but compress takes the network as it is: set baseline.epochs=0",
        config.baseline.epochs
    );
    let twice = precisions.iter().enumerate().any(|(i, precision)| precisions[..i].contains(precision));
    ensure_usage!(
        !precisions.is_empty() && !precisions.contains(&EnginePrecision::Fp16) && !twice,
        "precisions are {precisions:?}; expected fp32, int8 or both, each once"
    );
    let yaml = config.data.as_deref().context("a budget needs a dataset: pass --data DATA.yaml")?;
    let run = config.run_context()?;
    // The engines run on the CPU, wherever the network is trained.
    let context = RunContext { executor: engine_executor(run.executor), ..run };
    let data = open_dataset(yaml, progress)?;
    let given = trained_checkpoint(&config.model, &data.class_names, config.seed, progress)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    mark_neighbours(folder)?;

    let mut work = Work { options, folder, data, context, given, engines: Vec::new(), missed: Vec::new() };
    progress.note("timing networks of several sizes");
    let curve =
        Curve::measure(&work.given, &config.prune, &options.all(), &work.context, config.latency_runs)?;
    progress.note(&format!("sizes of this network on this machine:\n{}", curve.markdown(budget)));
    work.keep_given()?;
    let to_try = if work.given_meets(&curve)? { Vec::new() } else { candidates(budget, precisions) };
    for candidate in to_try {
        // A candidate that an earlier call accepted is not measured again, because its training may be done.
        if accepted(folder, &candidate).is_none() && work.is_beyond(&candidate, &curve) {
            continue;
        }
        work.try_candidate(&candidate, &curve, progress)?;
        if !budget.limits_costs() && !work.last_keeps_the_drop(&candidate) {
            break;
        }
    }
    let outcome = work.outcome(curve)?;
    save_json(&folder.join("compress.json"), &outcome)?;
    write_file(folder.join("compress.md"), outcome.markdown().as_bytes())?;
    Ok(outcome)
}

impl CompressOptions {
    /// `f32`, in which the given network is the reference, then the other precisions to try.
    fn all(&self) -> Vec<EnginePrecision> {
        let others = self.precisions.iter().copied().filter(|p| *p != EnginePrecision::Fp32);
        std::iter::once(EnginePrecision::Fp32).chain(others).collect()
    }
}

struct Work<'a> {
    options: &'a CompressOptions,
    folder: &'a Path,
    data: Data,
    context: RunContext,
    given: Checkpoint,
    /// Run, precision, file and fraction of the MACs of each engine.
    engines: Vec<(String, EnginePrecision, PathBuf, f64)>,
    missed: Vec<String>,
}

impl Work<'_> {
    /// Writes the engines of the given network.
    fn keep_given(&mut self) -> Result<()> {
        let folder = self.folder.join(GIVEN);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for precision in self.options.all() {
            let engine = match precision {
                EnginePrecision::Int8 => {
                    let calibration = (&self.options.config.export).into();
                    quantize_stage(&self.given, &calibration, &self.data.train, &self.context)?
                }
                _ => self.given.without_codes(),
            };
            let file = folder.join(format!("{precision}.cpu.safetensors"));
            write_engine(&engine, &file)?;
            self.engines.push((GIVEN.to_owned(), precision, file, 1.0));
        }
        Ok(())
    }

    /// Whether the budget limits the loss and a cost, and an engine of the given network meets all limits; then
    /// nothing is trained.
    fn given_meets(&self, curve: &Curve) -> Result<bool> {
        let budget = self.options.budget.with_margin();
        let Some(limit) = budget.drop.filter(|_| budget.limits_costs()) else { return Ok(false) };
        let within = |precision: &EnginePrecision| {
            curve.of(*precision).next().is_some_and(|point| budget.excess(&point.cost).is_empty())
        };
        if !self.options.precisions.iter().any(within) {
            return Ok(false);
        }
        let engines = self.measured()?;
        let meets = |engine: &&Engine| {
            self.options.precisions.contains(&engine.precision)
                && engine.excess.is_empty()
                && [engines[0].val - engine.val, engines[0].test - engine.test]
                    .iter()
                    .all(|loss| *loss <= limit)
        };
        Ok(engines.iter().any(|engine| meets(&engine)))
    }

    /// Whether even the cheapest network of the curve, whose last point is the smallest that the guards allow,
    /// exceeds a limit by more than [`NOISE`] in every precision of the candidate; adds the reason.
    fn is_beyond(&mut self, candidate: &Candidate, curve: &Curve) -> bool {
        let mut beyond = true;
        for precision in &candidate.precisions {
            let excess = curve.of(*precision).map(|point| candidate.budget.excess(&point.cost));
            let least = excess.map(|e| e.first().copied()).collect::<Option<Vec<_>>>();
            let worst =
                least.and_then(|all| all.into_iter().min_by(|a, b| a.factor().total_cmp(&b.factor())));
            match worst.filter(|worst| worst.factor() > NOISE) {
                // A fraction of the MACs that the user did not ask for is no limit that was missed.
                Some(worst) if self.options.budget.limits_costs() => self.missed.push(format!(
                    "{precision}: the timed network that comes nearest to the limits is still too costly ({worst}), so none \
                     was trained: allow a higher limit"
                )),
                Some(_) => {}
                None => beyond = false,
            }
        }
        beyond
    }

    /// Prunes and fine-tunes a candidate, unless the given network keeps its budget and there is nothing to gain
    /// from training it ([`Work::is_worth_training`]).
    fn try_candidate(
        &mut self,
        candidate: &Candidate,
        curve: &Curve,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let Candidate { name, precisions, budget } = candidate;
        let strict = budget.with_margin();
        let worst = worst_given(&strict, precisions, curve);
        let mut base = self.options.config.clone();
        base.extras.latency_in = precisions.last().copied().unwrap_or_default();
        let in_codes = precisions.contains(&EnginePrecision::Int8);
        base.export.int8 |= in_codes;
        base.finetune.qat &= in_codes;
        let dir = RunDir::new(self.folder.join(name));
        let config = match (accepted(self.folder, candidate), worst) {
            (Some(target), _) => with_target(&base, target),
            (None, Some(given)) => {
                let scale = Scale::of(&self.given, &self.context, base.latency_runs)?;
                progress.note(&format!("{name}: pruning to the budget"));
                match prune_to(&strict, precisions, (&base, &dir), (&scale, &given), progress)? {
                    Reached::Settings(config) => *config,
                    Reached::Never(reason) => {
                        if self.options.budget.limits_costs() {
                            self.missed.push(format!("{name}: {reason}"));
                        }
                        return Ok(());
                    }
                }
            }
            (None, None) if self.is_worth_training(candidate, curve) => {
                progress.note(&format!(
                    "{name}: the given network keeps the budget without pruning, so Bonsai only fine-tunes it"
                ));
                with_target(&base, UNPRUNED)
            }
            (None, None) => {
                progress.note(&format!("{name}: the given network keeps the budget without pruning"));
                return Ok(());
            }
        };
        accept(self.folder, candidate, &config)?;
        run_stages(&config, &dir, &Control::default(), progress)?;
        for precision in precisions {
            let suffix = if *precision == EnginePrecision::Int8 { "int8.cpu" } else { "cpu" };
            let file =
                dir.stage(bonsai_pipeline::Stage::Engine).join(format!("finetuned.{suffix}.safetensors"));
            let whole = self.given.model.graph().cost(Size::square(self.context.imgsz))?.macs;
            let left = Checkpoint::load(&file)?.model.graph().cost(Size::square(self.context.imgsz))?.macs;
            self.engines.push((name.clone(), *precision, file, left as f64 / whole as f64));
        }
        Ok(())
    }

    /// Whether an unpruned copy that is fine-tuned may be better than all other candidates: the given network
    /// keeps the budget of the candidate, but not in `f32`. So the `f32` candidate is pruned and fine-tuned, and
    /// without this copy its only rival would be a network that lost precision and had no training.
    fn is_worth_training(&self, candidate: &Candidate, curve: &Curve) -> bool {
        let all = self.options.all();
        candidate.precisions == [EnginePrecision::Int8]
            && worst_given(&candidate.budget.with_margin(), &all[..1], curve).is_some()
    }

    /// Whether the last run loses little enough on the validation split for a smaller one to be worth a try.
    fn last_keeps_the_drop(&self, candidate: &Candidate) -> bool {
        let Ok(measured) = self.measured() else { return false };
        let given = measured[0].val;
        let of_run = measured.iter().filter(|engine| engine.run == candidate.name);
        of_run.map(|engine| given - engine.val).fold(f64::INFINITY, f64::min)
            <= self.options.budget.drop.unwrap_or(1.0)
    }

    /// Evaluates all engines, and times them in turns.
    fn measured(&self) -> Result<Vec<Engine>> {
        let config = &self.options.config;
        let files: Vec<(&Path, ExecutorOptions)> =
            self.engines.iter().map(|(_, _, file, _)| (file.as_path(), self.context.executor)).collect();
        let batch = config.finetune.batch;
        let on = |split| measure_artefacts(&files, split, &self.context, batch, config.latency_runs);
        let (val, test) = (on(&self.data.val)?, on(&self.data.test)?);
        let mut engines = Vec::with_capacity(self.engines.len());
        for ((engine, val), test) in self.engines.iter().zip(val).zip(test) {
            let (val, test) = match (val, test) {
                (Measurement::Measured(val), Measurement::Measured(test)) => (val, test),
                (Measurement::NotRun(because), _) | (_, Measurement::NotRun(because)) => {
                    anyhow::bail!("cannot run {}: {because}", engine.2.display());
                }
            };
            let (run, precision, file, macs) = engine.clone();
            let bytes = fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?.len();
            // Other programs only delay, so the lower of two measurements is the better one.
            let [first, second] = [&val, &test].map(|artefact| artefact.times.latency().p50_ms);
            let cost = Cost { latency_ms: first.min(second), macs, bytes };
            let excess = self.options.budget.excess(&cost).iter().map(ToString::to_string).collect();
            let lost = None;
            let [val, test] = [val, test].map(|artefact| artefact.evaluation.metrics.map50_95);
            engines.push(Engine { run, precision, file, cost, val, test, excess, lost });
        }
        let limit = self.options.budget.drop.unwrap_or(f64::INFINITY);
        let [given_val, given_test] = engines.first().map_or([0.0; 2], |given| [given.val, given.test]);
        for engine in &mut engines {
            let [val, test] = [given_val - engine.val, given_test - engine.test];
            // Validation images choose; the split of the report has the last word.
            let loss = if self.options.budget.limits_costs() { test } else { val.max(test) };
            engine.lost =
                (loss > limit).then(|| format!("mAP50-95 falls by {loss:.4}, the limit is {limit}"));
        }
        Ok(engines)
    }

    /// Measures all engines, and keeps the best that meets the budget.
    fn outcome(mut self, curve: Curve) -> Result<Outcome> {
        let budget = self.options.budget;
        let engines = self.measured()?;
        let wanted = |engine: &Engine| self.options.precisions.contains(&engine.precision);
        let within = engines.iter().enumerate().filter(|(_, e)| wanted(e) && e.excess.is_empty());
        let kept = if budget.limits_costs() {
            within.max_by(|(_, a), (_, b)| a.val.total_cmp(&b.val))
        } else {
            // Without a limit of cost, the fastest network that loses little enough.
            let within = within.filter(|(_, engine)| engine.lost.is_none());
            within.min_by(|(_, a), (_, b)| a.cost.latency_ms.total_cmp(&b.cost.latency_ms))
        };
        let kept = kept.map(|(index, _)| index);
        let mut file = None;
        // An engine of an earlier budget must not stay beside an outcome without one.
        let copy = self.folder.join(COMPRESSED);
        if let Some(engine) = kept.map(|index| &engines[index]) {
            // Only other candidates missed a limit.
            self.missed.clear();
            if let Some(lost) = &engine.lost {
                let advice = if engine.run == GIVEN {
                    "the network was not trained, because its engine keeps the other limits: set a lower limit of cost, or \
                     fine-tune it with `finetune --qat true`"
                } else {
                    "train for more epochs (--epochs), or allow a higher cost"
                };
                self.missed.push(format!("{lost} ({} split): {advice}", self.data.test_name));
            }
            let bytes =
                fs::read(&engine.file).with_context(|| format!("cannot read {}", engine.file.display()))?;
            write_file(&copy, &bytes)?;
            file = Some(copy);
        } else {
            let near = engines.iter().filter(|engine| wanted(engine));
            let near =
                near.filter_map(|engine| Some((engine, engine.excess.first().or(engine.lost.as_ref())?)));
            for (engine, reason) in near {
                self.missed.push(format!("{} in {}: {reason}", engine.run, engine.precision));
            }
            if copy.exists() {
                fs::remove_file(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
            }
        }
        let split = self.data.test_name.to_owned();
        Ok(Outcome { budget, curve, engines, kept, file, missed: self.missed, split })
    }
}

/// The cost of the given network in the precision that exceeds the budget the most; `None` if every precision
/// keeps it.
fn worst_given(budget: &Budget, precisions: &[EnginePrecision], curve: &Curve) -> Option<Cost> {
    let excess = |cost: &Cost| budget.excess(cost).first().map(Excess::factor);
    let costs = precisions.iter().filter_map(|p| curve.of(*p).next()).map(|point| point.cost);
    let over = costs.filter_map(|cost| Some((excess(&cost)?, cost)));
    over.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, cost)| cost)
}

/// Factor by which the cheapest network of the curve may exceed a limit for a candidate to be tried: two
/// measurements of a latency differ.
const NOISE: f64 = 1.1;
