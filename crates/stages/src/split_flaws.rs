//! What was left out of a split or assumed about it: said by every command that reads a dataset, and kept in the report.

use bonsai_data::{DataError, Scan, SplitKind, Warning};
use serde::{Deserialize, Serialize};

/// What a scan counted, as numbers and words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFlaws {
    /// `train`, `val` or `test`.
    pub split: String,
    /// Images found or listed.
    pub images: usize,
    /// Those of them that cannot be used.
    pub images_left_out: usize,
    /// Rows in the label files of the images that are used.
    pub labels: usize,
    /// Those of them that cannot be used.
    pub labels_left_out: usize,
    /// Why it is not there, where another split takes its place.
    pub missing: Option<String>,
    /// Where the labels of the first image were looked for, if no image has any.
    pub no_label_in: Option<String>,
    /// What was wrong or assumed; what costs most comes first.
    pub kinds: Vec<FlawCount>,
}

/// How often one thing was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlawCount {
    /// A name that stays, such as `pixel-coordinate`.
    pub kind: String,
    /// How often.
    pub count: usize,
    /// What, in words that follow the count.
    pub what: String,
    /// File and line of the first.
    pub place: String,
    /// What is wrong there, and what became of it.
    pub first: String,
}

impl SplitFlaws {
    /// What a scan of a split found.
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

    /// A split that is not there, so that the validation split takes its place.
    pub(crate) fn missing(split: SplitKind, reason: &DataError) -> Self {
        Self { missing: Some(reason.to_string()), ..Self::new(split, &Scan::default()) }
    }

    /// What was left out of how many; `None` where all is well.
    fn headline(&self) -> Option<String> {
        let Self { split, images, images_left_out, labels, labels_left_out, .. } = self;
        if let Some(reason) = &self.missing {
            return Some(format!("dataset {split}: {reason}; the validation split is measured in its place"));
        }
        let of_images = format!("{images_left_out} of {images} images");
        let of_labels = format!("{labels_left_out} of {labels} labels");
        let text = match (images_left_out, labels_left_out, &self.no_label_in) {
            (0, 0, Some(path)) => format!(
                "none of the {images} images has a label, so that nothing can be measured; those of the first were \
                 looked for in `{path}`"
            ),
            (_, 0, Some(path)) => format!(
                "{of_images} were left out, and none of the others has a label; those of the first were looked for in \
                 `{path}`"
            ),
            (0, 0, None) if self.kinds.is_empty() => return None,
            (0, 0, None) => format!("all {images} images and {labels} labels were used"),
            (_, 0, None) => format!("{of_images} were left out"),
            (0, _, _) => format!("{of_labels} were left out"),
            _ => format!("{of_images} and {of_labels} were left out"),
        };
        Some(format!("dataset {split}: {text}"))
    }

    /// All of it in one line; `None` where all is well.
    pub fn line(&self) -> Option<String> {
        let kinds = self.kinds.iter().map(|k| format!("{} {} (first {})", k.count, k.what, k.place));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let headline = self.headline()?;
        Some(if kinds.is_empty() { headline } else { format!("{headline}: {kinds}") })
    }

    /// A line for the whole and one for each kind; none where all is well.
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
    fn a_split_that_is_well_says_nothing_and_one_without_labels_where_they_should_be() {
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
