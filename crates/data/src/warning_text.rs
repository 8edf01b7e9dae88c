//! Sentences for [`Warning`]s: what was found, and what was left out or assumed because of it.

use std::fmt;

use crate::{Warning, WarningKind};

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.kind)
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadableImage { reason } => write!(f, "image cannot be read ({reason}); left out"),
            Self::MissingImage { tried } => write!(f, "`{}` does not exist; left out", tried.display()),
            Self::TinyImage { width, height } => {
                write!(f, "image is {width} x {height} px, at least 10 x 10 are needed; left out")
            }
            Self::DoubtfulJpeg { reason } => {
                write!(f, "JPEG may be damaged ({reason}); kept, because it can be decoded")
            }
            Self::OtherFormats { counts } => {
                let files: usize = counts.values().sum();
                let each: Vec<String> =
                    counts.iter().map(|(name, count)| format!("{count} .{name}")).collect();
                write!(
                    f,
                    "first of {files} images of formats that Bonsai does not read ({}); left out: convert them to PNG or JPEG",
                    each.join(", ")
                )
            }
            Self::UnreadableLabels { reason } => {
                write!(f, "labels cannot be read ({reason}); image left out")
            }
            Self::NumberCount { found, keypoints: None } => write!(
                f,
                "{found} numbers; a box has 5 (class cx cy w h), a polygon an odd count of 7 or more \
                 (class x y x y x y ...); row left out"
            ),
            Self::NumberCount { found, keypoints: Some(keypoints) } => write!(
                f,
                "{found} numbers; with the `kpt_shape` of this dataset a row has {} (class cx cy w h and the \
                 keypoints); row left out",
                5 + keypoints.columns()
            ),
            Self::NotANumber { word } => write!(f, "`{word}` is not a finite number; row left out"),
            Self::DecimalComma { word } => write!(
                f,
                "`{word}` may be a number with a decimal comma; write decimal points, and spaces between \
                 numbers; row left out"
            ),
            Self::UnknownClass { word, several: false } => {
                write!(f, "`{word}` is no class: neither a number nor one of `names`; row left out")
            }
            Self::UnknownClass { word, several: true } => {
                write!(f, "`{word}` is the name of several classes; row left out")
            }
            Self::ClassBehindLast { num_classes } => out_of_range(f, *num_classes as f64, *num_classes),
            Self::ClassOutOfRange { class, num_classes } => out_of_range(f, *class, *num_classes),
            Self::PixelCoordinate { value } => write!(
                f,
                "coordinate {value} looks like pixels, but must be a fraction of the image (0..=1); row left out"
            ),
            Self::CoordinateOutOfRange { value } => {
                write!(f, "coordinate {value} is outside 0..=1 (fractions of the image); row left out")
            }
            Self::PoseRow { keypoints } => write!(
                f,
                "looks like a box and {keypoints} keypoints; add `kpt_shape: [{keypoints}, 3]` to data.yaml, and \
                 the box is read; row left out"
            ),
            Self::EmptyBox => write!(f, "box without width or height; row left out"),
            Self::Duplicate { first_line } => {
                write!(f, "the same class and box as number {first_line}; left out")
            }
            Self::MaybePose { keypoints } => write!(
                f,
                "read as a polygon; if it is a box and {keypoints} keypoints, add `kpt_shape: [{keypoints}, 3]` to \
                 data.yaml"
            ),
            Self::Separators => {
                write!(f, "numbers are separated by commas or semicolons, not by blanks; read")
            }
            Self::ClassWord { word } => write!(f, "class `{word}` by its name, not by its number; read"),
            Self::SixthColumn => {
                write!(f, "a sixth number behind the box, such as a confidence; ignored")
            }
            Self::Clipped { value } => write!(f, "coordinate {value} is a little outside 0..=1; clipped"),
            Self::NoBox => write!(f, "no box of four numbers; left out"),
            Self::UndefinedCategory => {
                write!(f, "its `category_id` is not among the `categories` of the file; left out")
            }
            Self::UndefinedImage => {
                write!(f, "its `image_id` is not among the `images` of the file; left out")
            }
            Self::SetAside { mark } => write!(f, "marked `{mark}`; left out"),
            Self::SizeDiffers { written, found } => write!(
                f,
                "the labels are for {} x {} px, the image is {} x {}; boxes are scaled",
                written.0, written.1, found.0, found.1
            ),
            Self::LabelsBesideImage { expected } => {
                write!(f, "labels lie beside the image, not in `{}`; read", expected.display())
            }
        }
    }
}

fn out_of_range(f: &mut fmt::Formatter<'_>, class: f64, num_classes: usize) -> fmt::Result {
    let whole = format!("(whole numbers below {num_classes})");
    write!(f, "class {class}, but `names` has {num_classes} classes {whole}; row left out")
}
