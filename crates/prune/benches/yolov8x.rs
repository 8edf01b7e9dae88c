//! Benchmark: prunes half of every layer of a `YOLOv8x` by L2, timing coupling, score, select and apply.
//!
//! `cargo bench -p bonsai-prune --bench yolov8x`; `scripts/peers/prune_time.py` times Torch-Pruning on the
//! same network.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop")]

use std::time::Instant;

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Size;
use bonsai_prune::{
    Coupling, Importance, Normalisation, PrunePolicy, Scope, ScoreConfig, apply, score, select,
};
use bonsai_yolov8::{Scale, build, init};

const ROUNDS: usize = 7;

fn main() {
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    let model: Checkpoint = init(&build(Scale::X, &names).unwrap(), 0).unwrap();
    let config = ScoreConfig {
        importance: Importance::L2,
        normalisation: Normalisation::Mean,
        ..ScoreConfig::default()
    };
    let policy =
        PrunePolicy { scope: Scope::PerLayer, min_channels: 0, round_to: None, ..PrunePolicy::default() };
    let ms = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
    let mut totals = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let coupling = Coupling::from_graph(model.model.graph());
        let coupled = ms(start);
        let scores = score(&coupling, &model.weights, &config).unwrap();
        let scored = ms(start);
        let plan = select(&coupling, &scores, &policy).unwrap();
        let selected = ms(start);
        let pruned = apply(&plan, &model).unwrap();
        let applied = ms(start);
        println!(
            "coupling {:.0} ms, score {:.0}, select {:.0}, apply {:.0}: {:.0} ms, {} params",
            coupled,
            scored - coupled,
            selected - scored,
            applied - selected,
            applied,
            pruned.model.graph().cost(Size::square(640)).unwrap().params
        );
        totals.push(applied);
    }
    totals.sort_by(f64::total_cmp);
    println!("median {:.0} ms", totals[ROUNDS / 2]);
}
