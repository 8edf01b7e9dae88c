//! [`SplitFlaws`]: what was left out of a split or assumed about it. Every command that reads a dataset
//! prints it, and the report stores it.

use bonsai_data::{DataError, Scan, SplitKind, Warning};
use serde::{Deserialize, Serialize};

/// The flaws that a scan of a split found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFlaws {
    /// `train`, `val` or `test`.
    pub split: String,
    /// Images found or listed.
    pub images: usize,
    /// Images that cannot be used.
    pub images_left_out: usize,
    /// Rows in the label files of the images that are used.
    pub labels: usize,
    /// Rows that cannot be used.
    pub labels_left_out: usize,
    /// Why the split is missing, if another split is used instead.
    pub missing: Option<String>,
    /// The path where the labels of the first image were expected, if no image has any label.
    pub no_label_in: Option<String>,
    /// The kinds of flaws; those with the greatest loss come first.
    pub kinds: Vec<FlawCount>,
}

/// The count and the first example of one kind of flaw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlawCount {
    /// A stable name, such as `pixel-coordinate`.
    pub kind: String,
    /// Number of occurrences.
    pub count: usize,
    /// Description of the kind, in words that follow the count.
    pub what: String,
    /// File and line of the first occurrence.
    pub place: String,
    /// Description of the first occurrence, and how it was handled.
    pub first: String,
}

impl SplitFlaws {
    /// The flaws in the result of a scan.
    pub fn new(split: SplitKind, scan: &Scan) -> Self {
        let count = |(first, count): (&Warning, usize)| FlawCount {
            kind: first.kind.code().to_owned(),
            count,
            what: first.kind.many().to_owned(),
            place: first.place(),
            first: first.kind.to_string(),
        };
        let looked_for = scan.label_path.as_ref().map(|path| path.display().to_string());
        Self {
            split: split.key().to_owned(),
            missing: None,
            images: scan.found,
            images_left_out: scan.found.saturating_sub(scan.images),
            labels: scan.rows,
            labels_left_out: scan.rows.saturating_sub(scan.instances),
            no_label_in: looked_for.filter(|_| scan.instances == 0),
            kinds: scan.warnings.kinds().into_iter().map(count).collect(),
        }
    }

    /// The flaws of a missing split, instead of which the validation split is used.
    pub(crate) fn missing(split: SplitKind, reason: &DataError) -> Self {
        Self { missing: Some(reason.to_string()), ..Self::new(split, &Scan::default()) }
    }

    /// How much was left out; `None` if there are no flaws.
    fn headline(&self) -> Option<String> {
        let Self { split, images, images_left_out, labels, labels_left_out, .. } = self;
        if let Some(reason) = &self.missing {
            return Some(format!("dataset {split}: {reason}; the validation split is measured instead"));
        }
        let of_images = format!("{images_left_out} of {images} images");
        let of_labels = format!("{labels_left_out} of {labels} labels");
        let text = match (images_left_out, labels_left_out, &self.no_label_in) {
            (0, 0, Some(path)) => format!(
                "none of the {images} images has a label, so nothing can be measured; the labels of the first image \
                 were expected in `{path}`"
            ),
            (_, 0, Some(path)) => format!(
                "{of_images} were left out, and none of the others has a label; the labels of the first were \
                 expected in `{path}`"
            ),
            (0, 0, None) if self.kinds.is_empty() => return None,
            (0, 0, None) => format!("all {images} images and {labels} labels were used"),
            (_, 0, None) => format!("{of_images} were left out"),
            (0, _, _) => format!("{of_labels} were left out"),
            _ => format!("{of_images} and {of_labels} were left out"),
        };
        Some(format!("dataset {split}: {text}"))
    }

    /// All flaws in one line; `None` if there are none.
    pub fn line(&self) -> Option<String> {
        let kinds = self.kinds.iter().map(|k| format!("{} {} (first {})", k.count, k.what, k.place));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let headline = self.headline()?;
        Some(if kinds.is_empty() { headline } else { format!("{headline}: {kinds}") })
    }

    /// A summary line and one line for each kind; empty if there are no flaws.
    pub fn digest(&self) -> Vec<String> {
        let kinds =
            self.kinds.iter().map(|k| format!("  {} {}: first {}: {}", k.count, k.what, k.place, k.first));
        self.headline().into_iter().chain(kinds).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_data::{Flaws, WarningKind};

    fn scan(warnings: Flaws) -> Scan {
        Scan { images: 6, instances: 101, found: 8, rows: 119, warnings, ..Scan::default() }
    }

    #[test]
    fn counts_come_with_their_first_place() {
        let mut warnings = Flaws::default();
        for line in 3..21 {
            let kind = WarningKind::CoordinateOutOfRange { value: 1.5 };
            warnings.push(Warning { path: "a.txt".into(), line: Some(line), kind });
        }
        for name in ["b.png", "c.png"] {
            let kind = WarningKind::UnreadableImage { reason: "no picture".to_owned() };
            warnings.push(Warning { path: name.into(), line: None, kind });
        }
        let flaws = SplitFlaws::new(SplitKind::Val, &scan(warnings));
        assert_eq!(
            flaws.line().unwrap(),
            "dataset val: 2 of 8 images and 18 of 119 labels were left out: 2 images that cannot be read (first \
             b.png), 18 rows with coordinates outside 0..=1 (first a.txt:3)"
        );
        let digest = flaws.digest();
        assert_eq!(digest.len(), 3);
        assert!(digest[2].contains("first a.txt:3: coordinate 1.5 is outside"), "{digest:?}");
    }

    #[test]
    fn a_flawless_split_has_no_line_and_one_without_labels_names_their_path() {
        let clean = Scan { images: 6, instances: 9, found: 6, rows: 9, ..Scan::default() };
        assert_eq!(SplitFlaws::new(SplitKind::Val, &clean).line(), None);
        let gone = DataError::UndefinedSplit { yaml: "data.yaml".into(), split: "test" };
        let line = SplitFlaws::missing(SplitKind::Test, &gone).line().unwrap();
        assert!(line.starts_with("dataset test: `data.yaml` has no `test`"), "{line}");
        let path = Some("labels/a.txt".into());
        let bare = Scan { images: 6, found: 6, label_path: path, ..Scan::default() };
        let line = SplitFlaws::new(SplitKind::Val, &bare).line().unwrap();
        assert!(
            line.contains("none of the 6 images has a label") && line.contains("`labels/a.txt`"),
            "{line}"
        );
    }
}
