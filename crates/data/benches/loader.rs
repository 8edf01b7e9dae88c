//! Benchmark of the loader, in images per second:
//! `cargo bench -p bonsai-data --bench loader -- DATA.yaml IMGSZ BATCH WORKERS ram|none EPOCHS`.
//!
//! Prints one line of JSON per epoch; the first epoch also fills the cache. `scripts/peers/loader_time.py`
//! measures Ultralytics' dataloader in the same way.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]

use std::time::Instant;

use bonsai_data::{Augment, Dataset, Loader, LoaderConfig, SplitKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [yaml, imgsz, batch, workers, cache, epochs] = &arguments[..] else {
        eprintln!("not run: give DATA.yaml IMGSZ BATCH WORKERS ram|none EPOCHS");
        return Ok(());
    };
    let (split, _) = Dataset::open(yaml)?.scan(SplitKind::Train)?;
    let images = split.samples.len();
    let config = LoaderConfig {
        imgsz: imgsz.parse()?,
        batch: batch.parse()?,
        workers: workers.parse()?,
        cache_bytes: if cache == "ram" { u64::MAX } else { 0 },
        shuffle: true,
        augment: Some(Augment::default()),
        ..LoaderConfig::default()
    };
    let loader = Loader::new(split, config)?;
    for epoch in 0..epochs.parse()? {
        let start = Instant::now();
        let mut count = 0;
        for batch in loader.epoch(epoch) {
            count += batch?.shape[0];
        }
        assert_eq!(count, images);
        let rate = images as f64 / start.elapsed().as_secs_f64();
        println!("{{\"epoch\":{epoch},\"images_per_s\":{rate:.1}}}");
    }
    Ok(())
}
