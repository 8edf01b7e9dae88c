//! Tests of checkpoint files from outside: faithful, strict, safe to read, and never half-written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod fold;
mod forms;
mod limits;
mod network;
mod pt;
mod python;
mod quantized;
mod replace;
mod round_trip;
mod state_dict;
mod strict;
mod tampered;
mod ultralytics_file;
mod user_state_dicts;

use std::error::Error;

use bonsai_checkpoint::{Checkpoint, TrainProgress, TrainState, Weights};
use bonsai_testkit::{RandomGraphConfig, random_model, random_weights};

/// A small random detector without training state.
fn deployed(seed: u64) -> Checkpoint {
    let config = RandomGraphConfig { blocks: 3, max_channels: 6, max_side: 8 };
    let mut checkpoint = random_model(seed, &config).checkpoint;
    checkpoint.metadata.insert("imgsz".to_owned(), "64".to_owned());
    checkpoint.metadata.insert("source".to_owned(), "a \"drawn\" dataset, naïve".to_owned());
    checkpoint
}

/// The same detector with training state.
fn trained(seed: u64) -> Checkpoint {
    let mut checkpoint = deployed(seed);
    let graph = checkpoint.model.graph();
    let is_trained = |name: &str| graph.params().iter().any(|p| p.name == name && p.role.is_trained());
    let momentum: Weights = random_weights(seed + 2, graph)
        .iter()
        .filter(|(name, _)| is_trained(name))
        .map(|(name, array)| (name.to_owned(), array.clone()))
        .collect();
    let raw = random_weights(seed + 1, graph);
    let progress = TrainProgress {
        epoch: 3,
        updates: 77,
        seed,
        best_fitness: Some(0.1 + 0.2),
        ..TrainProgress::default()
    };
    // Every second seed has the state of AdamW.
    let second_moment = (seed % 2 == 1).then(|| momentum.clone());
    checkpoint.train = Some(TrainState { raw, momentum, second_moment, progress });
    checkpoint
}

/// The messages of an error and of all its causes.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}

/// Checks that reading `bytes` fails with a message that contains all `parts`.
#[track_caller]
fn assert_refused(bytes: &[u8], parts: &[&str]) {
    let message = chain(&Checkpoint::from_bytes(bytes).expect_err("this must be refused"));
    assert_names(&message, parts);
}

#[track_caller]
fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}
