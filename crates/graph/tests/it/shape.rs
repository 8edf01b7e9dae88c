//! Tests of `Graph::shapes`: known answers for odd sizes, and sizes that are errors.

use bonsai_graph::{Graph, GraphError, Size};

use crate::detector::detector;
use crate::{assert_names, graph};

/// Checks the output height and width of one layer `op` that reads 2 channels.
#[track_caller]
fn check(op: &str, (height, width): (usize, usize), expected: (usize, usize)) {
    let (kind, fields) = op.split_once(' ').unwrap_or((op, ""));
    let text = format!("x = input() channels=2\ny = {kind}(x) {fields}\noutputs = y");
    let shape = graph(&text).shapes(Size { height, width }).unwrap()[1];
    assert_eq!((shape.h, shape.w), expected, "{op}");
}

#[test]
fn layers_by_hand() {
    // floor((size + 2 padding - kernel) / stride) + 1
    check("conv2d out_channels=1 kernel=3 stride=2 padding=1 bias=true", (7, 10), (4, 5));
    check("conv2d out_channels=1 kernel=3 stride=2 padding=1 bias=true", (1, 2), (1, 1));
    check("conv2d out_channels=1 kernel=3 stride=1 padding=0 bias=true", (3, 9), (1, 7));
    check("conv2d out_channels=1 kernel=1 stride=3 padding=0 bias=true", (7, 9), (3, 3));
    check("conv2d out_channels=1 kernel=6 stride=2 padding=2 bias=true", (64, 33), (32, 16));
    check("max_pool kernel=5 stride=1 padding=2", (7, 1), (7, 1));
    check("max_pool kernel=2 stride=2 padding=0", (7, 10), (3, 5));
    check("upsample scale=3", (7, 10), (21, 30));
    check("silu", (5, 3), (5, 3));
    check("slice start=1 len=1", (5, 3), (5, 3));
}

#[test]
fn a_detector_halves_and_meets_again() {
    let model = detector();
    let shapes = model.graph().shapes(Size { height: 40, width: 24 }).unwrap();
    let of = |name: &str| {
        let s = shapes[model.graph().find(name).unwrap().index()];
        (s.channels, s.h, s.w)
    };
    assert_eq!(of("images"), (3, 40, 24));
    assert_eq!(of("model.0.act"), (8, 20, 12));
    assert_eq!(of("model.2.slice0"), (6, 10, 6));
    assert_eq!(of("model.2.concat"), (26, 10, 6));
    assert_eq!(of("model.4.concat"), (32, 5, 3));
    assert_eq!(of("model.6"), (32, 10, 6));
    assert_eq!(of("model.7.cv2.1"), (8, 5, 3));
    assert_eq!(shapes[0].len(), 3 * 40 * 24);
}

#[test]
fn sizes_that_meet_differently_name_both_wires() {
    let message = detector().graph().shapes(Size { height: 36, width: 24 }).unwrap_err().to_string();
    assert_eq!(
        message,
        "`model.6` joins `model.5` (10x6) and `model.2.cv2.act` (9x6) at input size 36x24: \
         choose a size that is a multiple of the largest stride"
    );
    let added: Graph = graph(
        "x = input() channels=2\ny = max_pool(x) kernel=3 stride=1 padding=0\nz = add(x, y)\noutputs = z",
    );
    assert_names(
        &added.shapes(Size { height: 9, width: 8 }).unwrap_err().to_string(),
        &["`z`", "`x` (9x8)", "`y` (7x6)"],
    );
}

#[test]
fn images_that_are_too_small_or_too_large() {
    let narrow = graph(
        "x = input() channels=1\ny = conv2d(x) out_channels=1 kernel=5 stride=1 padding=1 bias=false\noutputs = y",
    );
    assert_names(
        &narrow.shapes(Size { height: 9, width: 2 }).unwrap_err().to_string(),
        &["`y`", "5x5", "9x2", "padded by 1"],
    );
    for (h, w, got) in [(0, 8, "0x8"), (8, 65_537, "8x65537"), (usize::MAX, 1, "18446744073709551615x1")] {
        let error = narrow.shapes(Size { height: h, width: w }).unwrap_err();
        assert!(matches!(error, GraphError::InvalidNumber { .. }), "{error:?}");
        assert_names(&error.to_string(), &["`x`", got, "65536"]);
    }
    let grows =
        graph("x = input() channels=1\ny = upsample(x) scale=64\nz = upsample(y) scale=64\noutputs = z");
    assert_names(
        &grows.shapes(Size { height: 17, width: 1 }).unwrap_err().to_string(),
        &["`z`", "69632x4096"],
    );
}
