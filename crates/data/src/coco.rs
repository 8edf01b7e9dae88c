//! [`CocoFile`]: images and objects of a COCO file (`instances_*.json`, `_annotations.coco.json`).
//!
//! Format: <https://cocodataset.org/#format-data>. Only `images`, `annotations` and `categories` are read; masks and
//! captions are skipped without being kept. The path of an image is not part of the format: `file_name` is looked for
//! in the folders where exporters put images.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::class_word::ClassWords;
use crate::decode::regular;
use crate::label_rows::{LabelFile, LabelRows};
use crate::pixel_box::PixelBox;
use crate::source_path::seen_from;
use crate::text::shown;
use crate::{DataError, Flaws, Warning, WarningKind};

/// Most bytes of a file: four times those of the largest file of COCO 2017.
const MAX_BYTES: u64 = 2 << 30;

/// A COCO file with its images found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CocoFile {
    pub(crate) path: PathBuf,
    images: BTreeMap<PathBuf, CocoImage>,
    /// Images that do not exist.
    pub(crate) missing: Flaws,
    /// Annotations of images that the file does not name.
    pub(crate) stray: Flaws,
    categories: Vec<Category>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct CocoImage {
    /// Width and height as written.
    size: Option<(f64, f64)>,
    objects: Vec<CocoObject>,
}

#[derive(Debug, Clone, PartialEq)]
struct CocoObject {
    /// Position among the annotations of the file, counted from 1.
    number: usize,
    /// Index into the categories; `None` for an id that the file does not define.
    category: Option<usize>,
    /// Left, top, width and height in pixels.
    bbox: Option<[f64; 4]>,
    is_crowd: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Category {
    name: String,
    group: Option<String>,
    has_objects: bool,
}

/// The file as written.
#[derive(Deserialize)]
struct Raw {
    images: Vec<RawImage>,
    #[serde(default)]
    annotations: Vec<RawAnnotation>,
    #[serde(default)]
    categories: Vec<RawCategory>,
}

/// Some programs write numbers, some write text, and some write one here and the other there.
#[derive(Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(from = "RawId")]
enum Id {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawId {
    Number(i64),
    Text(String),
}

impl From<RawId> for Id {
    fn from(raw: RawId) -> Self {
        match raw {
            RawId::Number(number) => Self::Number(number),
            RawId::Text(text) => text.parse().map_or(Self::Text(text), Self::Number),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => shown(text).fmt(f),
        }
    }
}

#[derive(Deserialize)]
struct RawImage {
    id: Id,
    file_name: String,
    width: Option<f64>,
    height: Option<f64>,
}

#[derive(Deserialize)]
struct RawAnnotation {
    image_id: Id,
    category_id: Id,
    bbox: Option<Vec<f64>>,
    #[serde(default)]
    iscrowd: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawCategory {
    id: Id,
    name: String,
    supercategory: Option<String>,
}

impl CocoFile {
    /// Whether a source of a split is a COCO file, by its extension.
    pub(crate) fn is_named(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
    }

    /// Reads the COCO files among `sources` that exist; images are also looked for from `root`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn load_all(sources: &[PathBuf], root: &Path) -> Result<Vec<Self>, DataError> {
        let exist = sources.iter().filter(|source| Self::is_named(source) && source.exists());
        exist.map(|source| Self::load(source, root)).collect()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read or is larger than 2 GiB, [`DataError::DataYaml`] if it is no COCO file.
    pub(crate) fn load(path: &Path, root: &Path) -> Result<Self, DataError> {
        const ACTION: &str = "read the COCO file";
        let length = regular(path).map_err(DataError::io(ACTION, path))?.len();
        if length > MAX_BYTES {
            let text = format!("the file has {length} bytes; at most {MAX_BYTES} are read");
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, text);
            return Err(DataError::io(ACTION, path)(error));
        }
        let file = File::open(path).map_err(DataError::io(ACTION, path))?;
        let raw: Raw = serde_json::from_reader(BufReader::new(file.take(MAX_BYTES))).map_err(|error| {
            let problem = format!(
                "not a COCO file ({error}); expected an object with `images` (id, file_name), `annotations` (image_id, \
                 category_id, bbox) and `categories` (id, name)"
            );
            DataError::DataYaml { path: path.to_owned(), problem }
        })?;
        Self::resolve(raw, path, root)
            .map_err(|problem| DataError::DataYaml { path: path.to_owned(), problem })
    }

    fn resolve(raw: Raw, path: &Path, root: &Path) -> Result<Self, String> {
        let twice =
            |what, id: &Id| format!("two {what} have the id {id}: their objects cannot be told apart");
        let mut places = ImagePlaces::new(path, root);
        let mut images: BTreeMap<PathBuf, CocoImage> = BTreeMap::new();
        let mut missing = Flaws::default();
        // `None` for an image that does not exist.
        let mut of_id: HashMap<Id, Option<PathBuf>> = HashMap::new();
        for image in raw.images {
            if of_id.contains_key(&image.id) {
                return Err(twice("images", &image.id));
            }
            let file = match places.find(Path::new(&image.file_name)) {
                Ok(file) => file,
                Err(tried) => {
                    let kind = WarningKind::MissingImage { tried };
                    missing.push(Warning { path: path.to_owned(), line: None, kind });
                    of_id.insert(image.id, None);
                    continue;
                }
            };
            let size = image.width.zip(image.height).filter(|(width, height)| *width > 0.0 && *height > 0.0);
            images.entry(file.clone()).or_default().size = size;
            of_id.insert(image.id, Some(file));
        }
        let mut categories: Vec<Category> = Vec::with_capacity(raw.categories.len());
        let mut category_of: HashMap<Id, usize> = HashMap::new();
        for RawCategory { id, name, supercategory } in raw.categories {
            if category_of.contains_key(&id) {
                return Err(twice("categories", &id));
            }
            category_of.insert(id, categories.len());
            categories.push(Category { name, group: supercategory, has_objects: false });
        }
        let mut stray = Flaws::default();
        for (index, annotation) in raw.annotations.into_iter().enumerate() {
            let category = category_of.get(&annotation.category_id).copied();
            if let Some(category) = category {
                categories[category].has_objects = true;
            }
            let image = match of_id.get(&annotation.image_id) {
                // The image was counted as missing.
                Some(None) => continue,
                Some(Some(file)) => images.entry(file.clone()).or_default(),
                None => {
                    let path = place(path, index + 1);
                    stray.push(Warning { path, line: None, kind: WarningKind::UndefinedImage });
                    continue;
                }
            };
            let bbox = annotation.bbox.and_then(|bbox| <[f64; 4]>::try_from(bbox).ok());
            let is_crowd = annotation.iscrowd.is_some_and(|mark| mark == 1 || mark == true);
            image.objects.push(CocoObject { number: index + 1, category, bbox, is_crowd });
        }
        Ok(Self { path: path.to_owned(), images, missing, stray, categories })
    }

    /// The images that exist.
    pub(crate) fn images(&self) -> impl Iterator<Item = &PathBuf> {
        self.images.keys()
    }

    /// The labels of an image of `size` pixels; `None` if the file does not name the image.
    pub(crate) fn labels(&self, image: &Path, size: (u32, u32), classes: &ClassWords) -> Option<LabelFile> {
        let found = self.images.get(image)?;
        let mut rows = LabelRows::default();
        let kind = found.size.and_then(|written| WarningKind::size_differs(written, size));
        rows.note(kind.map(|kind| Warning { path: image.to_owned(), line: None, kind }));
        let size = found.size.unwrap_or((f64::from(size.0), f64::from(size.1)));
        for object in &found.objects {
            let read = if object.is_crowd {
                Err(WarningKind::SetAside { mark: "iscrowd" })
            } else {
                match (object.category, object.bbox) {
                    (None, _) => Err(WarningKind::UndefinedCategory),
                    (_, None) => Err(WarningKind::NoBox),
                    (Some(category), Some([x, y, w, h])) => {
                        let name = &self.categories[category].name;
                        PixelBox { x1: x, y1: y, x2: x + w, y2: y + h }.row(name, size, classes)
                    }
                }
            };
            let number = object.number;
            rows.add(read, number, |kind| Warning { path: place(&self.path, number), line: None, kind });
        }
        Some(rows.finish())
    }
}

/// The place of an annotation, for flaws.
fn place(file: &Path, number: usize) -> PathBuf {
    PathBuf::from(format!("{} (annotation {number})", file.display()))
}

/// The class names of COCO files, in the order of their categories: the names of the first file, then those that
/// only later files have. A category that only groups others (exporters write one with the name of the project)
/// is no class.
pub(crate) fn class_names(files: &[&CocoFile]) -> Vec<String> {
    let all = || files.iter().flat_map(|file| &file.categories);
    let mut names: Vec<String> = Vec::new();
    for category in all() {
        let has_objects = || all().any(|other| other.name == category.name && other.has_objects);
        let is_group = all()
            .any(|other| other.name != category.name && other.group.as_ref() == Some(&category.name))
            && !has_objects();
        if !is_group && !names.contains(&category.name) {
            names.push(category.name.clone());
        }
    }
    names
}

/// Folders that may hold the images of a COCO file; the one that held the last image comes first.
struct ImagePlaces {
    folders: Vec<PathBuf>,
}

impl ImagePlaces {
    fn new(file: &Path, root: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        // `annotations/instances_train2017.json` belongs to the images in `train2017` or `images/train2017`.
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let split = stem.rsplit_once('_').map_or(stem.as_str(), |(_, split)| split).to_owned();
        let above = folder.join("..");
        let mut folders = Vec::new();
        for from in [folder, &above, root] {
            folders.extend(["", "images", &split, &format!("images/{split}")].map(|inner| from.join(inner)));
        }
        Self { folders }
    }

    /// The file, or the path at which it was looked for first.
    fn find(&mut self, name: &Path) -> Result<PathBuf, PathBuf> {
        let mut places = self.folders.iter().map(|folder| seen_from(folder, name));
        match places.clone().position(|path| path.is_file()) {
            Some(at) => {
                let file = places.nth(at).unwrap_or_default();
                self.folders[..=at].rotate_right(1);
                Ok(file)
            }
            None => Err(places.next().unwrap_or_default()),
        }
    }
}
