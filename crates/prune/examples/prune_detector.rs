//! Example: prunes a YOLOv8n without running it.
//!
//! `cargo run --release -p bonsai-prune --example prune_detector`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_graph::{Graph, ParamRole, Size};
use bonsai_prune::{Coupling, PrunePolicy, ScoreConfig, apply, score, select};
use bonsai_yolov8::{Scale, build, init};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut model = init(&build(Scale::N, &["cell".to_owned()])?, 0)?;
    for (index, spec) in model.model.graph().params().iter().enumerate() {
        if spec.role == ParamRole::BnGamma {
            let gamma = model.weights.get_mut(&spec.name).ok_or("every parameter has its weights")?;
            gamma
                .data_mut()
                .iter_mut()
                .enumerate()
                .for_each(|(c, g)| *g = ((index + 7 * c) % 97) as f32 / 97.0);
        }
    }
    let coupling = Coupling::from_graph(model.model.graph());
    let scores = score(&coupling, &model.weights, &ScoreConfig::default())?;
    let plan = select(&coupling, &scores, &PrunePolicy { prune_ratio: 0.4, ..PrunePolicy::default() })?;
    let pruned = apply(&plan, &model)?;
    let params = |graph: &Graph| graph.cost(Size::square(640)).map(|cost| cost.params);
    let before = params(model.model.graph())?;
    let after = params(pruned.model.graph())?;
    assert!(after < before);
    println!("prune: {before} params become {after}");
    Ok(())
}
