//! Example: builds an engine, or gives the reason why no builder can; and reads a plan.
//!
//! `cargo run --release -p bonsai-tensorrt --example build_engine`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_tensorrt::{
    BackendChoice, BuildOptions, BuilderTraits, EngineFile, EngineKind, EngineMetadata, Places,
    PreflightError, ShapeProfile, add_metadata, build_if_possible, preflight,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let files = folder.path();
    let nowhere = Places { usual_folders: Some(Vec::new()), ..Places::default() };
    let profile: ShapeProfile = "images:1x3x640x640,4x3x640x640,16x3x640x640".parse()?;
    let onnx = files.join("model.onnx");
    let engine = files.join("model.engine");
    let options = BuildOptions { profiles: vec![profile], ..BuildOptions::new(&onnx, &engine) };
    let outcome = build_if_possible(BackendChoice::Trtexec, &nowhere, &options, &mut |_| ())?;
    println!("tensorrt: {outcome:?}");

    // The header identifies a plan; Ultralytics' form has metadata in front of it.
    let mut plan = vec![0; 100];
    plan[..4].copy_from_slice(b"ftrt");
    plan[24..27].copy_from_slice(&[10, 16, 0]);
    std::fs::write(&engine, &plan)?;
    let metadata = object("names", "cat");
    let prefixed = files.join("prefixed.engine");
    add_metadata(&engine, &metadata, &prefixed)?;
    let bytes = std::fs::read(&prefixed)?;
    let file = EngineFile::read(&bytes)?;
    assert_eq!((file.header.kind, file.plan), (EngineKind::TensorRt, plan.as_slice()));
    assert_eq!(file.metadata, Some(metadata));

    // A file that no builder can read is refused before a builder starts.
    std::fs::write(&onnx, b"not an ONNX file")?;
    let strict = BuilderTraits::of_rtx("TensorRT-RTX".to_owned());
    let refusal = preflight(&onnx, &[], &strict);
    assert!(matches!(refusal, Err(PreflightError::NotOnnx { .. })));
    Ok(())
}

/// A map with one entry, without a dependency on a JSON crate.
fn object(key: &str, value: &str) -> EngineMetadata {
    let mut metadata = EngineMetadata::new();
    metadata.insert(key.to_owned(), value.into());
    metadata
}
