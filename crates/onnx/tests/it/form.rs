//! Tests of the form of a file, independent of its results.

use std::collections::{BTreeMap, BTreeSet};

use bonsai_graph::Size;
use bonsai_onnx::proto::tensor_proto::DataType;
use bonsai_onnx::proto::{
    ModelProto, NodeProto, TensorProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto,
};
use bonsai_onnx::{ExportOptions, OnnxError, OnnxInfo, export};
use bonsai_testkit::{RandomGraphConfig, random_model};

use crate::yolov8n;

/// Operators whose values are all of one type.
const OF_ONE_TYPE: &[&str] = &[
    "Add",
    "BatchNormalization",
    "Concat",
    "Conv",
    "MatMul",
    "MaxPool",
    "Mul",
    "Sigmoid",
    "Softmax",
    "Sub",
    "Transpose",
];

/// Type of every value and constant.
pub(crate) fn types(model: &ModelProto) -> BTreeMap<&str, DataType> {
    let graph = model.graph.as_ref().unwrap();
    let values = graph.input.iter().chain(&graph.value_info).chain(&graph.output);
    let values = values.map(|v| (v.name(), tensor(v).elem_type()));
    let constants = graph.initializer.iter().map(|c| (c.name(), c.data_type()));
    values.chain(constants).map(|(name, t)| (name, DataType::try_from(t).unwrap())).collect()
}

/// Checks that every name is made once and before it is read, that every value has a type and a shape, and
/// that types fit.
pub(crate) fn check_form(model: &ModelProto) {
    let graph = model.graph.as_ref().unwrap();
    let mut known = BTreeSet::new();
    for name in
        graph.input.iter().map(ValueInfoProto::name).chain(graph.initializer.iter().map(TensorProto::name))
    {
        assert!(known.insert(name), "{name} exists twice");
    }
    let types = types(model);
    let mut read = BTreeSet::new();
    let mut node_names = BTreeSet::new();
    for node in &graph.node {
        assert!(node_names.insert(node.name()), "two nodes are called {}", node.name());
        for input in node.input.iter().filter(|i| !i.is_empty()) {
            assert!(known.contains(input.as_str()), "{} reads {input}, which is not made yet", node.name());
            read.insert(input.as_str());
        }
        for output in &node.output {
            assert!(known.insert(output), "{output} is made twice");
        }
        if OF_ONE_TYPE.contains(&node.op_type()) {
            let all: Vec<DataType> =
                node.input.iter().chain(&node.output).map(|v| types[v.as_str()]).collect();
            assert!(all.iter().all(|t| *t == all[0]), "{} mixes {all:?}", node.name());
        }
    }
    for constant in &graph.initializer {
        assert!(read.contains(constant.name()), "nothing reads {}", constant.name());
        let values: i64 = constant.dims.iter().product();
        let width = match types[constant.name()] {
            DataType::Float => 4,
            DataType::Float16 => 2,
            DataType::Int64 => 8,
            DataType::Int8 | DataType::Uint8 => 1,
            other => panic!("{} is of {other:?}", constant.name()),
        };
        assert_eq!(constant.raw_data().len() as i64, values * width, "{}", constant.name());
    }
    let described: BTreeSet<&str> = graph.value_info.iter().map(ValueInfoProto::name).collect();
    let made: BTreeSet<&str> = graph.node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
    let outputs: BTreeSet<&str> = graph.output.iter().map(ValueInfoProto::name).collect();
    assert_eq!(described, made.difference(&outputs).copied().collect(), "values with a shape");
    assert!(outputs.is_subset(&made));
    for value in graph.value_info.iter().chain(&graph.output) {
        for dimension in &tensor(value).shape.as_ref().unwrap().dim {
            let known = match dimension.value.as_ref() {
                Some(dimension::Value::DimValue(size)) => *size > 0,
                Some(dimension::Value::DimParam(name)) => !name.is_empty(),
                None => false,
            };
            assert!(known, "{} has a dimension {dimension:?}", value.name());
        }
    }
}

fn tensor(value: &ValueInfoProto) -> &type_proto::Tensor {
    let Some(type_proto::Value::TensorType(t)) = &value.r#type.as_ref().unwrap().value else { panic!() };
    t
}

#[test]
fn yolov8n_is_smaller_than_ultralytics_file() {
    let onnx = export(&yolov8n(&["a", "b"]), &ExportOptions::new(Size::square(640))).unwrap();
    check_form(onnx.proto());
    let info = OnnxInfo::read(&onnx.to_bytes()).unwrap();
    let expected = [
        ("Add", 7),
        ("Concat", 16),
        ("Conv", 63),
        ("MatMul", 1),
        ("MaxPool", 3),
        ("Mul", 58),
        ("Reshape", 7),
        ("Resize", 2),
        ("Sigmoid", 58),
        ("Softmax", 1),
        ("Split", 8),
    ];
    assert_eq!(info.op_counts, expected.map(|(op, n)| (op.to_owned(), n)).into());
    assert_eq!(info.node_count, 224);
    assert!(info.node_count <= 233, "what Ultralytics writes");
    assert_eq!((info.ir_version, info.opset), (7, 13));
    assert_eq!(info.inputs[0].to_string(), "images FLOAT [1, 3, 640, 640]");
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [1, 6, 8400]");
    assert_eq!((info.inputs.len(), info.outputs.len()), (1, 1));
    let names: BTreeSet<&str> =
        onnx.proto().graph.as_ref().unwrap().node.iter().map(NodeProto::name).collect();
    for name in [
        "/model.0/conv/Conv",
        "/model.2/cv1/act/Mul",
        "/model.2/Split",
        "/model.2/m.0/Add",
        "/model.2/Concat",
        "/model.10/Resize",
        "/model.22/dfl/Softmax",
        "/model.22/Sigmoid",
    ] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
}

#[test]
fn metadata_is_what_ultralytics_readers_need() {
    let onnx =
        export(&yolov8n(&["cat", "l'été"]), &ExportOptions::new(Size { height: 320, width: 640 })).unwrap();
    let info = OnnxInfo::read(&onnx.to_bytes()).unwrap();
    let expected = [
        ("description", "YOLOv8 detector exported by Bonsai"),
        ("author", "Bonsai"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("license", "unspecified"),
        ("task", "detect"),
        ("stride", "32"),
        ("batch", "1"),
        ("imgsz", "[320, 640]"),
        ("names", r"{0: 'cat', 1: 'l\'été'}"),
        ("channels", "3"),
        ("end2end", "False"),
        ("args", "{'nms': False, 'dynamic': False}"),
    ];
    assert_eq!(info.metadata, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!(info.class_names, Some(vec!["cat".to_owned(), "l'été".to_owned()]));
    assert_eq!((info.imgsz, info.stride), (Some(Size { height: 320, width: 640 }), Some(32)));
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [1, 6, 4200]");
}

#[test]
fn options_reach_the_file() {
    let options = ExportOptions {
        opset: 17,
        input_name: "data".to_owned(),
        output_name: Some("outputs".to_owned()),
        license: "CC0-1.0".to_owned(),
        ..ExportOptions::new(Size::square(64))
    };
    let onnx = export(&yolov8n(&["a"]), &options).unwrap();
    check_form(onnx.proto());
    let info = OnnxInfo::read(&onnx.to_bytes()).unwrap();
    assert_eq!((info.ir_version, info.opset), (8, 17));
    assert_eq!((info.inputs[0].name.as_str(), info.outputs[0].name.as_str()), ("data", "outputs"));
    assert_eq!(info.get("license"), Some("CC0-1.0"));
}

#[test]
fn any_network_has_the_form() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..60 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let onnx =
            export(&model.checkpoint, &ExportOptions::new(Size { height: model.h, width: model.w })).unwrap();
        check_form(onnx.proto());
        for (op, n) in OnnxInfo::read(&onnx.to_bytes()).unwrap().op_counts {
            *seen.entry(op).or_default() += n;
        }
    }
    for op in ["BatchNormalization", "Slice", "Split", "MaxPool", "Resize", "Add"] {
        assert!(seen.contains_key(op), "no network had a {op}: {seen:?}");
    }
}

#[test]
fn equal_checkpoints_give_equal_bytes() {
    let options = ExportOptions::new(Size::square(64));
    let bytes = || export(&yolov8n(&["a"]), &options).unwrap().to_bytes();
    assert!(bytes() == bytes());
}

#[test]
fn what_cannot_be_exported_is_refused_with_the_reason() {
    let mut checkpoint = yolov8n(&["a"]);
    let options = ExportOptions { opset: 10, ..ExportOptions::new(Size::square(64)) };
    let error = export(&checkpoint, &options).unwrap_err().to_string();
    assert_eq!(error, "opset 10 cannot be written: choose one of 11 to 17");

    let options =
        ExportOptions { output_name: Some("images".to_owned()), ..ExportOptions::new(Size::square(64)) };
    let error = export(&checkpoint, &options).unwrap_err().to_string();
    assert!(error.contains("two different names"), "{error}");

    let error = export(&checkpoint, &ExportOptions::new(Size { height: 64, width: 80 })).unwrap_err();
    let OnnxError::Graph(error) = error else { panic!("{error}") };
    assert!(error.to_string().contains("multiple of the largest stride"), "{error}");

    checkpoint.weights.get_mut("model.4.m.1.cv2.bn.running_var").unwrap().data_mut()[2] = -1.0;
    let error = export(&checkpoint, &ExportOptions::new(Size::square(64))).unwrap_err().to_string();
    assert!(error.contains("`model.4.m.1.cv2.conv.weight`") && error.contains("NaN"), "{error}");
}
