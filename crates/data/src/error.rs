//! [`DataError`]: reasons why a dataset, an image or a loader cannot be used.
//!
//! A [`Warning`](crate::Warning), in contrast, costs only one label or image.

use std::path::{Path, PathBuf};

use crate::decode_limits::Undecodable;
use crate::formats::READ;
use crate::source_path::whereabouts;
use crate::{Warning, WarningKind};

/// Error of this crate: a dataset, an image or a loader cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused access to a file or folder.
    #[error("cannot {action} `{path}`")]
    Io {
        /// The attempted action, as a verb: `read`, `create`, ...
        action: &'static str,
        /// The file or folder.
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
        /// The broken rule, the values found and how to correct them.
        problem: String,
    },

    /// A file that must be text holds other bytes.
    #[error("`{path}`: {problem}")]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line that is not text, and how to correct it.
        problem: String,
    },

    /// The labels of a split are unusable as a whole, or are missing where some are needed.
    #[error("`{split}` of `{yaml}`: {problem}")]
    Labels {
        /// The dataset file.
        yaml: PathBuf,
        /// Key in it.
        split: &'static str,
        /// The most likely reason, the first place and the remedy.
        problem: String,
    },

    /// Lists name images, but none of these exists.
    #[error(
        "`{split}` of `{yaml}`: none of the {count} images that it lists exists; the first is {}`{list}` and was looked for as \
         `{tried}`{}",
        if *line > 0 { format!("on line {line} of ") } else { "in ".to_owned() },
        whereabouts(tried)
    )]
    MissingImages {
        /// The dataset file.
        yaml: PathBuf,
        /// Key in it.
        split: &'static str,
        /// Number of images that the lists name.
        count: usize,
        /// The list that names the first one.
        list: PathBuf,
        /// Its line there, counted from 1; 0 in a COCO file.
        line: usize,
        /// The path at which it was looked for first.
        tried: PathBuf,
    },

    /// A folder or list that `data.yaml` names does not exist.
    #[error(
        "`{split}` of `{yaml}` is `{source_path}`{}, which does not exist; correct `{split}` or `path`",
        whereabouts(source_path)
    )]
    MissingSource {
        /// The dataset file.
        yaml: PathBuf,
        /// Key in it: `train`, `val` or `test`.
        split: &'static str,
        /// The resolved path.
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

    /// The split exists but holds no readable image.
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
        /// Text about images in formats that are not read; empty if there are none.
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

    /// The image is not the one that the scan decoded: its size differs.
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
        /// Its value.
        value: String,
        /// The allowed values.
        expected: &'static str,
    },

    /// The target folder of a drawn dataset holds files, which drawing would overwrite.
    #[error("`{0}` exists and is not empty; remove it or draw into another folder")]
    TargetExists(PathBuf),
}

impl DataError {
    /// The error for `count` listed images, none of which exists; `first` is the warning about the first one.
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
