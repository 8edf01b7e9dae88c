//! The command line of Bonsai: arguments, progress bars and logging. What is done is `bonsai-pipeline`'s.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod args;
mod bench;
mod commands;
mod engine;
mod engine_args;
mod export;
mod interrupt;
mod output;
mod pipeline;
mod pruning;
mod terminal;
mod testing;
mod train_args;
mod training;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .without_time()
        .init();
    let result = match Cli::parse().command {
        Command::Pipeline(args) => pipeline::pipeline(&args),
        Command::Train(args) => training::train(&args),
        Command::Sparsify(args) => training::sparsify(&args),
        Command::Finetune(args) => training::finetune(&args),
        Command::Val(args) => commands::val(&args),
        Command::Import(args) => commands::import(&args),
        Command::Prune(args) => pruning::prune(&args),
        Command::Export(args) => export::export(&args),
        Command::Engine(args) => engine::engine(&args),
        Command::Inspect(args) => engine::inspect(&args),
        Command::Predict(args) => commands::predict(&args),
        Command::Summary(args) => commands::summary(&args),
        Command::Bench(bench) => bench::run(&bench),
        Command::Doctor => commands::doctor(),
        Command::Test { arguments } => testing::test(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
