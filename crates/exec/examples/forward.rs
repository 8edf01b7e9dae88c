//! Example: runs your own network forward.
//!
//! `cargo run --release -p bonsai-exec --example forward`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{ExecutorOptions, Mode, build_executor};
use bonsai_graph::{GraphBuilder, Op};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut b = GraphBuilder::new();
    let x = b.push("x", Op::Input { channels: 1 }, &[])?;
    let y = b.conv("y", x, 1, 1, 1)?;
    let graph = b.finish(&[y])?;
    let mut weights = Weights::new();
    weights.insert("y.weight", Array::new(&[1, 1, 1, 1], vec![2.0]));
    let mut executor = build_executor(&graph, &weights, &ExecutorOptions::default())?;
    let outputs = executor.forward(Mode::Eval, &Array::new(&[1, 1, 1, 2], vec![3.0, 4.0]))?;
    assert_eq!(outputs[0].data(), [6.0, 8.0]);
    println!("exec: {:?}", outputs[0].data());
    Ok(())
}
