//! [`Folder`]: a dataset folder that a test fills file by file.

use std::path::{Path, PathBuf};

use bonsai_data::{Dataset, RgbImage, Scan, Split, SplitKind};
use image::Rgb;
use tempfile::TempDir;

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// An image whose red channel is `red` everywhere, in the format of the extension.
    pub(crate) fn image(&self, name: &str, width: u32, height: u32, red: u8) -> PathBuf {
        let path = self.write(name, "");
        RgbImage::from_pixel(width, height, Rgb([red, 40, 200])).save(&path).unwrap();
        path
    }

    pub(crate) fn scan(&self, yaml: &str, split: SplitKind) -> (Split, Scan) {
        let file = self.write("data.yaml", yaml);
        Dataset::open(file).unwrap().scan(split).unwrap()
    }

    /// The error message of a failed scan.
    pub(crate) fn scan_error(&self, yaml: &str, split: SplitKind) -> String {
        let file = self.write("data.yaml", yaml);
        Dataset::open(file).and_then(|dataset| dataset.scan(split)).unwrap_err().to_string()
    }
}

pub(crate) fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}
