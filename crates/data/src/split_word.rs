//! [`SplitWord`]: the split that the name of a file or folder says.

use crate::SplitKind;

/// The words for each split, in lower case.
const WORDS: [(SplitKind, &[&str]); 3] = [
    (SplitKind::Train, &["train", "training"]),
    (SplitKind::Val, &["val", "valid", "validation"]),
    (SplitKind::Test, &["test"]),
];

/// A name with one word for a split, such as `instances_train2017`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitWord {
    pub(crate) kind: SplitKind,
    /// The name without the word: equal for the files of one dataset, such as `instances_` and `2017`.
    pub(crate) rest: (String, String),
}

impl SplitWord {
    /// Finds the only whole word for a split; a name such as `train_test`, `trainval` or `latest` says nothing.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let mut found = None;
        let mut start = 0;
        for piece in lower.split_inclusive(|letter: char| !letter.is_alphabetic()) {
            let word = piece.trim_end_matches(|letter: char| !letter.is_alphabetic());
            if let Some((kind, _)) = WORDS.iter().find(|(_, words)| words.contains(&word)) {
                if found.is_some() {
                    return None;
                }
                let rest = (lower[..start].to_owned(), lower[start + word.len()..].to_owned());
                found = Some(Self { kind: *kind, rest });
            }
            start += piece.len();
        }
        found
    }

    /// The words for a split.
    pub(crate) fn words(kind: SplitKind) -> &'static [&'static str] {
        WORDS.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, words)| words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_say_a_split() {
        let of = |name: &str| SplitWord::of(name).map(|word| word.kind);
        for name in ["train", "instances_train2017", "Train", "_train.coco", "a-training-b"] {
            assert_eq!(of(name), Some(SplitKind::Train), "{name}");
        }
        assert_eq!([of("valid"), of("val_v2"), of("2014val")], [Some(SplitKind::Val); 3]);
        for name in ["trainval", "latest", "interval", "constraint", "train_test", "", "labels"] {
            assert_eq!(of(name), None, "{name}");
        }
        let rest = |name: &str| SplitWord::of(name).map(|word| word.rest);
        assert_eq!(rest("instances_train2017"), rest("instances_val2017"));
        assert_ne!(rest("train_v1"), rest("val_v2"));
    }
}
