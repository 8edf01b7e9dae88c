//! Tests that 32-bit files compute the same as the network, in every operator set, layout and size.

use bonsai_graph::{GraphError, Size};
use bonsai_onnx::{Dynamic, ExportOptions, Layout, OnnxError, OnnxInfo, export};
use bonsai_testkit::{RandomGraphConfig, RandomModel, arb_model};
use proptest::prelude::*;

use crate::form::check_form;
use crate::reader::{check, compare, expected, pictures, pruned, run, with_random_weights};
use crate::yolov8n;

#[test]
fn yolov8n_means_the_same() {
    check(
        &yolov8n(&["a", "b", "c"]),
        &ExportOptions::new(Size { height: 64, width: 96 }),
        1,
        Size { height: 64, width: 96 },
    );
    check(
        &with_random_weights(yolov8n(&["a", "b", "c"])),
        &ExportOptions::new(Size { height: 96, width: 64 }),
        1,
        Size { height: 96, width: 64 },
    );
}

#[test]
fn a_pruned_yolov8n_means_the_same() {
    check(&pruned(), &ExportOptions::new(Size { height: 64, width: 96 }), 1, Size { height: 64, width: 96 });
}

#[test]
fn every_operator_set_means_the_same() {
    let checkpoint = with_random_weights(yolov8n(&["a", "b"]));
    for opset in 11..=17 {
        for dynamic in [Dynamic::None, Dynamic::Shape] {
            let options =
                ExportOptions { opset, dynamic, ..ExportOptions::new(Size { height: 64, width: 96 }) };
            check(&checkpoint, &options, 1, Size { height: 64, width: 96 });
            check_form(export(&checkpoint, &options).unwrap().proto());
        }
    }
}

#[test]
fn several_images_at_a_time_mean_the_same() {
    let checkpoint = with_random_weights(yolov8n(&["a", "b"]));
    check(
        &checkpoint,
        &ExportOptions { batch: 3, ..ExportOptions::new(Size::square(64)) },
        3,
        Size::square(64),
    );
    let options =
        ExportOptions { dynamic: Dynamic::Batch, ..ExportOptions::new(Size { height: 64, width: 96 }) };
    for n in [1, 3] {
        check(&checkpoint, &options, n, Size { height: 64, width: 96 });
    }
    let info = OnnxInfo::read(&export(&checkpoint, &options).unwrap().to_bytes()).unwrap();
    assert_eq!(info.inputs[0].to_string(), "images FLOAT [batch, 3, 64, 96]");
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [batch, 6, 126]");
    assert_eq!(info.node_count, 224, "no chain of nodes computes sizes");
    // Some readers take `dynamic` to include the size, so it must be false here.
    assert_eq!(info.get("args"), Some("{'nms': False, 'dynamic': False}"));
}

#[test]
fn images_of_any_size_mean_the_same() {
    let options = ExportOptions { dynamic: Dynamic::Shape, ..ExportOptions::new(Size::square(640)) };
    for checkpoint in [with_random_weights(yolov8n(&["a", "b", "c"])), pruned()] {
        for (n, size) in [(1, Size { height: 64, width: 96 }), (2, Size { height: 96, width: 32 })] {
            check(&checkpoint, &options, n, size);
        }
    }
    let info = OnnxInfo::read(&export(&pruned(), &options).unwrap().to_bytes()).unwrap();
    assert_eq!(info.inputs[0].to_string(), "images FLOAT [batch, 3, height, width]");
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [batch, 7, anchors]");
    assert_eq!(info.get("args"), Some("{'nms': False, 'dynamic': True}"));
}

#[test]
fn the_other_layout_is_turned_and_has_an_objectness_of_one() {
    let checkpoint = with_random_weights(yolov8n(&["a", "b", "c"]));
    for (dynamic, n) in [(Dynamic::None, 1), (Dynamic::Batch, 2), (Dynamic::Shape, 2)] {
        let options = ExportOptions {
            layout: Layout::YoloTrtSim,
            dynamic,
            ..ExportOptions::new(Size { height: 64, width: 96 })
        };
        let onnx = export(&checkpoint, &options).unwrap();
        check_form(onnx.proto());
        assert_eq!(OnnxInfo::read(&onnx.to_bytes()).unwrap().outputs[0].name, "outputs");
        let images = pictures(&checkpoint, n, Size { height: 64, width: 96 });
        let (shape, actual) = run(&onnx, &images);
        let (expected, anchors) = expected(&checkpoint, &images);
        assert_eq!(shape, [n, anchors, 8]);
        let at = |image: usize, row: usize, anchor: usize| actual[(image * anchors + anchor) * 8 + row];
        let mut turned = Vec::new();
        for image in 0..n {
            for anchor in 0..anchors {
                assert_eq!(at(image, 4, anchor), 1.0, "objectness");
            }
            for row in [0, 1, 2, 3, 5, 6, 7] {
                turned.extend((0..anchors).map(|anchor| at(image, row, anchor)));
            }
        }
        compare(&turned, &expected, 7, anchors);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_network_means_the_same(model in arb_model(RandomGraphConfig::default()), opset in 11u32..=17) {
        let RandomModel { checkpoint, h, w } = &model;
        // Decoding refuses a distribution of one bin, because its expectation is always 0.
        prop_assume!(checkpoint.model.head().reg_max > 1);
        check(checkpoint, &ExportOptions { opset, ..ExportOptions::new(Size { height: *h, width: *w }) }, 1, Size { height: *h, width: *w });
    }

    #[test]
    fn any_network_takes_any_number_of_images_and_what_size_it_can(
        model in arb_model(RandomGraphConfig::default()),
        n in 1usize..4,
    ) {
        let RandomModel { checkpoint, h, w } = &model;
        prop_assume!(checkpoint.model.head().reg_max > 1);
        let options = ExportOptions { dynamic: Dynamic::Batch, ..ExportOptions::new(Size { height: *h, width: *w }) };
        check(checkpoint, &options, n, Size { height: *h, width: *w });
        let options = ExportOptions { dynamic: Dynamic::Shape, ..options };
        match export(checkpoint, &options) {
            Ok(onnx) => {
                check_form(onnx.proto());
                check(checkpoint, &options, n, Size { height: *h, width: *w });
            }
            // Wires that meet at this size only.
            Err(error) => prop_assert!(
                matches!(error, OnnxError::Graph(GraphError::SpatialMismatch { .. })), "{error}"
            ),
        }
    }
}
