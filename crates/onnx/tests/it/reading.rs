//! Tests of reading files of this crate, and files that are not ONNX.

use std::error::Error;

use bonsai_graph::Size;
use bonsai_onnx::proto::{ModelProto, StringStringEntryProto};
use bonsai_onnx::{Dim, ExportOptions, OnnxError, OnnxInfo, export};
use bonsai_testkit::{RandomGraphConfig, random_model};
use proptest::prelude::*;
use prost::Message;

fn small_file() -> Vec<u8> {
    let model = random_model(1, &RandomGraphConfig::default());
    export(&model.checkpoint, &ExportOptions::new(Size { height: model.h, width: model.w }))
        .unwrap()
        .to_bytes()
}

#[test]
fn a_saved_file_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let model = random_model(1, &RandomGraphConfig::default());
    let onnx =
        export(&model.checkpoint, &ExportOptions::new(Size { height: model.h, width: model.w })).unwrap();
    let path = folder.path().join("best.onnx");
    std::fs::write(&path, "an older file").unwrap();
    onnx.save(&path).unwrap();
    let info = OnnxInfo::open(&path).unwrap();
    assert_eq!(info, OnnxInfo::read(&onnx.to_bytes()).unwrap());
    assert_eq!(info.inputs[0].dims, [1, 3, model.h, model.w].map(Dim::Fixed));
    assert_eq!(info.class_names.as_deref(), Some(model.spec().class_names()));
    assert_eq!(info.producer, format!("bonsai {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");

    let error = onnx.save(folder.path().join("no/such/folder.onnx")).unwrap_err().to_string();
    assert!(error.contains("folder.onnx"), "{error}");
}

#[test]
fn what_is_no_onnx_file_is_refused_with_the_reason() {
    let refused = |bytes: &[u8]| OnnxInfo::read(bytes).unwrap_err();
    assert_eq!(refused(b"").to_string(), "not an ONNX model: it has no format version");
    assert!(matches!(refused(b"<!DOCTYPE html>"), OnnxError::Decode { bytes: 15, .. }));
    let bytes = small_file();
    assert!(matches!(refused(&bytes[..bytes.len() / 2]), OnnxError::Decode { .. }));

    let mut model = ModelProto::decode(bytes.as_slice()).unwrap();
    model.opset_import.clear();
    let reason = refused(&model.encode_to_vec()).to_string();
    assert_eq!(reason, "not an ONNX model: it has no version of ONNX's operator set");
    model.graph = None;
    assert_eq!(refused(&model.encode_to_vec()).to_string(), "not an ONNX model: it has no graph");
}

#[test]
fn a_missing_or_wrong_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let error = OnnxInfo::open(&path).unwrap_err();
    assert!(error.to_string().contains("model.onnx"), "{error}");
    std::fs::write(&path, [0xff; 9]).unwrap();
    let error = OnnxInfo::open(&path).unwrap_err();
    assert!(error.to_string().contains("model.onnx"), "{error}");
    assert_eq!(error.source().unwrap().to_string(), "not a complete ONNX file (9 bytes)");
}

#[test]
fn broken_metadata_is_named() {
    for (key, value, reason) in [
        ("names", "{0: 'a'", "expected `,` or the closing bracket at byte 7"),
        ("imgsz", "640", "expected `[` at byte 0"),
        ("stride", "thirty-two", "expected a whole number"),
    ] {
        let mut model = ModelProto::decode(small_file().as_slice()).unwrap();
        model.metadata_props =
            vec![StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) }];
        let error = OnnxInfo::read(&model.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), format!("metadata `{key}` is {value:?}: {reason}"));
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = OnnxInfo::read(&bytes);
    }

    #[test]
    fn no_damage_is_too_strange(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = small_file();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if cut {
            bytes.truncate(place);
        }
        let _ = OnnxInfo::read(&bytes);
    }
}
