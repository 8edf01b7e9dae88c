//! Example: your own network as data, and its cost.
//!
//! `cargo run --release -p bonsai-graph --example cost`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_graph::{GraphBuilder, GraphError, Op, Size};

fn main() -> Result<(), GraphError> {
    let mut b = GraphBuilder::new();
    let images = b.push("images", Op::Input { channels: 3 }, &[])?;
    let conv = b.conv("stem.conv", images, 16, 3, 2)?;
    let bn = b.push("stem.bn", Op::batch_norm(), &[conv])?;
    let graph = b.finish(&[bn])?;
    let cost = graph.cost(Size::square(64))?;
    assert_eq!(cost.params, 16 * 3 * 9 + 2 * 16);
    println!("graph: {} params, {} macs", cost.params, cost.macs);
    Ok(())
}
