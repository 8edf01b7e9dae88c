//! Any bytes as an ONNX file: a summary or an error.
#![no_main]

use bonsai_onnx::OnnxInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(info) = OnnxInfo::read(bytes) {
        let _ = info.inputs.iter().chain(&info.outputs).map(ToString::to_string).collect::<Vec<_>>();
    }
});
