//! What a network makes of prepared images, as plain numbers for other programs to compare with:
//! `cargo run --release -p bonsai-detector --example raw_output -- WEIGHTS IMAGES.f32 SIDE OUTPUT.f32`.
//!
//! IMAGES.f32 holds planes `[n, 3, SIDE, SIDE]` in 0..1, OUTPUT.f32 the decoded output `[n, 4 + classes, anchors]`: centre, width
//! and height in pixels, then scores. Both are 32-bit numbers with the lowest byte first.

use std::error::Error;
use std::fs;
use std::path::Path;

use bonsai_checkpoint::Array;
use bonsai_detector::Detector;
use bonsai_exec::Device;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, images, side, output] = arguments.as_slice() else {
        return Err("the arguments are WEIGHTS IMAGES.f32 SIDE OUTPUT.f32".into());
    };
    let side: usize = side.parse()?;
    let numbers: Vec<f32> =
        fs::read(images)?.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let n = numbers.len() / (3 * side * side);
    if n * 3 * side * side != numbers.len() {
        return Err(format!("{images} holds {} numbers, no whole images of {side} px", numbers.len()).into());
    }
    let mut detector = Detector::load(Path::new(weights), Device::Cpu)?;
    let predictions = detector.predict(&Array::new(&[n, 3, side, side], numbers))?;
    let bytes: Vec<u8> = predictions.as_slice().iter().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(output, bytes)?;
    Ok(())
}
