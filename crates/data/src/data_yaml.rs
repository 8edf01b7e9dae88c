//! [`DataYaml`]: the dataset file, with the folders of each split and the class names.
//!
//! This module resolves everything optional or polymorphic in the YAML (`names` as list or map, splits as
//! text or list, `nc`); [`DataYaml`] holds only the resolved values.
//! It does not look into folders; [`Dataset::scan`](crate::Dataset::scan) does.
//! Unknown keys (`download`, `roboflow`, ...) are ignored.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml_ng::Value;

use crate::class_names::{class_names, number_of_classes};
use crate::coco::CocoFile;
use crate::source_path::{is_of_windows, seen_from, with_slashes};
use crate::text::read_text;
use crate::{DataError, Keypoints};

/// The part of a dataset that is used for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SplitKind {
    /// Images that the network is trained on.
    Train,
    /// Images that the best epoch is chosen by.
    Val,
    /// Images that no choice depends on; many datasets have none.
    Test,
}

impl SplitKind {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The key in `data.yaml`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

/// A `data.yaml`, checked and resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataYaml {
    /// The file it was read from.
    pub file: PathBuf,
    /// The folder that the paths in it are relative to.
    pub root: PathBuf,
    /// Folders, `.txt` lists, images and COCO files (`.json`) of the train split; empty where there is none.
    pub train: Vec<PathBuf>,
    /// The same of the validation split; empty where there is none.
    pub val: Vec<PathBuf>,
    /// The same of the test split; empty where there is none.
    pub test: Vec<PathBuf>,
    /// Class names by class index; empty if they are those of COCO files.
    pub class_names: Vec<String>,
    /// Keypoints after the box in a label row: `kpt_shape` of pose datasets.
    pub keypoints: Option<Keypoints>,
}

/// The file as written, before any rule is checked.
#[derive(Deserialize)]
struct RawDataYaml {
    path: Option<PathBuf>,
    train: Option<OneOrMany>,
    #[serde(alias = "validation")]
    val: Option<OneOrMany>,
    test: Option<OneOrMany>,
    nc: Option<Value>,
    names: Option<Value>,
    kpt_shape: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

impl DataYaml {
    /// Reads and checks a dataset file.
    ///
    /// `path` is taken relative to the folder of the file (that folder itself when absent),
    /// the splits relative to `path`.
    /// A split `../NAME` that does not exist is also tried as `NAME`, because widespread exporters write it
    /// so; a path with `\` that does not exist is also tried with `/`.
    ///
    /// # Errors
    /// [`DataError::Io`] where the file cannot be read and [`DataError::NotText`] where it is not UTF-8 or
    /// UTF-16; [`DataError::DataYaml`] where it is not YAML, names no split, has no classes, has a gap in the
    /// class indices, has an `nc` other than the number of names, or has a `path` on a Windows drive that
    /// this machine does not have.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, DataError> {
        let file = file.as_ref();
        let text = read_text(file, "read the dataset file")?;
        Self::parse(&text, file).map_err(|problem| DataError::DataYaml { path: file.to_owned(), problem })
    }

    /// The folders and lists of a split; empty where `data.yaml` does not name it.
    pub fn sources(&self, split: SplitKind) -> &[PathBuf] {
        match split {
            SplitKind::Train => &self.train,
            SplitKind::Val => &self.val,
            SplitKind::Test => &self.test,
        }
    }

    pub(crate) fn sources_mut(&mut self, split: SplitKind) -> &mut Vec<PathBuf> {
        match split {
            SplitKind::Train => &mut self.train,
            SplitKind::Val => &mut self.val,
            SplitKind::Test => &mut self.test,
        }
    }

    fn parse(text: &str, file: &Path) -> Result<Self, String> {
        let raw: RawDataYaml =
            serde_yaml_ng::from_str(text).map_err(|e| format!("not a dataset file: {e}"))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let root = match raw.path.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) if is_of_windows(&path) && !path.exists() => {
                return Err(format!(
                    "`path` is `{}`, a folder of a Windows machine that does not exist here; set `path` to \
                     where the dataset is, or leave it out if that is the folder of this file",
                    path.display()
                ));
            }
            Some(path) => seen_from(folder, &path),
            None => folder.to_owned(),
        };
        let [train, val, test] = [raw.train, raw.val, raw.test].map(|sources| resolve(&root, sources));
        if train.is_empty() && val.is_empty() && test.is_empty() {
            return Err("has neither `train` nor `val` nor `test`; add `train: FOLDER` (a folder of images or a .txt \
                        list)"
                .to_owned());
        }
        let nc = raw.nc.as_ref().map(number_of_classes).transpose()?.flatten();
        let has_own_names =
            [&train, &val, &test].into_iter().flatten().any(|source| CocoFile::is_named(source));
        let class_names = if has_own_names && raw.names.is_none() && nc.is_none() {
            Vec::new()
        } else {
            class_names(raw.names, nc, [&root, folder])?
        };
        let keypoints = raw.kpt_shape.filter(|shape| !shape.is_null());
        let keypoints = keypoints.as_ref().map(Keypoints::read).transpose()?;
        Ok(Self { file: file.to_owned(), root, train, val, test, class_names, keypoints })
    }
}

fn resolve(root: &Path, sources: Option<OneOrMany>) -> Vec<PathBuf> {
    let sources = match sources {
        None => Vec::new(),
        Some(OneOrMany::One(path)) => vec![path],
        Some(OneOrMany::Many(paths)) => paths,
    };
    // An empty `test:` key is how people write "none".
    sources.iter().filter(|path| !path.as_os_str().is_empty()).map(|path| resolve_one(root, path)).collect()
}

fn resolve_one(root: &Path, source: &Path) -> PathBuf {
    let direct = seen_from(root, source);
    if !direct.exists() {
        let slashed = with_slashes(source);
        if let Ok(inner) = slashed.as_deref().unwrap_or(source).strip_prefix("..")
            && root.join(inner).exists()
        {
            return root.join(inner);
        }
    }
    direct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DataYaml, String> {
        DataYaml::parse(text, Path::new("set/data.yaml"))
    }

    #[test]
    fn names_as_list_map_or_count() {
        assert_eq!(parse("train: t\nnc: 65536").unwrap().class_names.len(), 65_536);
        for (names, expected) in [
            ("names: [cat, dog]", vec!["cat", "dog"]),
            ("names: {1: dog, 0: cat}", vec!["cat", "dog"]),
            ("names: {'0': cat, '1': 7}\nnc: 2", vec!["cat", "7"]),
            ("nc: 2", vec!["class_0", "class_1"]),
            ("nc: '2'", vec!["class_0", "class_1"]),
            ("names: [cat, dog]\nnc: 2.0", vec!["cat", "dog"]),
            ("names: [cat, dog]\nnc: ' 2.0 '", vec!["cat", "dog"]),
            ("names: [cat, dog]\nnc:", vec!["cat", "dog"]),
        ] {
            assert_eq!(parse(&format!("train: t\n{names}")).unwrap().class_names, expected, "{names}");
        }
    }

    #[test]
    fn contradictions_are_refused_with_both_numbers() {
        for (text, part) in [
            ("train: t\nnames: [a, b]\nnc: 3", "`nc` is 3 but `names` has 2"),
            ("train: t\nnames: {0: a, 2: b}", "has 2 in place of 1"),
            ("train: t\nnames: {a: b}", "class indices"),
            ("train: t\nnames: []", "at least one"),
            ("train: t\nnames: 5", "a list, a map"),
            ("train: t", "neither `names` nor `nc`"),
            ("names: [a]", "neither `train` nor `val` nor `test`"),
            ("train:\nval: ''\nnames: [a]", "neither `train` nor `val` nor `test`"),
            ("train: t\nnames: [a]\nnc: many", "`nc` is `many`"),
            ("train: t\nnames: [a]\nnc: 1.5", "`nc` is `1.5`"),
            ("train: t\nnames: a, b", "`names` is `a, b`, neither a list nor a file"),
            ("train: t\nnames: [a]\nkpt_shape: 17", "`kpt_shape` must be"),
            ("train: t\nnames: [a]\nkpt_shape: [17, 4]", "`kpt_shape` must be"),
            ("path: C:\\Users\\me\ntrain: t\nnames: [a]", "`C:\\Users\\me`, a folder of a Windows machine"),
            ("train: [", "not a dataset file"),
            ("train: t\nnc: 99999999999", "`nc` is 99999999999; at most 65536 classes"),
            ("train: t\nnc: 65537", "`nc` is 65537; at most 65536 classes"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn keypoints_are_read() {
        let of = |text: &str| parse(&format!("train: t\nnames: [x]\n{text}")).unwrap().keypoints;
        assert_eq!(of("kpt_shape: [17, 3]"), Some(Keypoints { count: 17, dims: 3 }));
        assert_eq!([of("kpt_shape:"), of("")], [None, None]);
    }

    #[test]
    fn sources_are_resolved_against_path() {
        let yaml =
            parse("path: ../root\ntrain: [a, b.txt]\nval: /abs\ntest:\nnames: [x]\ndownload: u").unwrap();
        assert_eq!(yaml.sources(SplitKind::Train), ["set/../root/a", "set/../root/b.txt"].map(PathBuf::from));
        assert_eq!(yaml.sources(SplitKind::Val), ["/abs"].map(PathBuf::from));
        assert!(yaml.sources(SplitKind::Test).is_empty());
        assert_eq!(parse("train: a\nnames: [x]").unwrap().train, [PathBuf::from("set/a")]);
        assert!(parse("val: a\nnames: [x]").unwrap().train.is_empty());
    }
}
