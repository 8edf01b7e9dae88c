//! Writes the layout of COCO: `annotations/instances_SPLIT.json` and the images in `SPLIT`.

use std::path::Path;

use serde::Serialize;

use super::{Named, edges, make, place, write};
use crate::{DataError, Split, SplitKind};

#[derive(Serialize)]
struct File<'a> {
    images: Vec<Image<'a>>,
    annotations: Vec<Annotation>,
    categories: Vec<Category<'a>>,
}

#[derive(Serialize)]
struct Image<'a> {
    id: usize,
    file_name: &'a str,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
}

#[derive(Serialize)]
struct Category<'a> {
    id: usize,
    name: &'a str,
}

pub(super) fn write_split(
    folder: &Path,
    kind: SplitKind,
    split: &Split,
    images: &[Named<'_>],
) -> Result<(), DataError> {
    let pictures = make(folder.join(kind.key()))?;
    let annotations = make(folder.join("annotations"))?;
    let categories = split.class_names.iter().enumerate();
    let mut file = File {
        images: Vec::with_capacity(images.len()),
        annotations: Vec::new(),
        // COCO counts from 1.
        categories: categories.map(|(class, name)| Category { id: class + 1, name }).collect(),
    };
    for (index, named) in images.iter().enumerate() {
        place(named, &pictures)?;
        let (width, height) = named.sample.size;
        file.images.push(Image { id: index + 1, file_name: &named.name, width, height });
        for label in &named.sample.labels {
            let [x1, y1, x2, y2] = edges(label, named.sample.size);
            file.annotations.push(Annotation {
                id: file.annotations.len() + 1,
                image_id: index + 1,
                category_id: label.class_id + 1,
                bbox: [x1, y1, x2 - x1, y2 - y1],
                area: (x2 - x1) * (y2 - y1),
                iscrowd: 0,
            });
        }
    }
    let path = annotations.join(format!("instances_{}.json", kind.key()));
    let text = serde_json::to_string(&file)
        .map_err(|error| DataError::DataYaml { path: path.clone(), problem: error.to_string() })?;
    write(&path, &text)
}
