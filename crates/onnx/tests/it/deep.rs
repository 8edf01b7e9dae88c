//! Test that a very deep network is exported without a recursive call for every layer.

use std::thread;

use bonsai_graph::Size;
use bonsai_onnx::{ExportOptions, Io, OnnxInfo, Precision, export};
use bonsai_testkit::deep_model;

#[test]
fn a_chain_of_60000_layers_is_exported() {
    let test = || {
        let checkpoint = deep_model(60_000);
        let options = ExportOptions::new(Size::square(64));
        let bytes = export(&checkpoint, &options).unwrap().to_bytes();
        assert!(OnnxInfo::read(&bytes).unwrap().op_counts["Mul"] >= 60_000);
        let half = Precision::Half { io: Io::Fp32 };
        assert!(export(&checkpoint, &ExportOptions { precision: half, ..options }).is_ok());
    };
    thread::Builder::new().stack_size(256 << 10).spawn(test).unwrap().join().unwrap();
}
