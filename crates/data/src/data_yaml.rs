//! The dataset file: where the images of each split are and what the classes are called.
//!
//! Idea: everything optional or polymorphic in the YAML (`names` as list or map, splits as text or list, `nc`)
//! is resolved once, here; [`DataYaml`] holds absolute answers only.
//! It does not look into folders; that is [`Dataset::scan`](crate::Dataset::scan).
//! Foreign keys (`download`, `roboflow`, ...) are ignored.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml_ng::Value;

use crate::DataError;

/// Most classes: each is an output channel of the head, and no layer has more channels than this.
const MAX_CLASSES: usize = 65_536;

/// The part of a dataset that is used for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SplitKind {
    /// What the network learns from.
    Train,
    /// What the best epoch is chosen by.
    Val,
    /// What nothing was chosen by; many datasets have none.
    Test,
}

impl SplitKind {
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
    /// Folders and `.txt` lists of the train split.
    pub train: Vec<PathBuf>,
    /// Folders and `.txt` lists of the validation split.
    pub val: Vec<PathBuf>,
    /// Folders and `.txt` lists of the test split; empty where there is none.
    pub test: Vec<PathBuf>,
    /// Class names by class index.
    pub class_names: Vec<String>,
}

/// The file as written, before any rule is checked.
#[derive(Deserialize)]
struct RawDataYaml {
    path: Option<PathBuf>,
    train: Option<OneOrMany>,
    #[serde(alias = "validation")]
    val: Option<OneOrMany>,
    test: Option<OneOrMany>,
    nc: Option<usize>,
    names: Option<Value>,
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
    /// A split `../NAME` that leads nowhere is tried as `NAME` too, since widespread exporters write it so.
    ///
    /// # Errors
    /// [`DataError::Io`] where the file cannot be read; [`DataError::DataYaml`] where it is not YAML, has no `train`,
    /// no classes, a gap in the class indices, or an `nc` other than the number of names.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, DataError> {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file).map_err(DataError::io("read the dataset file", file))?;
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

    fn parse(text: &str, file: &Path) -> Result<Self, String> {
        let raw: RawDataYaml =
            serde_yaml_ng::from_str(text).map_err(|e| format!("not a dataset file: {e}"))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let root = raw.path.as_ref().map_or_else(|| folder.to_owned(), |path| folder.join(path));
        if raw.train.is_none() {
            return Err("has no `train`; add `train: FOLDER` (a folder of images or a .txt list)".to_owned());
        }
        Ok(Self {
            file: file.to_owned(),
            train: resolve(&root, raw.train),
            val: resolve(&root, raw.val),
            test: resolve(&root, raw.test),
            class_names: class_names(raw.names, raw.nc)?,
        })
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
    let direct = root.join(source);
    if !direct.exists()
        && let Ok(inner) = source.strip_prefix("..")
        && root.join(inner).exists()
    {
        return root.join(inner);
    }
    direct
}

fn class_names(names: Option<Value>, nc: Option<usize>) -> Result<Vec<String>, String> {
    let names = match names {
        None => {
            let nc = nc.ok_or("has neither `names` nor `nc`; add `names: [first, second, ...]`")?;
            if nc > MAX_CLASSES {
                return Err(format!(
                    "`nc` is {nc}; at most {MAX_CLASSES} classes are possible, so correct `nc` or list `names`"
                ));
            }
            (0..nc).map(|class| format!("class_{class}")).collect()
        }
        Some(Value::Sequence(items)) => items.iter().map(name).collect::<Result<Vec<_>, _>>()?,
        Some(Value::Mapping(map)) => {
            let mut indexed = map
                .iter()
                .map(|(key, value)| Ok((class_index(key)?, name(value)?)))
                .collect::<Result<Vec<_>, String>>()?;
            indexed.sort();
            if let Some((expected, (found, _))) =
                indexed.iter().enumerate().find(|(position, (index, _))| position != index)
            {
                return Err(format!(
                    "`names` numbers its classes with a gap or twice: {found} stands where {expected} is due; \
                     number them 0 to {}",
                    indexed.len() - 1
                ));
            }
            indexed.into_iter().map(|(_, name)| name).collect()
        }
        Some(_) => return Err("`names` must be a list or a map from class index to name".to_owned()),
    };
    if names.is_empty() {
        return Err("has no classes; `names` must hold at least one".to_owned());
    }
    if names.len() > MAX_CLASSES {
        return Err(format!(
            "`names` has {} entries; at most {MAX_CLASSES} classes are possible",
            names.len()
        ));
    }
    match nc {
        Some(nc) if nc != names.len() => Err(format!(
            "`nc` is {nc} but `names` has {} entries; correct one of them or leave `nc` out",
            names.len()
        )),
        _ => Ok(names),
    }
}

fn class_index(key: &Value) -> Result<usize, String> {
    let index = match key {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    index
        .and_then(|index| usize::try_from(index).ok())
        .ok_or_else(|| format!("`names` has the key {key:?}; keys must be class indices 0, 1, 2, ..."))
}

/// Class names need not be quoted: YAML reads `no` as text but `1` and `true` as other scalars.
fn name(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(format!("`names` has the entry {value:?}; every entry must be a name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DataYaml, String> {
        DataYaml::parse(text, Path::new("set/data.yaml"))
    }

    #[test]
    fn names_as_list_map_or_count() {
        assert_eq!(parse("train: t\nnc: 65536").unwrap().class_names.len(), MAX_CLASSES);
        for (names, expected) in [
            ("names: [cat, dog]", vec!["cat", "dog"]),
            ("names: {1: dog, 0: cat}", vec!["cat", "dog"]),
            ("names: {'0': cat, '1': 7}\nnc: 2", vec!["cat", "7"]),
            ("nc: 2", vec!["class_0", "class_1"]),
        ] {
            assert_eq!(parse(&format!("train: t\n{names}")).unwrap().class_names, expected, "{names}");
        }
    }

    #[test]
    fn contradictions_are_refused_with_both_numbers() {
        for (text, part) in [
            ("train: t\nnames: [a, b]\nnc: 3", "`nc` is 3 but `names` has 2"),
            ("train: t\nnames: {0: a, 2: b}", "2 stands where 1 is due"),
            ("train: t\nnames: {a: b}", "class indices"),
            ("train: t\nnames: []", "at least one"),
            ("train: t\nnames: 5", "list or a map"),
            ("train: t", "neither `names` nor `nc`"),
            ("names: [a]", "no `train`"),
            ("train: [", "not a dataset file"),
            ("train: t\nnc: 99999999999", "`nc` is 99999999999; at most 65536 classes"),
            ("train: t\nnc: 65537", "`nc` is 65537; at most 65536 classes"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn sources_are_resolved_against_path() {
        let yaml =
            parse("path: ../root\ntrain: [a, b.txt]\nval: /abs\ntest:\nnames: [x]\ndownload: u").unwrap();
        assert_eq!(yaml.sources(SplitKind::Train), ["set/../root/a", "set/../root/b.txt"].map(PathBuf::from));
        assert_eq!(yaml.sources(SplitKind::Val), ["/abs"].map(PathBuf::from));
        assert!(yaml.sources(SplitKind::Test).is_empty());
        assert_eq!(parse("train: a\nnames: [x]").unwrap().train, [PathBuf::from("set/a")]);
    }
}
