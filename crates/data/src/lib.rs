//! YOLO-format datasets, letterbox, augmentation, a seeded loader and the drawn dataset.
//!
//! From files to batches: [`Dataset`] reads `data.yaml`, finds the images of a split and checks their labels
//! ([`Split`], [`Scan`]); [`Loader`] turns a split into [`Batch`]es in background threads; [`Letterbox`] fits
//! one image into a canvas and maps boxes back, which prediction needs too. [`shapes`] draws a dataset of its
//! own, so that everything can be tried without downloading one.
//!
//! Invariant: results depend on files, configuration and seed, never on the number of threads or on timing.
//! This crate contains no network and no loss; it returns pixels as plain `f32`.
//!
//! ```
//! use bonsai_data::{Dataset, Loader, LoaderConfig, SplitKind, shapes};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let config = shapes::ShapesConfig { train: 6, val: 2, test: 0, imgsz: 64, seed: 1, ..Default::default() };
//! let data_yaml = shapes::draw(&config, &folder.path().join("shapes"))?;
//!
//! let dataset = Dataset::open(data_yaml)?;
//! let (split, scan) = dataset.scan(SplitKind::Train)?;
//! assert_eq!((scan.images, scan.warnings.len()), (6, 0));
//!
//! let loader = Loader::new(split, LoaderConfig { imgsz: 64, batch: 4, shuffle: true, ..Default::default()
//! })?; let shapes: Result<Vec<_>, _> = loader.epoch(0).map(|batch| batch.map(|batch|
//! batch.shape)).collect(); assert_eq!(shapes?, [[4, 3, 64, 64], [2, 3, 64, 64]]);
//! # Ok(())
//! # }
//! ```

mod augment;
mod batch;
mod batch_assembler;
mod class_names;
mod class_word;
mod cost;
mod data_yaml;
mod dataset;
mod decode;
mod decode_limits;
mod epoch;
mod error;
mod flaws;
mod flip;
mod formats;
mod hsv;
mod image_bytes;
mod image_files;
mod inspect;
mod jpeg;
mod jpeg2000;
mod keypoints;
mod label_check;
mod label_file;
mod label_places;
mod label_row;
mod letterbox;
mod loader;
mod loader_config;
mod matrix;
mod mixup;
mod mosaic;
mod number_word;
mod perspective;
mod planes;
mod random;
mod rect;
mod sample;
mod scan_cache;
pub mod shapes;
mod source_path;
mod stamp;
mod store;
mod text;
mod verdict;
mod warning;
mod warp;

pub use augment::Augment;
pub use batch::{Batch, Target};
pub use cost::Cost;
pub use data_yaml::{DataYaml, SplitKind};
pub use dataset::{Dataset, ScanWatch, Split};
pub use decode::decode;
pub use decode_limits::Undecodable;
pub use epoch::Epoch;
pub use error::DataError;
pub use flaws::Flaws;
pub use flip::{flip_horizontal, flip_vertical};
pub use formats::{READ as IMAGE_EXTENSIONS, is_read as is_image};
pub use hsv::HsvGains;
pub use image::RgbImage;
pub use image_bytes::decode_bytes;
pub use keypoints::Keypoints;
pub use letterbox::{Letterbox, LetterboxTransform, PADDING};
pub use loader::Loader;
pub use loader_config::LoaderConfig;
pub use mixup::mixup;
pub use mosaic::{Tile, mosaic};
pub use perspective::{Motion, Perspective};
pub use planes::write_planes;
pub use sample::{Label, Sample, Scan};
pub use warning::{Warning, WarningKind};
