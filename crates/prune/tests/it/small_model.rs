//! [`small_model`]: hand-made networks for single cases.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{DetectHead, ModelSpec};
use bonsai_testkit::random_weights;

/// A detector with one class from the text form of a graph without input and outputs: `x` is the image, and
/// the heads `boxes` (4 channels) and `classes` (1 channel) read the layer `y`.
pub(crate) fn small_model(layers: &str) -> Checkpoint {
    let text = format!(
        "x = input() channels=3\n{layers}\n\
         boxes = conv2d(y) out_channels=4 kernel=1 stride=1 padding=0 bias=true\n\
         classes = conv2d(y) out_channels=1 kernel=1 stride=1 padding=0 bias=true\n\
         outputs = boxes, classes"
    );
    let graph = text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"));
    let head = DetectHead {
        num_classes: 1,
        reg_max: 1,
        strides: vec![1],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let spec = ModelSpec::new(graph, head, vec!["a".to_owned()]).unwrap();
    let weights = random_weights(1, spec.graph());
    Checkpoint::new(spec, weights).unwrap()
}

/// The text line of a 3x3 convolution `name` without bias.
pub(crate) fn conv(name: &str, input: &str, out_channels: usize) -> String {
    format!("{name} = conv2d({input}) out_channels={out_channels} kernel=3 stride=1 padding=1 bias=false\n")
}

/// The text lines of a convolution `name.conv` and a batch norm `name`.
pub(crate) fn conv_bn(name: &str, input: &str, out_channels: usize) -> String {
    let conv = conv(&format!("{name}.conv"), input, out_channels);
    format!("{conv}{name} = batch_norm({name}.conv) eps=0.001 momentum=0.03\n")
}
