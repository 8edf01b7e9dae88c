//! [`labels`]: the objects of a Pascal VOC file, one XML file for each image.
//!
//! `xmin`, `ymin`, `xmax` and `ymax` are read as the edges of the box in pixels, as `LabelImg` writes them. The files of
//! the original challenge count pixels from 1, so their boxes lie up to a pixel lower and further to the right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use crate::class_word::ClassWords;
use crate::label_row::Row;
use crate::label_rows::{LabelFile, LabelRows};
use crate::pixel_box::PixelBox;
use crate::text::shown;
use crate::{Warning, WarningKind};

/// The labels in the text of a VOC file at `path`, for an image of `size` pixels.
///
/// # Errors
/// The reason why the text is no VOC file.
pub(crate) fn labels(
    text: &str,
    path: &Path,
    size: (u32, u32),
    classes: &ClassWords,
) -> Result<LabelFile, String> {
    let document = parse(text)?;
    let root = document.root_element();
    let mut rows = LabelRows::default();
    let written = child(root, "size").and_then(|size| number(size, "width").zip(number(size, "height")));
    // Programs that do not know the size write zeros.
    let written = written.filter(|(width, height)| *width > 0.0 && *height > 0.0);
    let kind = written.and_then(|written| WarningKind::size_differs(written, size));
    rows.note(kind.map(|kind| Warning { path: path.to_owned(), line: None, kind }));
    let size = written.unwrap_or((f64::from(size.0), f64::from(size.1)));
    for (index, object) in root.children().filter(|node| node.has_tag_name("object")).enumerate() {
        let number = index + 1;
        rows.add(row(object, size, classes), number, |kind| Warning {
            path: PathBuf::from(format!("{} (object {number})", path.display())),
            line: None,
            kind,
        });
    }
    Ok(rows.finish())
}

/// The names of the objects in the text of a VOC file; none if it is no VOC file.
pub(crate) fn names(text: &str) -> BTreeSet<String> {
    let Ok(document) = parse(text) else { return BTreeSet::new() };
    let objects = document.root_element().children().filter(|node| node.has_tag_name("object"));
    objects.filter_map(|object| word(object, "name").map(str::to_owned)).collect()
}

fn parse(text: &str) -> Result<Document<'_>, String> {
    let document = Document::parse(text).map_err(|error| error.to_string())?;
    let root = document.root_element().tag_name().name().to_owned();
    if root == "annotation" {
        Ok(document)
    } else {
        Err(format!("the root element is `{}`, not `annotation`", shown(&root)))
    }
}

fn row(object: Node<'_, '_>, size: (f64, f64), classes: &ClassWords) -> Result<Row, WarningKind> {
    if word(object, "difficult") == Some("1") {
        return Err(WarningKind::SetAside { mark: "difficult" });
    }
    let name = word(object, "name")
        .ok_or_else(|| WarningKind::UnknownClass { word: String::new(), several: false })?;
    let edges = child(object, "bndbox").ok_or(WarningKind::NoBox)?;
    let edge = |name| number(edges, name).ok_or(WarningKind::NoBox);
    let bbox = PixelBox { x1: edge("xmin")?, y1: edge("ymin")?, x2: edge("xmax")?, y2: edge("ymax")? };
    bbox.row(name, size, classes)
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The text of a child, without blanks around it; `None` if it is empty.
fn word<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

fn number(node: Node<'_, '_>, name: &str) -> Option<f64> {
    word(node, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "<annotation><size><width>200</width><height>100</height></size>
<object><name>cat</name><bndbox><xmin>20</xmin><ymin>10</ymin><xmax>60</xmax><ymax>90.0</ymax></bndbox></object>
<object><name>cat</name><bndbox><xmin>20</xmin><ymin>10</ymin><xmax>60</xmax><ymax>90</ymax></bndbox></object>
<object><name>cat</name><difficult>1</difficult><bndbox/></object>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
<object><name>cat</name><bndbox><xmin>1</xmin></bndbox></object>
</annotation>";

    #[test]
    fn objects_and_flaws_are_read_with_their_numbers() {
        let classes = ClassWords::new(&["cat".to_owned()]);
        let file = labels(FILE, Path::new("a.xml"), (200, 100), &classes).unwrap();
        let b = file.labels[0].bbox;
        assert_eq!((file.labels.len(), file.rows, [b.cx, b.cy, b.w, b.h]), (1, 5, [0.2, 0.5, 0.2, 0.8]));
        let flaws: Vec<_> = file.flaws.iter().map(|flaw| flaw.kind.code()).collect();
        assert_eq!(flaws, ["duplicate", "set-aside", "unknown-class", "no-box"]);
        assert_eq!(
            file.flaws[0].to_string(),
            "a.xml (object 2): the same class and box as number 1; left out"
        );
        assert_eq!(names(FILE).into_iter().collect::<Vec<_>>(), ["cat", "dog"]);
        // Another size scales the boxes, and is counted.
        let file = labels(FILE, Path::new("a.xml"), (100, 200), &classes).unwrap();
        assert_eq!((file.labels[0].bbox, file.flaws[0].kind.code()), (b, "size-differs"));
    }

    #[test]
    fn other_xml_is_refused() {
        let classes = ClassWords::new(&[]);
        let refused = |text| labels(text, Path::new("a.xml"), (9, 9), &classes).unwrap_err();
        assert!(refused("<html/>").contains("`html`, not `annotation`"));
        assert!(!refused("<annotation>").is_empty());
        // Entities could expand without bound, so a document type is refused.
        let entity = "<!DOCTYPE a [<!ENTITY x \"y\">]><annotation>&x;</annotation>";
        assert!(!refused(entity).is_empty());
    }
}
