//! Writes the layout of Pascal VOC: `Annotations`, `JPEGImages` and `ImageSets/Main/SPLIT.txt`.

use std::fmt::Write as _;
use std::path::Path;

use super::{Named, edges, make, place, write};
use crate::{DataError, Split, SplitKind};

pub(super) fn write_split(
    folder: &Path,
    kind: SplitKind,
    split: &Split,
    images: &[Named<'_>],
) -> Result<(), DataError> {
    let pictures = make(folder.join("JPEGImages"))?;
    let annotations = make(folder.join("Annotations"))?;
    let lists = make(folder.join("ImageSets/Main"))?;
    let mut list = String::new();
    for named in images {
        place(named, &pictures)?;
        write(&annotations.join(format!("{}.xml", named.stem)), &annotation(named, split))?;
        list.push_str(&named.stem);
        list.push('\n');
    }
    write(&lists.join(format!("{}.txt", kind.key())), &list)
}

/// The file of one image. Writing to a string cannot fail, so its results are ignored.
fn annotation(named: &Named<'_>, split: &Split) -> String {
    let (width, height) = named.sample.size;
    let mut text = String::from("<annotation>\n  <folder>JPEGImages</folder>\n");
    let _ = writeln!(text, "  <filename>{}</filename>", escaped(&named.name));
    let _ = writeln!(
        text,
        "  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n  <segmented>0</segmented>"
    );
    for label in &named.sample.labels {
        let [x1, y1, x2, y2] = edges(label, named.sample.size);
        let name = escaped(&split.class_names[label.class_id]);
        let _ = writeln!(
            text,
            "  <object>\n    <name>{name}</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n    \
             <difficult>0</difficult>\n    <bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\n  \
             </object>"
        );
    }
    text.push_str("</annotation>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
