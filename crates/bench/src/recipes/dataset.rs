//! [`BenchDataset`]: a dataset of a bench, from a file or drawn.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, Result};
use bonsai_data::shapes::{ShapesConfig, ShapesStyle};
use bonsai_pipeline::PipelineConfig;
use bonsai_stages::{draw_dataset, ensure_usage};

/// Name of the folder of drawn images in the folder of their dataset.
const IMAGES: &str = "images";

/// The source of the images of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetSource {
    /// A `data.yaml`.
    File(PathBuf),
    /// Images that are drawn in this style, at the size that the network takes.
    Drawn(ShapesStyle),
}

/// A dataset of the bench.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchDataset {
    /// Name of its folder and of its rows in the table.
    pub name: String,
    /// The source of its images.
    pub source: DatasetSource,
}

impl BenchDataset {
    /// Number of images of the drawn datasets: as few to train on as small datasets have, and enough to test
    /// on that 0.005 of mAP50-95 is visible.
    const DRAWN: [usize; 3] = [256, 128, 1000];
    /// Side of the drawn images in pixels: small enough for a training of minutes on two cores.
    const SIDE: usize = 256;

    /// Parses `crowd` or `clutter`, which are drawn, or `NAME=data.yaml`.
    ///
    /// # Errors
    /// If the text is neither, or the file does not exist.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some((name, file)) = text.split_once('=') {
            ensure_usage!(
                is_name(name),
                "\"{name}\" cannot name a folder; expected letters, digits, `-` and `_`"
            );
            ensure_usage!(Path::new(file).is_file(), "{file}: no such file");
            let file = absolute(file).context("the current folder is gone")?;
            return Ok(Self { name: name.to_owned(), source: DatasetSource::File(file) });
        }
        let style = ShapesStyle::ALL.into_iter().find(|style| style.name() == text);
        let Some(style) = style else {
            let known = ShapesStyle::ALL.map(ShapesStyle::name).join(", ");
            return Err(bonsai_stages::Misuse::new(format!(
                "unknown dataset \"{text}\"; expected NAME=DATA.yaml, or a drawn one: {known}"
            ))
            .into());
        };
        Ok(Self { name: text.to_owned(), source: DatasetSource::Drawn(style) })
    }

    /// Whether its images are drawn, at a size of their own.
    pub const fn is_drawn(&self) -> bool {
        matches!(self.source, DatasetSource::Drawn(_))
    }

    /// The settings of its runs, based on `base`; the images of a drawn dataset are in `folder`.
    pub(super) fn settings(&self, base: &PipelineConfig, folder: &Path) -> PipelineConfig {
        let (data, imgsz) = match &self.source {
            DatasetSource::File(file) => (file.clone(), base.imgsz),
            DatasetSource::Drawn(_) => (folder.join(IMAGES).join("data.yaml"), Self::SIDE),
        };
        PipelineConfig { data: Some(data), imgsz, ..base.clone() }
    }

    /// Draws its images in the folder of a bench, if the dataset is a drawn one and its images are not there.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn draw(&self, root: &Path) -> Result<()> {
        let DatasetSource::Drawn(style) = self.source else { return Ok(()) };
        let images = root.join(&self.name).join(IMAGES);
        if !images.join("data.yaml").is_file() {
            let [train, val, test] = Self::DRAWN;
            let shapes = ShapesConfig { style, train, val, test, imgsz: Self::SIDE, seed: 0 };
            draw_dataset(&shapes, &images)?;
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}
