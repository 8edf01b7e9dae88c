//! What makes a dataset unusable, as opposed to a [`Warning`](crate::Warning), which only costs one label or image.

use std::path::{Path, PathBuf};

use crate::decode::Undecodable;
use crate::formats::READ;
use crate::source_path::whereabouts;
use crate::{Warning, WarningKind};

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

    /// A file that is to be text holds other bytes.
    #[error("`{path}`: {problem}")]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line that is none, and the remedy.
        problem: String,
    },

    /// The labels of a split cannot be meant as they are written, or there are none where some are needed.
    #[error("`{split}` of `{yaml}`: {problem}")]
    Labels {
        /// The dataset file.
        yaml: PathBuf,
        /// Key in it.
        split: &'static str,
        /// The most likely reason, the first place and the remedy.
        problem: String,
    },

    /// Lists name images, none of which is there.
    #[error(
        "`{split}` of `{yaml}`: none of the {count} images that it lists exists; the first is on line {line} of \
         `{list}` and was looked for as `{tried}`{}",
        whereabouts(tried)
    )]
    MissingImages {
        /// The dataset file.
        yaml: PathBuf,
        /// Key in it.
        split: &'static str,
        /// How many are listed.
        count: usize,
        /// The list that names the first one.
        list: PathBuf,
        /// Its line there, counted from 1.
        line: usize,
        /// Where it was looked for first.
        tried: PathBuf,
    },

    /// A folder or list that `data.yaml` names is not there.
    #[error(
        "`{split}` of `{yaml}` is `{source_path}`{}, which does not exist; correct `{split}` or `path`",
        whereabouts(source_path)
    )]
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
         ({}) found under {sources}, none of them readable{others}", READ.join(", ")
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
        /// What is said of images of formats that are not read, if there are any.
        others: String,
    },

    /// The image file is not a picture that can be decoded.
    #[error("cannot decode the image `{path}`")]
    Decode {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        #[source]
        source: Undecodable,
    },

    /// The image is not the one that the scan looked at.
    #[error(
        "the image `{path}` is {} x {} pixels, but was {} x {} when the dataset was scanned: it was replaced meanwhile; \
         start again, so that images and labels are read anew", found.0, found.1, scanned.0, scanned.1
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Width and height now.
        found: (u32, u32),
        /// Width and height at the scan.
        scanned: (u32, u32),
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
    /// None of `count` listed images is there.
    pub(crate) fn missing_images(yaml: &Path, split: &'static str, count: usize, first: &Warning) -> Self {
        let list = first.path.clone();
        let line = first.line.unwrap_or(0);
        let tried = match &first.kind {
            WarningKind::MissingImage { tried } => tried.clone(),
            _ => PathBuf::new(),
        };
        Self::MissingImages { yaml: yaml.to_owned(), split, count, list, line, tried }
    }

    /// For `map_err`: an I/O error with its verb and path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// The innermost cause: the outer messages only repeat the path, which a warning names anyway.
pub(crate) fn reason(error: &DataError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
