//! [`RowRules`]: reads one row of a label file, with any of the usual separators.
//!
//! A row is `class cx cy w h`, the same followed by a confidence, `class x y x y x y ...` (read as the box
//! around the polygon), or a box followed by keypoints. If two readings are possible, the row is refused with
//! the reason: a wrong box is worse than a missing one.

use bonsai_boxes::{Cxcywh, Xyxy};

use crate::class_word::ClassWords;
use crate::number_word::number;
use crate::text::shown;
use crate::{Keypoints, Label, WarningKind};

/// How far outside 0..=1 a coordinate may be and still be clipped; Ultralytics allows the same since 8.3.163.
const TOLERANCE: f32 = 0.01;

/// A larger coordinate is not a slightly wrong fraction, but a number of pixels or per cent.
const PIXELS: f32 = 2.0;

/// Rules for reading the rows of a dataset.
#[derive(Debug)]
pub(crate) struct RowRules {
    pub(crate) classes: ClassWords,
    /// From `kpt_shape`.
    pub(crate) keypoints: Option<Keypoints>,
}

/// A row that was read, and the assumptions made for it.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) label: Label,
    pub(crate) notes: Vec<WarningKind>,
}

impl RowRules {
    /// Reads a row; `None` for an empty one.
    pub(crate) fn read(&self, row: &str) -> Option<Result<Row, WarningKind>> {
        let (words, separated) = match split(row) {
            Ok((words, _)) if words.is_empty() => return None,
            Ok(found) => found,
            Err(kind) => return Some(Err(kind)),
        };
        let notes = if separated { vec![WarningKind::Separators] } else { Vec::new() };
        Some(self.understand(&words, notes))
    }

    fn understand(&self, words: &[&str], mut notes: Vec<WarningKind>) -> Result<Row, WarningKind> {
        let (class, rest, is_word) = self.classes.of(words)?;
        if is_word {
            notes.push(WarningKind::ClassWord { word: shown(&words[..words.len() - rest.len()].join(" ")) });
        }
        let box_only = self.columns(rest, &mut notes)?;
        let mut values = Vec::with_capacity(box_only.len());
        for word in box_only {
            values.push(number::<f32>(word, f32::is_finite)?);
        }
        row_of(class, values, notes)
    }

    /// The words of the box or polygon among those after the class.
    fn columns<'w, 't>(
        &self,
        rest: &'w [&'t str],
        notes: &mut Vec<WarningKind>,
    ) -> Result<&'w [&'t str], WarningKind> {
        let wrong = WarningKind::NumberCount { found: rest.len() + 1, keypoints: self.keypoints };
        if let Some(keypoints) = self.keypoints {
            return if rest.len() == 4 || rest.len() == 4 + keypoints.columns() {
                Ok(&rest[..4])
            } else {
                Err(wrong)
            };
        }
        match rest.len() {
            4 => Ok(rest),
            5 => {
                // It may be a confidence or a track number, but it must be a number.
                number::<f32>(rest[4], f32::is_finite)?;
                notes.push(WarningKind::SixthColumn);
                Ok(&rest[..4])
            }
            0..=3 => Err(wrong),
            n => {
                let count = (n - 4) / 3;
                match looks_like_pose(rest) {
                    Some(true) => Err(WarningKind::PoseRow { keypoints: count }),
                    Some(false) if n % 2 == 1 => Err(WarningKind::PoseRow { keypoints: count }),
                    _ if n % 2 == 1 => Err(wrong),
                    Some(false) => {
                        notes.push(WarningKind::MaybePose { keypoints: count });
                        Ok(rest)
                    }
                    None => Ok(rest),
                }
            }
        }
    }
}

/// The row of a class and the fractions of a box `cx cy w h` or a polygon `x y x y ...`.
///
/// # Errors
/// The flaw that makes the row unusable.
pub(crate) fn row_of(
    class: usize,
    mut values: Vec<f32>,
    mut notes: Vec<WarningKind>,
) -> Result<Row, WarningKind> {
    if let Some(value) = values.iter().copied().find(|value| !(-TOLERANCE..=1.0 + TOLERANCE).contains(value))
    {
        let largest = values.iter().copied().fold(value, f32::max);
        let is_pixel = largest > PIXELS && values.iter().all(|value| *value >= -PIXELS);
        return Err(if is_pixel {
            WarningKind::PixelCoordinate { value: largest }
        } else {
            WarningKind::CoordinateOutOfRange { value }
        });
    }
    if let Some(value) = values.iter().copied().find(|value| !(0.0..=1.0).contains(value)) {
        notes.push(WarningKind::Clipped { value });
        for value in &mut values {
            *value = value.clamp(0.0, 1.0);
        }
    }
    let bbox = match values[..] {
        [cx, cy, w, h] => Cxcywh { cx, cy, w, h },
        _ => around_polygon(&values),
    };
    if bbox.w <= 0.0 || bbox.h <= 0.0 {
        return Err(WarningKind::EmptyBox);
    }
    Ok(Row { label: Label { class_id: class, bbox }, notes })
}

/// Whether the words after a class are a box and keypoints `x y visibility`: `Some(true)` if they are,
/// `Some(false)` if they may be, `None` if they are not.
///
/// In such a row, every third number after the box is 0, 1 or 2 (2 is no fraction and thus certain), and the
/// first four are a box inside the image, which the corners of a polygon hardly ever are.
fn looks_like_pose(rest: &[&str]) -> Option<bool> {
    let (bbox, points) = rest.split_at(4);
    if points.is_empty() || !points.len().is_multiple_of(3) {
        return None;
    }
    let mut visible = false;
    for point in points.chunks_exact(3) {
        match point[2].parse::<f32>() {
            Ok(2.0) => visible = true,
            Ok(0.0 | 1.0) => {}
            _ => return None,
        }
    }
    let bbox: Vec<f32> = bbox.iter().filter_map(|word| word.parse().ok()).collect();
    let &[cx, cy, w, h] = bbox.as_slice() else { return None };
    let lies_within = |centre: f32, side: f32| {
        side > 0.0 && centre - side / 2.0 >= -TOLERANCE && centre + side / 2.0 <= 1.0 + TOLERANCE
    };
    (visible || (lies_within(cx, w) && lies_within(cy, h))).then_some(visible)
}

/// The words of a row, and whether commas or semicolons separate them.
///
/// # Errors
/// [`WarningKind::DecimalComma`] where a comma may belong to a number, [`WarningKind::NotANumber`] where
/// nothing stands between two separators.
fn split(row: &str) -> Result<(Vec<&str>, bool), WarningKind> {
    if !row.contains([',', ';']) {
        return Ok((row.split_whitespace().collect(), false));
    }
    let coarse: Vec<&str> =
        row.split(|letter: char| letter == ';' || letter.is_whitespace()).filter(|w| !w.is_empty()).collect();
    if let Some(word) = coarse.iter().find(|word| coarse.len() > 1 && is_decimal_comma(word)) {
        return Err(WarningKind::DecimalComma { word: shown(word) });
    }
    let mut words = Vec::new();
    let row = row.trim().trim_end_matches([',', ';']);
    for part in row.split([',', ';']) {
        let before = words.len();
        words.extend(part.split_whitespace());
        if words.len() == before && !row.is_empty() {
            return Err(WarningKind::NotANumber { word: String::new() });
        }
    }
    // `0,0,5,0,5,0,2,0,2` may be a box with decimal commas.
    let is_digits = |word: &&str| word.bytes().all(|letter| letter.is_ascii_digit());
    let is_pairs = words.len() > 6 && words.iter().skip(1).step_by(2).all(|word| matches!(*word, "0" | "1"));
    if is_pairs && coarse.len() == 1 && words.iter().all(is_digits) {
        return Err(WarningKind::DecimalComma { word: shown(coarse[0]) });
    }
    Ok((words, true))
}

/// Whether a word is a number with a decimal comma, and cannot be two numbers with decimal points.
fn is_decimal_comma(word: &str) -> bool {
    let whole = |digits: &str| !digits.is_empty() && digits.bytes().all(|letter| letter.is_ascii_digit());
    word.trim_start_matches(['+', '-'])
        .split_once(',')
        .is_some_and(|(before, after)| whole(before) && whole(after))
}

/// The smallest box around the points `x y x y ...`.
fn around_polygon(points: &[f32]) -> Cxcywh {
    let start = Xyxy { x1: f32::INFINITY, y1: f32::INFINITY, x2: f32::NEG_INFINITY, y2: f32::NEG_INFINITY };
    let bounds = points.chunks_exact(2).fold(start, |b, p| Xyxy {
        x1: b.x1.min(p[0]),
        y1: b.y1.min(p[1]),
        x2: b.x2.max(p[0]),
        y2: b.y2.max(p[1]),
    });
    Cxcywh::from(bounds)
}
