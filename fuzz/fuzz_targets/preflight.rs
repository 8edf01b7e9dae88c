//! Any bytes as an ONNX file for a builder of engines: a summary or an error.
#![no_main]

use bonsai_tensorrt::OnnxSource;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(source) = OnnxSource::read(bytes) {
        let _ = source.inputs.iter().chain(&source.outputs).map(ToString::to_string).collect::<Vec<_>>();
    }
});
