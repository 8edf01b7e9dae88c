//! Any bytes as an ONNX file of a detector: what it takes and gives or an error, and what outputs of any shape then mean.
#![no_main]

use bonsai_checkpoint::Array;
use bonsai_detector::OnnxSignature;
use bonsai_onnx::OnnxInfo;
use libfuzzer_sys::fuzz_target;

/// Rows or columns beside those that the classes need.
const ANCHORS: usize = 3;

fuzz_target!(|bytes: &[u8]| {
    let Ok(info) = OnnxInfo::read(bytes) else { return };
    let Ok(signature) = OnnxSignature::read(&info) else { return };
    let classes = signature.classes();
    let shapes: [&[usize]; 6] = [
        &[1, 4 + classes, ANCHORS],
        &[1, ANCHORS, 5 + classes],
        &[2, ANCHORS, 6],
        &[1, 0, 6],
        &[1, ANCHORS],
        &[0, 4 + classes, 0],
    ];
    for shape in shapes {
        let values = shape.iter().product();
        // Numbers of every kind, from the file itself.
        let data = bytes.iter().cycle().take(values).map(|byte| f32::from(*byte) - 3.0).collect();
        let _ = signature.clone().outputs(Array::new(shape, data), shape[0]);
    }
});
