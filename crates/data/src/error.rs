//! What makes a dataset unusable, as opposed to a [`Warning`](crate::Warning), which only costs one label or image.

use std::path::{Path, PathBuf};

/// A reason why a dataset, an image or a loader cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as a verb: `read`, `create`, ...
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },

    /// `data.yaml` is not YAML, or lacks something, or contradicts itself.
    #[error("`{path}`: {problem}")]
    DataYaml {
        /// The dataset file.
        path: PathBuf,
        /// The broken rule, both numbers and the remedy.
        problem: String,
    },

    /// A folder or list that `data.yaml` names is not there.
    #[error("`{split}` of `{yaml}` is `{source_path}`, which does not exist; correct `{split}` or `path`")]
    MissingSource {
        /// The dataset file.
        yaml: PathBuf,
        /// Key in it: `train`, `val` or `test`.
        split: &'static str,
        /// Where it points, after resolving.
        source_path: PathBuf,
    },

    /// `data.yaml` has no entry for the split.
    #[error("`{yaml}` has no `{split}`; add `{split}: FOLDER`")]
    UndefinedSplit {
        /// The dataset file.
        yaml: PathBuf,
        /// Key that is missing.
        split: &'static str,
    },

    /// The split is there but holds no image that can be read.
    #[error(
        "`{split}` of `{yaml}` holds no usable image: {found} files with a supported extension \
         (bmp, jpg, jpeg, png, tif, tiff, webp) found under {sources}, none of them readable"
    )]
    EmptySplit {
        /// The dataset file.
        yaml: PathBuf,
        /// Key in it.
        split: &'static str,
        /// Image files found, all of them unreadable.
        found: usize,
        /// The folders and lists that were searched.
        sources: String,
    },

    /// The image file is not a picture that can be decoded.
    #[error("cannot decode the image `{path}`")]
    Decode {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        #[source]
        source: image::ImageError,
    },

    /// A PNG could not be written.
    #[error("cannot write the image `{path}`")]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's reason.
        #[source]
        source: image::ImageError,
    },

    /// A configuration value outside its range.
    #[error("`{field}` is {value}; it must be {expected}")]
    Config {
        /// Field of the configuration.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: &'static str,
    },

    /// The drawn dataset would overwrite something.
    #[error("`{0}` exists and is not empty; remove it or draw into another folder")]
    TargetExists(PathBuf),
}

impl DataError {
    /// For `map_err`: an I/O error with its verb and path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
