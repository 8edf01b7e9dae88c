//! [`init`]: weights of a network before training.
//!
//! Convolutions are initialised as in PyTorch: uniform in `±1/sqrt(fan_in)` for kernel and bias (He et al.
//! 2015 with a = sqrt(5)); gamma 1, beta 0, mean 0, variance 1. Head biases are as in Ultralytics 8.0: 1 for
//! boxes, and for classes the logit of about five objects per 640-pixel image,
//! `ln(5 / classes / (640 / stride)^2)`.

use bonsai_checkpoint::{Array, Checkpoint, CheckpointError, Weights};
use bonsai_graph::{Graph, ModelSpec, NodeId, Op, ParamRole};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Side of the image to which the class prior refers, in pixels.
const PRIOR_IMGSZ: f32 = 640.0;

/// A checkpoint with fresh weights; the same seed gives the same bits.
///
/// # Errors
/// [`CheckpointError`] only if the model's parameter list is inconsistent.
pub fn init(model: &ModelSpec, seed: u64) -> Result<Checkpoint, CheckpointError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = Weights::new();
    for spec in model.graph().params() {
        let fan_in = fan_in(model.graph(), spec.node);
        let bound = 1.0 / (fan_in as f32).sqrt();
        let data = match spec.role {
            ParamRole::ConvWeight | ParamRole::ConvBias => {
                (0..spec.len()).map(|_| rng.random_range(-bound..bound)).collect()
            }
            ParamRole::BnGamma | ParamRole::BnVar => vec![1.0; spec.len()],
            ParamRole::BnBeta | ParamRole::BnMean => vec![0.0; spec.len()],
        };
        weights.insert(spec.name, Array::new(&spec.shape, data));
    }
    init_head(model, &mut weights);
    Checkpoint::new(model.clone(), weights)
}

/// Number of inputs that one output of a convolution sums; 1 for any other layer.
fn fan_in(graph: &Graph, layer: NodeId) -> usize {
    let Op::Conv2d { kernel, groups, .. } = *graph.node(layer).op() else { return 1 };
    graph.in_channels(layer) / groups * kernel * kernel
}

fn init_head(model: &ModelSpec, weights: &mut Weights) {
    let head = model.head();
    let mut fill = |output: usize, value: f32| {
        let layer = model.graph().node(model.graph().outputs()[output]).name();
        if let Some(bias) = weights.get_mut(&format!("{layer}.{}", ParamRole::ConvBias.suffix())) {
            bias.data_mut().fill(value);
        }
    };
    for (level, stride) in head.strides.iter().enumerate() {
        let cells = (PRIOR_IMGSZ / *stride as f32).powi(2);
        fill(head.box_outputs[level], 1.0);
        fill(head.cls_outputs[level], (5.0 / head.num_classes as f32 / cells).ln());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scale, build};
    use bonsai_graph::DetectHead;

    #[test]
    fn a_depthwise_kernel_has_the_bound_of_its_own_window() {
        let text = "x = input() channels=64
            d = conv2d(x) out_channels=64 kernel=3 stride=1 padding=1 bias=false groups=64
            b = conv2d(d) out_channels=4 kernel=1 stride=1 padding=0 bias=true
            c = conv2d(d) out_channels=1 kernel=1 stride=1 padding=0 bias=true
            outputs = b, c";
        let box_outputs = vec![0];
        let cls_outputs = vec![1];
        let head = DetectHead { num_classes: 1, reg_max: 1, strides: vec![1], box_outputs, cls_outputs };
        let model = ModelSpec::new(text.parse().unwrap(), head, vec!["a".to_owned()]).unwrap();
        let kernel = init(&model, 1).unwrap().weights.get("d.weight").unwrap().data().to_vec();
        let largest = kernel.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
        assert!((0.33..=1.0 / 3.0).contains(&largest), "{largest}");
    }

    #[test]
    fn same_seed_same_bits_and_published_head_biases() {
        let model = build(Scale::N, &["a".to_owned(), "b".to_owned()]).unwrap();
        let a = init(&model, 1).unwrap();
        let b = init(&model, 1).unwrap();
        let c = init(&model, 2).unwrap();
        assert_eq!(a, b);
        assert_ne!(a.weights, c.weights);
        assert_eq!(a.weights.get("model.22.cv2.1.2.bias").unwrap().data(), vec![1.0; 64]);
        let expected = (5.0f32 / 2.0 / (640.0f32 / 32.0).powi(2)).ln();
        assert_eq!(a.weights.get("model.22.cv3.2.2.bias").unwrap().data(), vec![expected; 2]);
        let kernel = a.weights.get("model.1.conv.weight").unwrap().data();
        let bound = 1.0 / (16.0f32 * 9.0).sqrt();
        assert!(kernel.iter().all(|v| v.abs() <= bound));
        let sd = (kernel.iter().map(|v| v * v).sum::<f32>() / kernel.len() as f32).sqrt();
        assert!((sd / (bound / 3.0f32.sqrt()) - 1.0).abs() < 0.05, "{sd}");
    }
}
