#![doc = include_str!("../README.md")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod bench;
mod command;
mod command_tree;
mod completion;
mod compress;
mod data;
mod doctor;
#[cfg(test)]
mod documents;
mod duration;
mod engine;
mod engine_args;
mod eta_log;
mod events;
mod examples;
mod export;
mod failure;
mod image_size;
mod import;
mod inspect_file;
mod interrupt;
mod invocation;
mod last_words;
mod metrics_table;
mod missing_file;
mod model_name;
mod numbers;
mod onnx_args;
mod output;
mod pipeline;
mod place;
mod predict;
mod predict_crops;
mod predict_files;
mod predict_labels;
mod predict_names;
mod predict_options;
mod predict_source;
mod predict_video;
mod progress_bar;
mod pruning;
mod pruning_output;
mod published_models;
mod ranks;
mod recipes;
mod run_eta;
mod serve;
mod serve_request;
mod settings_args;
mod shell;
mod spelling;
mod summary;
mod sweep;
mod sweep_script;
mod terminal;
mod testing;
mod thresholds;
mod train_args;
mod train_keys;
mod training;
mod trial;
mod ultralytics_args;
mod used_options;
mod val;
mod video_reader;
mod video_writer;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use command::{Cli, Command};

/// Parses the arguments of this process, runs their command and returns its exit code.
///
/// The exit codes are listed at the end of `--help`. Installs a `tracing` subscriber, so call it once.
pub fn main() -> ExitCode {
    if let Some(code) = trial::serve() {
        return code;
    }
    let (Cli { mut options, command }, files) = command_tree::parse();
    options.long = command.is_long();
    output::choose(options);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(output::level())
        .with_ansi(output::is_coloured())
        .without_time()
        .init();
    let start = Instant::now();
    let arguments = std::env::args_os().skip(1);
    let arguments: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let silent = place::is_silent();
    if !silent {
        events::event("start", json!({ "version": env!("CARGO_PKG_VERSION"), "arguments": arguments }));
    }
    let code = catch_unwind(AssertUnwindSafe(|| {
        run(&command).unwrap_or_else(|error| failure::report(error, &files))
    }));
    let code = code.unwrap_or_else(|panic| {
        // The other processes would wait for this one.
        ranks::leave(failure::FAILED);
        resume_unwind(panic)
    });
    let seconds = start.elapsed().as_secs_f64();
    if !silent {
        events::event("end", json!({ "code": code, "seconds": seconds, "result": events::result() }));
    }
    let code = ranks::leave(code);
    ExitCode::from(code)
}

/// Runs a command and returns the exit code.
fn run(command: &Command) -> Result<u8> {
    if command.runs_once() {
        ranks::refuse_several()?;
    }
    match command {
        Command::Pipeline(args) => pipeline::pipeline(args),
        Command::Compress(args) => compress::run(args),
        Command::Train(args) => training::train(args),
        Command::Sparsify(args) => training::sparsify(args),
        Command::Finetune(args) => training::finetune(args),
        Command::Data(command) => data::run(command),
        Command::Val(args) => val::val(args),
        Command::Import(args) => import::import(args),
        Command::Prune(args) => pruning::prune(args),
        Command::Export(args) => export::export(args),
        Command::Engine(args) => engine::engine(args),
        Command::Inspect(args) => engine::inspect(args),
        Command::Predict(args) => predict::predict(args),
        Command::Serve(args) => serve::serve(args),
        Command::Summary(args) => summary::summary(args),
        Command::Bench(bench) => bench::run(bench),
        Command::Doctor => doctor::doctor(),
        Command::Test { arguments } => testing::test(arguments),
        Command::Completions(args) => Ok(completion::completions(args, command_tree::commands())),
        Command::Man(args) => completion::manual(args, command_tree::commands()),
    }
}
