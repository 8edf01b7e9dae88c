//! Flaws of a dataset that cost one label or one image and are counted instead of stopping the work.

use std::fmt;
use std::path::PathBuf;

/// One flaw, with the file and (for labels) the line that has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// The label or image file.
    pub path: PathBuf,
    /// Line in a label file, counted from 1.
    pub line: Option<usize>,
    /// What is wrong there.
    pub kind: WarningKind,
}

/// What is wrong, and thereby what was left out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WarningKind {
    /// The image cannot be opened or decoded: left out by the scan, background for the loader.
    UnreadableImage {
        /// The decoder's reason.
        reason: String,
    },
    /// The image is less than 10 px wide or high: left out.
    TinyImage {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A JPEG file without its end marker: kept, but its lower part may be grey.
    TruncatedJpeg,
    /// The label file exists but cannot be read as text: the image counts as background.
    UnreadableLabels {
        /// The reason.
        reason: String,
    },
    /// Neither a box nor a polygon: row left out.
    NumberCount {
        /// Numbers in the row.
        found: usize,
    },
    /// A word that is no finite number: row left out.
    NotANumber {
        /// The word.
        word: String,
    },
    /// The class is not in `names`: row left out.
    ClassOutOfRange {
        /// The class as written.
        class: f64,
        /// Number of class names.
        num_classes: usize,
    },
    /// A coordinate outside 0..=1: row left out.
    CoordinateOutOfRange {
        /// The coordinate.
        value: f32,
    },
    /// A box without width or height: row left out.
    EmptyBox,
    /// The same class and box as an earlier row: row left out.
    Duplicate {
        /// The earlier row, counted from 1.
        first_line: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadableImage { reason } => write!(f, "image cannot be read ({reason}); left out"),
            Self::TinyImage { width, height } => {
                write!(f, "image is {width} x {height} px, at least 10 x 10 are needed; left out")
            }
            Self::TruncatedJpeg => write!(f, "JPEG has no end marker, its lower part may be missing; kept"),
            Self::UnreadableLabels { reason } => {
                write!(f, "labels cannot be read ({reason}); the image counts as background")
            }
            Self::NumberCount { found } => write!(
                f,
                "{found} numbers; a box has 5 (class cx cy w h), a polygon an odd count of 7 or more \
                 (class x y x y x y ...); row left out"
            ),
            Self::NotANumber { word } => write!(f, "`{word}` is not a finite number; row left out"),
            Self::ClassOutOfRange { class, num_classes } => write!(
                f,
                "class {class}, but `names` has {num_classes} classes (whole numbers below {num_classes}); \
                 row left out"
            ),
            Self::CoordinateOutOfRange { value } => {
                write!(f, "coordinate {value} is outside 0..=1 (fractions of the image); row left out")
            }
            Self::EmptyBox => write!(f, "box without width or height; row left out"),
            Self::Duplicate { first_line } => write!(f, "same as line {first_line}; row left out"),
        }
    }
}
