//! [`enlarging_model`] and [`deep_model`]: valid networks that need too much memory or too deep a stack.

use std::fmt::Write as _;

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{DetectHead, Graph, ModelSpec};

use crate::random_weights;

/// A small network of some 30,000 weights in which one layer enlarges images 64 times and the next one has
/// 4096 channels: an image of 64 pixels becomes 256 GiB.
pub fn enlarging_model() -> Checkpoint {
    detector(
        "images = input() channels=3
        large = upsample(images) scale=64
        wide = conv2d(large) out_channels=4096 kernel=1 stride=1 padding=0 bias=false
        last = conv2d(wide) out_channels=4 kernel=1 stride=1 padding=0 bias=false\n"
            .to_owned(),
    )
}

/// A chain of `layers` activations, one after another.
pub fn deep_model(layers: usize) -> Checkpoint {
    let mut text = "images = input() channels=3\n\
        s0 = conv2d(images) out_channels=4 kernel=3 stride=8 padding=1 bias=false\n"
        .to_owned();
    for layer in 1..layers {
        let _ = writeln!(text, "s{layer} = silu(s{})", layer - 1);
    }
    let _ = writeln!(text, "last = silu(s{})", layers.max(1) - 1);
    detector(text)
}

/// Completes the text with a head of two classes and two bins per side that reads `last`.
fn detector(mut text: String) -> Checkpoint {
    text.push_str(
        "box = conv2d(last) out_channels=8 kernel=1 stride=1 padding=0 bias=false
        class = conv2d(last) out_channels=2 kernel=1 stride=1 padding=0 bias=false
        outputs = box, class",
    );
    let graph: Graph = text.parse().expect("the text is a graph's");
    let head = DetectHead {
        num_classes: 2,
        reg_max: 2,
        strides: vec![8],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let names = ["a", "b"].map(str::to_owned).to_vec();
    let model = ModelSpec::new(graph, head, names).expect("the head fits");
    let weights = random_weights(7, model.graph());
    Checkpoint::new(model, weights).expect("weights are drawn from the parameter list")
}
