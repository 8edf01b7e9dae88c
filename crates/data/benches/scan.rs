//! Benchmark of a scan, in seconds, compared with reading and decoding the same files once:
//! `cargo bench -p bonsai-data --bench scan -- FOLDER IMAGES decode|scan|again`.
//!
//! Draws IMAGES photograph-like JPEG files of 640 x 480 into FOLDER if it has none. `decode` reads and
//! decodes each once with the crate `image`, in as many threads as a scan; `scan` scans without a cache and
//! writes one, `again` scans with it. On a machine that others use, compare processor time: put `time` before
//! the command.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use bonsai_data::{Dataset, RgbImage, SplitKind};
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [folder, images, what] = &arguments[..] else {
        eprintln!("not run: give FOLDER IMAGES decode|scan|again");
        return Ok(());
    };
    let folder = Path::new(folder);
    let images = images.parse()?;
    if !folder.join("data.yaml").exists() {
        draw(folder, images)?;
    }
    let cache = folder.join("cache.json");
    let start = Instant::now();
    match what.as_str() {
        "decode" => {
            let files: Vec<_> = std::fs::read_dir(folder.join("images"))?.collect::<Result<_, _>>()?;
            let decoded = files.par_iter().filter(|file| {
                let bytes = std::fs::read(file.path());
                bytes.is_ok_and(|bytes| image::load_from_memory(&bytes).is_ok())
            });
            assert_eq!(decoded.count(), images);
        }
        "scan" | "again" => {
            if what == "scan" && cache.exists() {
                std::fs::remove_file(&cache)?;
            }
            let dataset = Dataset::open(folder.join("data.yaml"))?;
            let (split, _) = dataset.scan_cached(SplitKind::Train, &cache, &mut |_, _| {})?;
            assert_eq!(split.samples.len(), images);
        }
        other => return Err(format!("unknown mode `{other}`; expected decode, scan or again").into()),
    }
    println!("{{\"what\":\"{what}\",\"images\":{images},\"seconds\":{:.3}}}", start.elapsed().as_secs_f64());
    Ok(())
}

/// Draws smooth shapes with fine noise: about 100 KB per file, like photographs of that size.
fn draw(folder: &Path, images: usize) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder.join("images"))?;
    (0..images).into_par_iter().try_for_each(|number| -> Result<(), image::ImageError> {
        let mut state = number as u32 + 1;
        let picture = RgbImage::from_fn(640, 480, |x, y| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wave = |side: u32, k: u32| ((side + k * number as u32) as f32 / 40.0).sin() * 60.0;
            let noise = (state >> 27) as f32;
            image::Rgb([wave(x, 1), wave(y, 2), wave(x + y, 3)].map(|v| (110.0 + v + noise) as u8))
        });
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture)?;
        std::fs::write(folder.join(format!("images/{number:05}.jpg")), bytes)?;
        Ok(())
    })?;
    // Written last: a folder without this file is incomplete and is drawn again.
    Ok(std::fs::write(folder.join("data.yaml"), "train: images\nnames: [x]\n")?)
}
