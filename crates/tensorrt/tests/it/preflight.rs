//! Tests of what is refused before a builder is started.

use std::fs;
use std::path::PathBuf;

use bonsai_tensorrt::{
    BuilderTraits, EnginePrecision, OnnxSource, PreflightError, ShapeProfile, preflight as check,
};
use tempfile::TempDir;

use crate::onnx_file::{FLOAT, Graph, HALF, cast, constant, field, fp16, fp32, node, number, value};

fn strong() -> BuilderTraits {
    BuilderTraits::of_rtx("TensorRT-RTX".to_owned())
}

fn weak() -> BuilderTraits {
    BuilderTraits::of_tensorrt("TensorRT 8.6.1".to_owned(), false)
}

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn preflight(bytes: &[u8], profiles: &[&str], builder: &BuilderTraits) -> Result<OnnxSource, PreflightError> {
    let (_folder, path) = file(bytes);
    let profiles: Vec<ShapeProfile> = profiles.iter().map(|text| text.parse().unwrap()).collect();
    check(&path, &profiles, builder)
}

#[test]
fn other_files_are_refused() {
    for bytes in [b"garbage".as_slice(), b"", b"\x89PNG\r\n\x1a\n", b"ftrt", &fp32()[..40]] {
        let error = preflight(bytes, &[], &weak()).unwrap_err();
        assert!(matches!(error, PreflightError::NotOnnx { .. }), "{error}");
        assert!(error.to_string().contains("model.onnx"), "{error}");
    }
    // Any part of a file gives a value or an error.
    let whole = fp32();
    for end in 0..whole.len() {
        let _ = OnnxSource::read(&whole[..end]);
    }
}

#[test]
fn what_builds_nothing_is_refused() {
    let whole = || Graph::convolution(FLOAT, FLOAT, &[1, 3, 8, 8]);
    for (graph, what) in [
        (Graph { outputs: Vec::new(), ..whole() }, "no outputs"),
        (Graph { inputs: Vec::new(), ..whole() }, "no inputs"),
        (Graph { nodes: Vec::new(), ..whole() }, "no nodes"),
        (Graph { constants: Vec::new(), ..whole() }, "stem uses `stem.weight`, which nothing makes"),
        (Graph { outputs: vec![value("other", FLOAT, &[])], ..whole() }, "the graph uses `other`"),
    ] {
        let error = preflight(&graph.bytes(), &[], &weak()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn precision_is_that_of_the_weights() {
    let precision = |bytes: &[u8]| preflight(bytes, &[], &strong()).unwrap().precision;
    assert_eq!((precision(&fp32()), precision(&fp16())), (EnginePrecision::Fp32, EnginePrecision::Fp16));

    let quantised = Graph {
        nodes: vec![
            node("q", "QuantizeLinear", &["images", "scale"], "images.q"),
            node("dq", "DequantizeLinear", &["images.q", "scale"], "images.dq"),
            node("stem", "Conv", &["images.dq", "stem.weight"], "output0"),
        ],
        constants: vec![constant("stem.weight", FLOAT, &[4, 3, 1, 1]), constant("scale", FLOAT, &[])],
        ..Graph::convolution(FLOAT, FLOAT, &[1, 3, 8, 8])
    };
    assert_eq!(precision(&quantised.bytes()), EnginePrecision::Int8);
}

#[test]
fn half_weights_on_whole_input_are_refused_where_types_are_strong() {
    let mixed = Graph::convolution(FLOAT, HALF, &[1, 3, 8, 8]);
    let error = preflight(&mixed.bytes(), &[], &strong()).unwrap_err().to_string();
    for part in ["stem", "takes FLOAT but has FLOAT16 weights", "TensorRT-RTX"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(preflight(&mixed.bytes(), &[], &weak()).unwrap().precision, EnginePrecision::Fp16);

    // A cast before it makes it valid, and types are followed through layers.
    let nodes = vec![
        cast("images", "half", HALF),
        node("relu", "Relu", &["half"], "relu"),
        node("stem", "Conv", &["relu", "stem.weight"], "raw"),
        cast("raw", "output0", FLOAT),
    ];
    let cast_in = Graph { nodes, ..Graph::convolution(FLOAT, HALF, &[1, 3, 8, 8]) };
    assert!(preflight(&cast_in.bytes(), &[], &strong()).is_ok());
    let nodes = vec![
        node("relu", "Relu", &["images"], "relu"),
        node("stem", "Conv", &["relu", "stem.weight"], "output0"),
    ];
    let forgotten = Graph { nodes, ..mixed };
    assert!(matches!(preflight(&forgotten.bytes(), &[], &strong()), Err(PreflightError::MixedTypes { .. })));
}

#[test]
fn dynamic_shapes_need_profiles_that_fit() {
    let dynamic = Graph::convolution(FLOAT, FLOAT, &[0, 3, 0, 0]).bytes();
    let error = preflight(&dynamic, &[], &strong()).unwrap_err().to_string();
    let example = "images:1x3x320x320,1x3x640x640,8x3x640x640";
    for part in ["`images`", "[?, 3, ?, ?]", example] {
        assert!(error.contains(part), "{error}");
    }
    assert!(preflight(&dynamic, &[example], &strong()).is_ok());

    for (bytes, profiles, expected) in [
        (&dynamic, vec!["image:1x3x8x8"], "the inputs of"),
        (&dynamic, vec![example, example], "two shape profiles"),
        (&dynamic, vec!["images:1x3x8"], "does not fit"),
        (&dynamic, vec!["images:1x4x8x8"], "images FLOAT [?, 3, ?, ?]"),
        (&fp32(), vec!["images:1x3x8x8,1x3x8x8,2x3x8x8"], "fixed sizes must be equal"),
    ] {
        let error = preflight(bytes, &profiles, &weak()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(preflight(&fp32(), &["images:1x3x8x8"], &weak()).is_ok());
}

#[test]
fn operators_that_a_builder_lacks_are_named() {
    let graph = |op: &str, domain: &str| {
        let mut found = node("nms", op, &["images", "images"], "output0");
        found.extend(field(7, domain.as_bytes()));
        Graph { nodes: vec![found], ..Graph::convolution(FLOAT, FLOAT, &[1, 3, 8, 8]) }.bytes()
    };
    for domain in ["", "ai.onnx"] {
        let nms = graph("NonMaxSuppression", domain);
        assert!(preflight(&nms, &[], &weak()).is_ok());
        let error = preflight(&nms, &[], &strong()).unwrap_err().to_string();
        assert!(error.contains("`NonMaxSuppression`") && error.contains("TensorRT-RTX"), "{error}");
    }
    let error = preflight(&graph("EfficientNMS_TRT", "TRT"), &[], &strong()).unwrap_err().to_string();
    for part in ["nms", "`EfficientNMS_TRT` of `TRT`", "no plugins"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(preflight(&graph("EfficientNMS_TRT", "TRT"), &[], &weak()).is_ok(), "trtexec may have it");
}

#[test]
fn weights_in_another_file_must_be_beside() {
    let entry = [field(1, b"location"), field(2, b"model.data")].concat();
    let outside = [number(2, FLOAT), field(8, b"stem.weight"), field(13, &entry), number(14, 1)].concat();
    let graph = Graph { constants: vec![outside], ..Graph::convolution(FLOAT, FLOAT, &[1, 3, 8, 8]) };
    let (folder, path) = file(&graph.bytes());
    let error = check(&path, &[], &weak()).unwrap_err();
    assert!(error.to_string().contains("model.data"), "{error}");
    fs::write(folder.path().join("model.data"), b"").unwrap();
    assert!(check(&path, &[], &weak()).is_ok());
}
