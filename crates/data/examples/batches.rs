//! Example: a drawn dataset as batches for any training loop.
//!
//! `cargo run --release -p bonsai-data --example batches`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_data::{Dataset, Loader, LoaderConfig, SplitKind, shapes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let config = shapes::ShapesConfig { train: 3, val: 1, test: 0, imgsz: 64, seed: 1, ..Default::default() };
    let data_yaml = shapes::draw(&config, folder.path().join("shapes"))?;
    let (split, scan) = Dataset::open(data_yaml)?.scan(SplitKind::Train)?;
    assert_eq!(scan.images, 3);
    let loader = Loader::new(split, LoaderConfig { imgsz: 64, batch: 2, ..LoaderConfig::default() })?;
    let images: usize = loader.epoch(0).map(|batch| batch.map_or(0, |batch| batch.shape[0])).sum();
    assert_eq!(images, 3);
    println!("data: {images} images in {} batches", loader.batches());
    Ok(())
}
