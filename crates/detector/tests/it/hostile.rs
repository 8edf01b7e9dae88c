//! ONNX files that need too many resources, or end the process that runs them, must give an error in every
//! runtime.

use std::path::{Path, PathBuf};

use bonsai_detector::{Detector, LoadOptions, Runtime, Trial};
use bonsai_exec::{ExecutorOptions, MemoryBudget, MemoryLimit};
use bonsai_onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};
use prost::Message;

use crate::chain::Chain;
use crate::onnx::options;
use crate::tiny_onnx::{Tiny, floats, node};

/// The file with one more node, whose output is added to the file's output.
fn adding(op: &str, inputs: &[&str], constants: Vec<TensorProto>) -> ModelProto {
    let mut model = Tiny::planes().model();
    let graph = model.graph.as_mut().unwrap();
    let last = graph.node.len() - 1;
    "found".clone_into(&mut graph.node[last].output[0]);
    graph.node.push(node(op, inputs, "more", Vec::new()));
    graph.node.push(node("ReduceSum", &["more"], "sum", Vec::new()));
    graph.node.push(node("Add", &["found", "sum"], "output0", Vec::new()));
    graph.initializer.extend(constants);
    model
}

fn sizes(values: &[i64]) -> TensorProto {
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: Some(7),
        int64_data: values.to_vec(),
        name: Some("sizes".to_owned()),
        ..TensorProto::default()
    }
}

/// The file with another batch size.
fn batch(size: i64) -> ModelProto {
    use bonsai_onnx::proto::{tensor_shape_proto::dimension, type_proto};
    let mut model = Tiny::planes().model();
    let input = &mut model.graph.as_mut().unwrap().input[0];
    let Some(type_proto::Value::TensorType(tensor)) = &mut input.r#type.as_mut().unwrap().value else {
        panic!("no tensor")
    };
    tensor.shape.as_mut().unwrap().dim[0].value = Some(dimension::Value::DimValue(size));
    model
}

fn looping() -> ModelProto {
    let mut model = adding("Loop", &["sizes", "", "found"], vec![sizes(&[i64::MAX])]);
    let graph = model.graph.as_mut().unwrap();
    let looping: &mut NodeProto = graph.node.iter_mut().find(|node| node.op_type() == "Loop").unwrap();
    looping.attribute.push(AttributeProto {
        name: Some("body".to_owned()),
        g: Some(GraphProto::default()),
        ..AttributeProto::default()
    });
    model
}

fn save(folder: &Path, model: &ModelProto) -> PathBuf {
    let path = folder.join("hostile.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    path
}

#[test]
fn files_that_ask_for_too_much_are_refused_before_a_runtime_sees_them() {
    let far = 1 << 40;
    let mut empty = floats("sizes", &[], Vec::new());
    empty.dims = vec![1 << 32; 3];
    let cases = [
        (adding("Identity", &["sizes"], vec![empty]), "constant `sizes`"),
        (adding("ConstantOfShape", &["sizes"], vec![sizes(&[far, far])]), "ConstantOfShape"),
        (adding("Expand", &["found", "sizes"], vec![sizes(&[far, 6, 4])]), "Expand"),
        (adding("Tile", &["images", "sizes"], vec![sizes(&[1, 1, 1 << 20, 1 << 20])]), "Tile"),
        (looping(), "Loop"),
        (batch(100_000), "1 to 1024 images at once"),
        (batch(1 << 40), "1 to 1024 images at once"),
        (batch(1 << 62), "1 to 1024 images at once"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (model, part) in cases {
        let path = save(folder.path(), &model);
        for runtime in Runtime::ALL {
            let error = Detector::load(&path, options(runtime)).unwrap_err();
            let message = Chain(&error).to_string();
            assert!(message.contains(part) && message.contains("hostile.onnx"), "{runtime}: {message}");
        }
    }
}

/// Options with a shell script as the program for trial runs.
#[cfg(unix)]
fn tried_by(script: &str) -> LoadOptions {
    let words = ["-c", script].map(Into::into).to_vec();
    LoadOptions { trial: Some(Trial { program: "/bin/sh".into(), words }), ..options(Runtime::Rten) }
}

#[cfg(unix)]
#[test]
fn a_file_that_ends_the_process_that_tries_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = Tiny::planes().save(folder.path());
    for (script, parts) in [
        ("kill -SEGV $$", vec!["signal 11 (SIGSEGV)", "tiny.onnx"]),
        ("kill -ABRT $$", vec!["signal 6 (SIGABRT)"]),
        ("echo it is broken; exit 1", vec!["it is broken"]),
        ("exit 9", vec!["code"]),
    ] {
        let error = Detector::load(&path, tried_by(script)).unwrap_err();
        let message = Chain(&error).to_string();
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    // The arguments are runtime, threads, memory, no library, and the file.
    let script = r#"test "$0" = rten -a "$1" = 0 -a "$2" -gt 1000000000 -a -z "$3" -a -f "$4""#;
    assert!(Detector::load(&path, tried_by(script)).is_ok());
    // Exit code 3 means that the runtime is missing there; the usual error in this process then reports it.
    assert!(Detector::load(&path, tried_by("exit 3")).is_ok());
    let missing = Trial { program: folder.path().join("nothing"), words: Vec::new() };
    let options = LoadOptions { trial: Some(missing), ..options(Runtime::Rten) };
    assert!(
        Detector::load(&path, options).is_ok(),
        "a program that cannot start must not make the file invalid"
    );
}

#[test]
fn a_file_that_does_not_fit_into_the_budget_is_refused_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), &Tiny::planes().model());
    let with = |bytes| {
        let budget = Some(MemoryBudget { bytes, limit: MemoryLimit::Machine });
        let executor = ExecutorOptions { budget, ..ExecutorOptions::default() };
        Detector::load(&path, LoadOptions { executor, ..options(Runtime::Rten) })
    };
    assert!(with(1 << 20).is_ok());
    let said = format!("{:#}", Chain(&with(100).unwrap_err()));
    assert!(said.contains("1 at a time") && said.contains("this machine has 100 bytes"), "{said}");
}
