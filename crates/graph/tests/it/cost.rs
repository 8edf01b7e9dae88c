//! Parameters and multiply-accumulates compared with numbers computed by hand.

use bonsai_graph::{Cost, ParamRole, Size};

use crate::graph;

#[test]
fn a_small_network_by_hand() {
    let graph = graph(
        "x = input() channels=3
         a = conv2d(x) out_channels=4 kernel=3 stride=2 padding=1 bias=false
         b = batch_norm(a) eps=0.001 momentum=0.03
         c = silu(b)
         d = conv2d(c) out_channels=5 kernel=1 stride=1 padding=0 bias=true
         e = upsample(d) scale=2
         outputs = e",
    );
    // a: 3 * 4 * 9 = 108 weights; b: 4 gammas, 4 betas (the 8 statistics are not counted); d: 20 weights, 5
    // biases. With an image of 7 x 10, the output of `a` has 4 x 5 = 20 cells: 108 * 20 and 20 * 20.
    assert_eq!(
        graph.cost(Size { height: 7, width: 10 }).unwrap(),
        Cost { params: 108 + 8 + 25, macs: 2160 + 400 }
    );
    assert_eq!(graph.node_macs(Size { height: 7, width: 10 }).unwrap(), [0, 2160, 0, 0, 400, 0]);
    assert!(graph.cost(Size { height: 0, width: 10 }).is_err());
}

#[test]
fn groups_divide_weights_and_work() {
    let graph = graph(
        "x = input() channels=6
         a = conv2d(x) out_channels=6 kernel=3 stride=1 padding=1 bias=false groups=6
         b = conv2d(a) out_channels=4 kernel=1 stride=1 padding=0 bias=true groups=2
         outputs = b",
    );
    // a: 6 kernels of 9 weights; b: 4 kernels of 6 / 2 = 3 weights, and 4 biases. 5 x 5 cells.
    let shapes: Vec<_> = graph.params().into_iter().map(|p| p.shape).collect();
    assert_eq!(shapes, [vec![6, 1, 3, 3], vec![4, 3, 1, 1], vec![4]]);
    assert_eq!(graph.node_macs(Size::square(5)).unwrap(), [0, 54 * 25, 12 * 25]);
    assert_eq!(graph.cost(Size::square(5)).unwrap(), Cost { params: 54 + 12 + 4, macs: 66 * 25 });
}

#[test]
fn every_parameter_has_its_name_shape_and_role() {
    let graph = graph(
        "x = input() channels=3
         a = conv2d(x) out_channels=4 kernel=3 stride=2 padding=1 bias=true
         b = batch_norm(a) eps=0.001 momentum=0.03
         outputs = b",
    );
    let found: Vec<_> = graph.params().into_iter().map(|p| (p.name, p.shape, p.role)).collect();
    let expected = [
        ("a.weight", vec![4, 3, 3, 3], ParamRole::ConvWeight),
        ("a.bias", vec![4], ParamRole::ConvBias),
        ("b.weight", vec![4], ParamRole::BnGamma),
        ("b.bias", vec![4], ParamRole::BnBeta),
        ("b.running_mean", vec![4], ParamRole::BnMean),
        ("b.running_var", vec![4], ParamRole::BnVar),
    ]
    .map(|(name, shape, role)| (name.to_owned(), shape, role));
    assert_eq!(found, expected);
    let trained = ParamRole::ALL.into_iter().filter(|r| r.is_trained()).count();
    assert_eq!(trained, 4);
}

/// The cost of the largest network that can be described does not fit into `u64`.
#[test]
fn work_beyond_counting_does_not_overflow() {
    let graph = graph(
        "x = input() channels=65536
         a = conv2d(x) out_channels=65536 kernel=64 stride=1 padding=31 bias=false
         b = conv2d(a) out_channels=65536 kernel=64 stride=1 padding=31 bias=false
         outputs = b",
    );
    let cost = graph.cost(Size::square(65_536)).unwrap();
    assert_eq!(cost, Cost { params: 2 << 44, macs: u64::MAX });
}
