//! [`Warning`]: flaws that cost at most one label or image; they are counted and do not stop the scan.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Keypoints;
use crate::cost::Cost;

/// One flaw, with the file and, for labels and lists, the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// The label or image file.
    pub path: PathBuf,
    /// Line in a label file or list, counted from 1.
    pub line: Option<usize>,
    /// The flaw.
    pub kind: WarningKind,
}

/// Kinds of flaws, each with what was left out or assumed because of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WarningKind {
    /// The image cannot be opened or decoded: left out, with its labels.
    UnreadableImage {
        /// The decoder's reason.
        reason: String,
    },
    /// A list names an image that does not exist; the warning's file and line are those of the list.
    MissingImage {
        /// The path at which it was looked for first.
        tried: PathBuf,
    },
    /// The image is less than 10 px wide or high: left out.
    TinyImage {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A JPEG file that one of two decoders refuses, or that lacks its end marker: kept.
    DoubtfulJpeg {
        /// The flaw in the file.
        reason: String,
    },
    /// Images of formats that are not read: left out. The path is that of the first.
    OtherFormats {
        /// How many files there are of each extension.
        counts: BTreeMap<String, usize>,
    },
    /// The label file exists but cannot be read as text: the image is left out, because its objects are
    /// unknown.
    UnreadableLabels {
        /// The reason.
        reason: String,
    },
    /// The row is neither a box nor a polygon, nor a box with the keypoints of `kpt_shape`: row left out.
    NumberCount {
        /// Numbers in the row.
        found: usize,
        /// The keypoints of `kpt_shape`, if there are any.
        keypoints: Option<Keypoints>,
    },
    /// A word that is not a finite number: row left out.
    NotANumber {
        /// The word.
        word: String,
    },
    /// Commas that may be decimal points: row left out.
    DecimalComma {
        /// The word with the comma.
        word: String,
    },
    /// The class is neither a number nor in `names`: row left out.
    UnknownClass {
        /// The word.
        word: String,
        /// Whether several classes have this name.
        several: bool,
    },
    /// The class equals the number of classes, one more than the last class: row left out.
    ClassBehindLast {
        /// Number of class names, and the class as written.
        num_classes: usize,
    },
    /// The class is another number that is not in `names`: row left out.
    ClassOutOfRange {
        /// The class as written.
        class: f64,
        /// Number of class names.
        num_classes: usize,
    },
    /// A coordinate that must be in pixels or per cent: row left out.
    PixelCoordinate {
        /// The largest coordinate of the row.
        value: f32,
    },
    /// A coordinate more than 1 % outside of 0..=1: row left out.
    CoordinateOutOfRange {
        /// The coordinate.
        value: f32,
    },
    /// A box and keypoints, but the dataset has no `kpt_shape`: row left out.
    PoseRow {
        /// Keypoints in the row.
        keypoints: usize,
    },
    /// A box without width or height: row left out.
    EmptyBox,
    /// The same class and box as an earlier row: row left out.
    Duplicate {
        /// The earlier row (or annotation, or object), counted from 1.
        first_line: usize,
    },
    /// Read as a polygon, but it may be a box and keypoints.
    MaybePose {
        /// Keypoints in the row.
        keypoints: usize,
    },
    /// Commas or semicolons instead of spaces: read.
    Separators,
    /// The name of a class instead of its number: read.
    ClassWord {
        /// The name as written.
        word: String,
    },
    /// A number after the box, such as a confidence: ignored.
    SixthColumn,
    /// A coordinate at most 1 % outside of 0..=1: clipped.
    Clipped {
        /// The coordinate.
        value: f32,
    },
    /// An object of a COCO file without a usable `bbox`, or of a VOC file without `bndbox`: left out.
    NoBox,
    /// An object of a COCO file with a `category_id` that the file does not define: left out.
    UndefinedCategory,
    /// An object of a COCO file with an `image_id` that the file does not define: left out.
    UndefinedImage,
    /// An object that its file marks as not to be learned: a COCO region of several objects (`iscrowd`), or a VOC
    /// object that is hard to see (`difficult`). Left out, as Ultralytics does.
    SetAside {
        /// The name of the mark.
        mark: &'static str,
    },
    /// A COCO or VOC file gives another size for the image than the image has: boxes are scaled.
    SizeDiffers {
        /// Width and height in the file.
        written: (f64, f64),
        /// Width and height of the image.
        found: (u32, u32),
    },
    /// The label file lies next to its image, and there is none at the usual place: read.
    LabelsBesideImage {
        /// The usual place.
        expected: PathBuf,
    },
}

/// Facts about a kind of flaw that do not depend on its values: code, plural name, cost.
type Facts = (&'static str, &'static str, Cost);

impl WarningKind {
    /// A stable identifier: `number-count`, ...
    pub fn code(&self) -> &'static str {
        self.facts().0
    }

    /// The plural name: "images that cannot be read", ...
    pub fn many(&self) -> &'static str {
        self.facts().1
    }

    /// The loss that one flaw of this kind causes.
    pub fn cost(&self) -> Cost {
        self.facts().2
    }

    /// Number of files or rows that this warning stands for.
    pub(crate) fn times(&self) -> usize {
        match self {
            Self::OtherFormats { counts } => counts.values().sum(),
            _ => 1,
        }
    }

    /// [`SizeDiffers`](Self::SizeDiffers), if the sizes differ.
    pub(crate) fn size_differs(written: (f64, f64), found: (u32, u32)) -> Option<Self> {
        let is = (f64::from(found.0), f64::from(found.1));
        (written != is).then_some(Self::SizeDiffers { written, found })
    }

    fn facts(&self) -> Facts {
        match self {
            Self::UnreadableImage { .. } => ("unreadable-image", "images that cannot be read", Cost::Image),
            Self::MissingImage { .. } => ("missing-image", "listed images that do not exist", Cost::Image),
            Self::TinyImage { .. } => ("tiny-image", "images of less than 10 px", Cost::Image),
            Self::DoubtfulJpeg { .. } => {
                ("doubtful-jpeg", "JPEG files that may be damaged, kept", Cost::Nothing)
            }
            Self::OtherFormats { .. } => {
                ("other-formats", "images of formats that are not read", Cost::Image)
            }
            Self::UnreadableLabels { .. } => {
                ("unreadable-labels", "label files that cannot be read", Cost::LabelFile)
            }
            Self::NumberCount { .. } => ("number-count", "rows with a wrong count of numbers", Cost::Row),
            Self::NotANumber { .. } => ("not-a-number", "rows with a word in place of a number", Cost::Row),
            Self::DecimalComma { .. } => ("decimal-comma", "rows with commas inside numbers", Cost::Row),
            Self::UnknownClass { .. } => ("unknown-class", "rows with a name that is no class", Cost::Row),
            Self::ClassBehindLast { .. } => {
                ("class-behind-last", "rows with a class one above the last", Cost::Row)
            }
            Self::ClassOutOfRange { .. } => {
                ("class-out-of-range", "rows with a class that `names` does not have", Cost::Row)
            }
            Self::PixelCoordinate { .. } => ("pixel-coordinate", "rows that look like pixels", Cost::Row),
            Self::CoordinateOutOfRange { .. } => {
                ("coordinate-out-of-range", "rows with coordinates outside 0..=1", Cost::Row)
            }
            Self::PoseRow { .. } => ("pose-row", "rows that look like keypoints", Cost::Row),
            Self::EmptyBox => ("empty-box", "boxes without width or height", Cost::Row),
            Self::Duplicate { .. } => ("duplicate", "repeated rows", Cost::Row),
            Self::MaybePose { .. } => {
                ("maybe-pose", "rows read as polygons that may be keypoints", Cost::Nothing)
            }
            Self::Separators => {
                ("separators", "rows with commas or semicolons for blanks, read", Cost::Nothing)
            }
            Self::ClassWord { .. } => ("class-word", "rows with a name for a class, read", Cost::Nothing),
            Self::SixthColumn => ("sixth-column", "rows with a sixth column, ignored", Cost::Nothing),
            Self::Clipped { .. } => {
                ("clipped", "rows with coordinates up to 1 % outside, clipped", Cost::Nothing)
            }
            Self::NoBox => ("no-box", "objects without a box", Cost::Row),
            Self::UndefinedCategory => {
                ("undefined-category", "objects of categories that are not defined", Cost::Row)
            }
            Self::UndefinedImage => ("undefined-image", "objects of images that are not defined", Cost::Row),
            Self::SetAside { .. } => ("set-aside", "objects marked `iscrowd` or `difficult`", Cost::Row),
            Self::SizeDiffers { .. } => {
                ("size-differs", "images of another size than their labels say, scaled", Cost::Nothing)
            }
            Self::LabelsBesideImage { .. } => {
                ("labels-beside-image", "label files beside their images, read", Cost::Nothing)
            }
        }
    }
}

impl Warning {
    /// File and line as text.
    pub fn place(&self) -> String {
        let path = self.path.display();
        self.line.map_or_else(|| path.to_string(), |line| format!("{path}:{line}"))
    }
}
