//! Example: writes a network's output for prepared images as plain numbers, for comparison with other
//! programs:
//! `cargo run --release -p bonsai-detector --example raw_output -- WEIGHTS IMAGES.f32 SIDE OUTPUT.f32`.
//!
//! IMAGES.f32 has planes `[n, 3, SIDE, SIDE]` in 0..1; OUTPUT.f32 gets the decoded output
//! `[n, 4 + classes, anchors]`: centre, width and height in pixels, then scores. Both files have 32-bit
//! little-endian floats.

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;
use std::fs;
use std::path::Path;

use bonsai_checkpoint::Array;
use bonsai_detector::Detector;
use bonsai_exec::Device;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, images, side, output] = arguments.as_slice() else {
        return Err("expected the arguments WEIGHTS IMAGES.f32 SIDE OUTPUT.f32".into());
    };
    let side: usize = side.parse()?;
    let numbers: Vec<f32> =
        fs::read(images)?.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let n = numbers.len() / (3 * side * side);
    if n * 3 * side * side != numbers.len() {
        return Err(format!(
            "{images} has {} numbers, not a whole number of {side} px images",
            numbers.len()
        )
        .into());
    }
    let mut detector = Detector::load(Path::new(weights), Device::Cpu)?;
    let predictions = detector.predict(&Array::new(&[n, 3, side, side], numbers))?;
    let bytes: Vec<u8> = predictions.as_slice().iter().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(output, bytes)?;
    Ok(())
}
