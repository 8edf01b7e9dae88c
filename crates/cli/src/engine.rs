//! `engine` and `inspect`: builds engines and describes files.

use crate::inspect_file::{Content, EngineContent, Inspection, NetworkContent, OnnxContent, inspect as look};
use anyhow::Result;
use bonsai_pipeline::{BackendChoice, BuildReport, EngineOutcome, PipelineConfig, jobs, path_text};

use crate::engine_args;
use crate::events::set_result;
use crate::failure::{DONE, FAILED, ensure_usage};
use crate::output::{eprint_line, is_json, name, say};
use crate::settings_args::for_file;
use crate::terminal::Terminal;

pub(crate) fn engine(args: &engine_args::Engine) -> Result<u8> {
    let files = &args.files;
    let mut used = vec!["engine", "imgsz", "device", "executor", "compute_precision", "threads"];
    if args.is_int8() {
        used.extend(["data", "seed", "loader", "export.calibration_images"]);
    }
    files.settings.only("engine", &used)?;
    let own = |config: &mut PipelineConfig| config.engine = args.over(config.engine.clone());
    let config = files.settings.resolve_with(for_file(&files.weights), own)?;
    let calibrates = args.is_int8() && config.data.is_some();
    let exports = (config.engine.backend != BackendChoice::Auto || args.ultralytics)
        && !bonsai_stages::is_onnx(&files.weights);
    ensure_usage!(
        exports || calibrates || files.settings.imgsz.is_none(),
        "--imgsz is given, but {} is neither exported nor calibrated: pass a checkpoint with --backend, or with --int8 \
         and --data, or leave --imgsz out",
        files.weights.display()
    );
    let form = jobs::UltralyticsForm { wanted: args.ultralytics, metadata_from: args.metadata_from.clone() };
    match jobs::engine(&config, &files.weights, &files.out, &form, &mut Terminal::new())? {
        jobs::Engine::Cpu(path) => say!("CPU engine: {}", path.display()),
        jobs::Engine::Prefixed(path) => say!("engine with metadata, for Ultralytics: {}", path.display()),
        jobs::Engine::TensorRt(outcome) => match *outcome {
            EngineOutcome::Built(built) => {
                print_build(&built);
                set_result(&built);
            }
            EngineOutcome::NotRun { because } => {
                eprint_line!("the engine was not built, because {because}");
                return Ok(FAILED);
            }
        },
    }
    Ok(DONE)
}

fn print_build(built: &BuildReport) {
    say!(
        "{} {} engine, {}: {} ({} bytes, built in {:.1} s)",
        built.backend.engine_kind(),
        built.version,
        built.precision,
        built.engine.display(),
        built.engine_bytes,
        built.measurement.build_seconds.unwrap_or(built.wall_seconds)
    );
    if let Some(latency) = built.measurement.latency.or(built.measurement.gpu_compute) {
        let qps = built.measurement.throughput_qps.unwrap_or(f64::NAN);
        say!("  median latency {:.3} ms, {qps:.1} inferences a second", latency.median_ms);
    }
}

pub(crate) fn inspect(args: &engine_args::Inspect) -> Result<u8> {
    if let Some(out) = &args.unwrap {
        let bytes = jobs::unwrap_engine(&args.file, out)?;
        if is_json() {
            say!("{:#}", serde_json::json!({ "file": path_text(out), "bytes": bytes }));
            return Ok(DONE);
        }
        say!("bare plan of {bytes} bytes: {}", out.display());
        return Ok(DONE);
    }
    let found = look(&args.file)?;
    if is_json() {
        say!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print_inspection(&found);
    }
    Ok(DONE)
}

fn print_inspection(found: &Inspection) {
    let file = found.file.display();
    let bytes = found.bytes;
    match &found.content {
        Content::Onnx(onnx) => {
            say!("{file}: ONNX file, {bytes} bytes");
            print_onnx(onnx);
        }
        Content::Engine(engine) => {
            let form = if engine.metadata.is_some() { ", in Ultralytics' form" } else { "" };
            say!("{file}: engine of {} {}{form}, {bytes} bytes", engine.runtime, engine.version);
            print_engine(engine);
        }
        Content::Network(network) => {
            say!("{file}: {}, {bytes} bytes", network.form);
            print_network(network);
        }
    }
}

fn entry(what: &str, value: &str) {
    say!("{what:>14}  {value}");
}

fn list(what: &str, values: &[String]) {
    for value in values {
        entry(what, &name(value));
    }
}

fn names(names: &[String]) {
    let more = if names.len() > 8 { ", ..." } else { "" };
    let first: Vec<String> = names.iter().take(8).map(name).collect();
    entry("classes", &format!("{} ({}{more})", names.len(), first.join(", ")));
}

fn notes<'a>(notes: impl Iterator<Item = (&'a String, String)>) {
    for (key, value) in notes {
        let short: String = value.chars().take(100).collect();
        let more = if short.len() < value.len() { " ..." } else { "" };
        entry("note", &format!("{} = {}{more}", name(key), name(&short)));
    }
}

fn print_onnx(onnx: &OnnxContent) {
    entry("version", &format!("opset {}, IR {}, by {}", onnx.opset, onnx.ir_version, onnx.producer));
    entry("arithmetic", &onnx.precision);
    list("input", &onnx.inputs);
    list("output", &onnx.outputs);
    let kinds = onnx.nodes.iter().map(|(op, count)| format!("{op} {count}")).collect::<Vec<_>>().join(", ");
    let count: usize = onnx.nodes.values().sum();
    entry("nodes", &format!("{count} ({kinds}), {} constants", onnx.constants));
    if let Some(classes) = &onnx.class_names {
        names(classes);
    }
    notes(onnx.metadata.iter().map(|(key, value)| (key, value.clone())));
}

fn print_engine(engine: &EngineContent) {
    entry("plan", &format!("{} bytes; only its runtime can read inputs and outputs", engine.plan_bytes));
    if let Some(metadata) = &engine.metadata {
        notes(metadata.iter().map(|(key, value)| (key, value.to_string())));
    }
}

fn print_network(network: &NetworkContent) {
    let macs = network.macs.map_or_else(String::new, |macs| format!(", {:.3} G MACs", macs as f64 / 1e9));
    entry("network", &format!("{} layers, {} params{macs}", network.layers, network.params));
    list("input", &network.inputs);
    list("output", &network.outputs);
    names(&network.class_names);
    if let Some(steps) = network.training_step {
        entry("training", &format!("can resume after {steps} optimiser steps"));
    }
    notes(network.metadata.iter().map(|(key, value)| (key, value.clone())));
}
