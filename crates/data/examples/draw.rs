//! Example that draws a dataset into a folder, for any program that reads the YOLO format:
//! `cargo run --release -p bonsai-data --example draw -- STYLE FOLDER TRAIN VAL TEST SIDE SEED`.
//!
//! STYLE is shapes, crowd or clutter; TRAIN, VAL and TEST are numbers of images, SIDE is their side in
//! pixels.

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;
use std::path::Path;

use bonsai_data::shapes::{self, ShapesConfig, ShapesStyle};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder, train, val, test, side, seed] = arguments.as_slice() else {
        return Err("the arguments are STYLE FOLDER TRAIN VAL TEST SIDE SEED".into());
    };
    let Some(style) = ShapesStyle::ALL.into_iter().find(|style| style.name() == name) else {
        return Err(format!("unknown style `{name}`; expected shapes, crowd or clutter").into());
    };
    let config = ShapesConfig {
        train: train.parse()?,
        val: val.parse()?,
        test: test.parse()?,
        imgsz: side.parse()?,
        seed: seed.parse()?,
        style,
    };
    shapes::draw(&config, Path::new(folder))?;
    Ok(())
}
