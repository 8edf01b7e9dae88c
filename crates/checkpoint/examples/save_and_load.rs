//! Example: saves your own weights to a file and loads them.
//!
//! `cargo run --release -p bonsai-checkpoint --example save_and_load`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{DetectHead, Graph, ModelSpec};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let graph: Graph = "
        x = input() channels=3
        boxes = conv2d(x) out_channels=4 kernel=1 stride=1 padding=0 bias=true
        classes = conv2d(x) out_channels=1 kernel=1 stride=1 padding=0 bias=true
        outputs = boxes, classes
    "
    .parse()?;
    let weights = Weights::zeros(&graph);
    let head = DetectHead {
        num_classes: 1,
        reg_max: 1,
        strides: vec![1],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let saved = Checkpoint::new(ModelSpec::new(graph, head, vec!["cell".to_owned()])?, weights)?;
    let file = folder.path().join("one.safetensors");
    saved.save(&file)?;
    let loaded = Checkpoint::load(&file)?;
    assert_eq!(loaded.to_bytes()?, saved.to_bytes()?);
    println!("checkpoint: {} arrays there and back", loaded.weights.len());
    Ok(())
}
