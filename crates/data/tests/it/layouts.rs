//! Datasets in the layouts of COCO, Pascal VOC and plain folders.

use std::path::Path;

use bonsai_data::convert::{DatasetLayout, convert};
use bonsai_data::{Dataset, Label, Scan, Split, SplitKind, Statistics};

use crate::folder::{Folder, file_name};

const ROWS: [&str; 3] =
    ["1 0.34567892 0.5123457 0.123456789 0.2\n0 0.5 0.5 1 1\n", "2 0.1 0.9 0.0333333 0.0777777\n", ""];

/// Three images with labels that do not fall on pixels, in two splits, one of the names needing quotes.
fn yolo(folder: &Folder) -> Dataset {
    for (index, rows) in ROWS.iter().enumerate() {
        for split in ["train", "val"] {
            folder.image(&format!("yolo/images/{split}/{split}{index}.png"), 61, 47 + index as u32, 9);
            folder.write(&format!("yolo/labels/{split}/{split}{index}.txt"), rows);
        }
    }
    let yaml = "train: images/train\nval: images/val\nnames: ['yes', b & <c>, 'red: light']\n";
    Dataset::open(folder.write("yolo/data.yaml", yaml)).unwrap()
}

/// Names and labels of the images.
fn labels(split: &Split) -> Vec<(&str, (u32, u32), &[Label])> {
    split.samples.iter().map(|s| (file_name(&s.image_path), s.size, s.labels.as_slice())).collect()
}

#[test]
fn every_layout_gives_the_same_labels_to_the_last_bit() {
    let folder = Folder::new();
    let source = yolo(&folder);
    let mut previous = source.clone();
    // Each layout is converted from the one before.
    for (name, layout) in [
        ("coco", DatasetLayout::Coco),
        ("voc", DatasetLayout::Voc),
        ("again", DatasetLayout::Yolo),
        ("coco2", DatasetLayout::Coco),
    ] {
        let target = folder.path(name);
        let converted = convert(&previous, layout, &target, &mut |_, _, _| {}).unwrap();
        assert_eq!(converted.scans.len(), 2);
        let read = Dataset::open(&converted.dataset).unwrap();
        assert_eq!(read.class_names(), source.class_names(), "{name}");
        for kind in [SplitKind::Train, SplitKind::Val] {
            let ((expected, _), (found, scan)) = (source.scan(kind).unwrap(), read.scan(kind).unwrap());
            assert!(scan.warnings.is_empty(), "{name}: {}", scan.warnings[0]);
            assert_eq!(labels(&found), labels(&expected), "{name}");
            assert_eq!((scan.backgrounds, scan.rows), (1, 3));
        }
        assert!(!read.has(SplitKind::Test));
        // Opened by its folder, too.
        assert_eq!(Dataset::open(&target).unwrap().scan(SplitKind::Val).unwrap().0.samples.len(), 3);
        // An existing dataset is not overwritten.
        let refused = convert(&source, layout, &target, &mut |_, _, _| {}).unwrap_err().to_string();
        assert!(refused.contains("exists and is not empty"), "{refused}");
        previous = read;
    }
    let left: Vec<_> = std::fs::read_dir(folder.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn images_of_one_name_stay_apart() {
    let folder = Folder::new();
    for (path, class) in [("a/images/x.png", 0), ("b/images/x.png", 1), ("b/images/X_2.png", 1)] {
        folder.image(path, 20, 20, 1);
        folder
            .write(&path.replace("images", "labels").replace(".png", ".txt"), format!("{class} .5 .5 .5 .5"));
    }
    let yaml = folder.write("data.yaml", "train: [a/images, b/images]\nnames: [p, q]\n");
    for layout in [DatasetLayout::Yolo, DatasetLayout::Coco, DatasetLayout::Voc] {
        let target = folder.path(&format!("{layout:?}"));
        let made = convert(&Dataset::open(&yaml).unwrap(), layout, &target, &mut |_, _, _| {}).unwrap();
        let (split, _) = Dataset::open(made.dataset).unwrap().scan(SplitKind::Train).unwrap();
        let mut classes: Vec<usize> = split.samples.iter().map(|s| s.labels[0].class_id).collect();
        classes.sort_unstable();
        assert_eq!(classes, [0, 1, 1], "{layout:?}");
    }
}

/// A COCO file with the flaws that real ones have.
const COCO: &str = r#"{"info": {"year": 2026}, "licenses": [],
"categories": [{"id": 0, "name": "cells", "supercategory": "none"},
    {"id": 7, "name": "RBC", "supercategory": "cells"}, {"id": 3, "name": "WBC", "supercategory": "cells"}],
"images": [{"id": 5, "file_name": "a.png", "width": 100, "height": 50, "license": 1},
    {"id": 6, "file_name": "b.png"}, {"id": 9, "file_name": "gone.png", "width": 9, "height": 9}],
"annotations": [
    {"id": 1, "image_id": 5, "category_id": 3, "bbox": [10, 10, 20, 30], "area": 600, "iscrowd": 0,
     "segmentation": [[10, 10, 30, 10, 30, 40, 10, 40]]},
    {"id": 2, "image_id": 5, "category_id": 7, "bbox": [0, 0, 50, 50], "iscrowd": 1},
    {"id": 3, "image_id": 5, "category_id": 8, "bbox": [0, 0, 50, 50]},
    {"id": 4, "image_id": 6, "category_id": 7, "bbox": []},
    {"id": 5, "image_id": 6, "category_id": 7, "bbox": [0.5, 0.5, 10.25, 10]},
    {"id": 6, "image_id": 6, "category_id": 7, "bbox": [0.5, 0.5, 10.25, 10]},
    {"id": 7, "image_id": 9, "category_id": 7, "bbox": [0, 0, 5, 5]}]}"#;

fn codes(scan: &Scan) -> Vec<&'static str> {
    scan.warnings.iter().map(|warning| warning.kind.code()).collect()
}

#[test]
fn a_coco_file_is_read_with_its_flaws_counted() {
    let folder = Folder::new();
    folder.image("train/a.png", 100, 50, 1);
    folder.image("train/b.png", 80, 40, 1);
    folder.write("train/_annotations.coco.json", COCO);
    folder.image("valid/a.png", 100, 50, 1);
    folder.write("valid/_annotations.coco.json", COCO);
    // The category of the project has no objects and only groups the others. The others keep the order of the file.
    let dataset = Dataset::open(folder.path("")).unwrap();
    assert_eq!(dataset.class_names(), ["RBC", "WBC"]);
    let (split, scan) = dataset.scan(SplitKind::Train).unwrap();
    assert_eq!((scan.found, scan.images, scan.rows, scan.instances), (3, 2, 6, 2));
    assert_eq!(codes(&scan), ["missing-image", "set-aside", "undefined-category", "no-box", "duplicate"]);
    let text = scan.warnings[3].to_string();
    assert!(text.contains("_annotations.coco.json (annotation 4): no box of four numbers"), "{text}");
    let b = split.samples[0].labels[0].bbox;
    assert_eq!((split.samples[0].labels[0].class_id, [b.cx, b.cy, b.w, b.h]), (1, [0.2, 0.5, 0.2, 0.6]));
    // Sizes of the file that differ from those of the image are counted.
    folder.image("train/a.png", 200, 100, 1);
    let (split, scan) = dataset.scan(SplitKind::Train).unwrap();
    assert_eq!((codes(&scan)[1], split.samples[0].labels[0].bbox), ("size-differs", b));

    // One file stands for the files beside it, and a data.yaml can name files and other class names.
    let one = Dataset::open(folder.path("valid/_annotations.coco.json")).unwrap();
    assert!(one.has(SplitKind::Train) && one.has(SplitKind::Val));
    let yaml =
        "train: train/_annotations.coco.json\nval: valid/_annotations.coco.json\nnames: [wbc, other, rbc]\n";
    let (split, _) = folder.scan(yaml, SplitKind::Train);
    assert_eq!(split.samples.iter().map(|s| s.labels[0].class_id).collect::<Vec<_>>(), [0, 2]);
    let (split, _) = folder.scan(yaml.split_once("names").unwrap().0, SplitKind::Val);
    assert_eq!(split.class_names, ["RBC", "WBC"]);
}

#[test]
fn what_is_no_dataset_says_what_was_expected() {
    let folder = Folder::new();
    let message = |path: &Path| Dataset::open(path).unwrap_err().to_string();
    let text = message(&folder.path(""));
    assert!(text.contains("no dataset was found in this folder") && text.contains("data.yaml"), "{text}");
    for (content, part) in [
        ("[]", "not a COCO file"),
        ("{\"images\": [{\"id\": 1}]}", "missing field `file_name`"),
        ("{\"images\": []}", "no class was found"),
    ] {
        let text = message(&folder.write("instances_val.json", content));
        assert!(text.contains(part), "{content}: {text}");
    }
    let text = message(&folder.write("labels.json", "{\"images\": []}"));
    assert!(text.contains("says `train`, `val` or `test`"), "{text}");
    let missing = folder.path("instances_train.json");
    assert!(Dataset::open(missing).is_err());
}

#[test]
fn folders_without_a_dataset_file_are_read() {
    // Exporters of VOC files put them beside the images; classes are in alphabetical order.
    let folder = Folder::new();
    let xml = |name: &str| {
        format!(
            "<annotation><object><name>{name}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax>\
             <ymax>12</ymax></bndbox></object></annotation>"
        )
    };
    for (split, name) in [("train", "zebra"), ("valid", "ape")] {
        folder.image(&format!("{split}/1.png"), 20, 20, 1);
        folder.write(&format!("{split}/1.xml"), xml(name));
    }
    let dataset = Dataset::open(folder.path("")).unwrap();
    assert_eq!(dataset.class_names(), ["ape", "zebra"]);
    let (split, scan) = dataset.scan(SplitKind::Train).unwrap();
    assert!(scan.warnings.is_empty());
    assert_eq!(split.samples[0].labels[0].class_id, 1);
    let statistics = Statistics::of(&split);
    assert_eq!((statistics.objects(), statistics.sizes, statistics.widths), (1, [1, 0, 0], [20; 3]));
    assert_eq!(statistics.classes[1].images, 1);
    folder.write("train/1.xml", "<annotation>");
    let text = dataset.scan(SplitKind::Train).unwrap_err().to_string();
    assert!(text.contains("no usable") || text.contains("holds no usable image"), "{text}");

    // Text labels without names: the classes are numbered.
    let folder = Folder::new();
    for split in ["train", "val"] {
        folder.image(&format!("images/{split}/1.png"), 20, 20, 1);
        folder.write(&format!("labels/{split}/1.txt"), "0 .5 .5 .5 .5\n4 .5 .5 .2 .2\n");
    }
    let dataset = Dataset::open(folder.path("")).unwrap();
    assert_eq!(dataset.class_names(), ["class_0", "class_1", "class_2", "class_3", "class_4"]);
    folder.write("classes.txt", "a\nb\nc\nd\ne\n");
    assert_eq!(Dataset::open(folder.path("")).unwrap().class_names(), ["a", "b", "c", "d", "e"]);
}

/// A COCO file with one object of class `c` on `a.png`, and the width of its box.
fn coco_of_width(width: u32) -> String {
    format!(
        "{{\"categories\": [{{\"id\": 1, \"name\": \"c\"}}], \"images\": [{{\"id\": 1, \"file_name\": \"a.png\"}}],
          \"annotations\": [{{\"image_id\": \"1\", \"category_id\": 1, \"bbox\": [1, 1, {width}, 9]}}]}}"
    )
}

#[test]
fn files_of_other_versions_are_not_mixed() {
    let folder = Folder::new();
    folder.image("a.png", 20, 20, 1);
    for (name, width) in [("train_v1", 2), ("val_v1", 4), ("train_v2", 6), ("val_v2", 8), ("latest", 10)] {
        folder.write(&format!("annotations/{name}.json"), coco_of_width(width));
    }
    let dataset = Dataset::open(folder.path("annotations/train_v2.json")).unwrap();
    let widths = [SplitKind::Train, SplitKind::Val].map(|kind| {
        let (split, scan) = dataset.scan(kind).unwrap();
        assert!(scan.warnings.is_empty());
        split.samples[0].labels[0].bbox.w * 20.0
    });
    assert_eq!(widths, [6.0, 8.0]);
    let text = Dataset::open(folder.path("")).unwrap_err().to_string();
    assert!(text.contains("two COCO files say that they are `train`"), "{text}");
    // Both files are named, so all of their objects count.
    let yaml = "train: [annotations/train_v1.json, annotations/train_v2.json]\n";
    assert_eq!(folder.scan(yaml, SplitKind::Train).0.samples[0].labels.len(), 2);
    // Files in the folder of the images are found, too.
    let beside = Folder::new();
    beside.image("a.png", 20, 20, 1);
    beside.write("instances_train.json", coco_of_width(3));
    beside.write("instances_val.json", coco_of_width(3));
    beside.write("hyp.yaml", "lr0: 0.01\n");
    let found = Dataset::open(beside.path("")).unwrap();
    assert!(found.has(SplitKind::Train) && found.has(SplitKind::Val));
}

#[test]
fn objects_that_belong_to_no_image_or_to_two_are_not_lost_in_silence() {
    let folder = Folder::new();
    folder.image("a.png", 20, 20, 1);
    let stray = coco_of_width(5)
        .replace("\"annotations\": [", "\"annotations\": [{\"image_id\": 7, \"category_id\": 1},");
    folder.write("train.json", stray);
    let (split, scan) = folder.scan("train: train.json\n", SplitKind::Train);
    assert_eq!((split.samples[0].labels.len(), scan.rows, codes(&scan)), (1, 2, vec!["undefined-image"]));
    let double =
        coco_of_width(5).replace("\"images\": [", "\"images\": [{\"id\": 1, \"file_name\": \"b.png\"},");
    folder.write("train.json", double);
    let text = Dataset::open(folder.path("train.json")).unwrap_err().to_string();
    assert!(text.contains("two images have the id 1"), "{text}");
    let file = folder.write("data.yaml", "train: gone.json\n");
    let text = Dataset::open(file).unwrap_err().to_string();
    assert!(text.contains("gone.json`, which does not exist"), "{text}");
}

#[test]
fn labels_of_two_kinds_are_both_read_or_refused() {
    let folder = Folder::new();
    for name in ["1", "2"] {
        folder.image(&format!("train/{name}.png"), 20, 20, 1);
    }
    let xml = "<annotation><object><name>ant</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax>\
               <ymax>12</ymax></bndbox></object></annotation>";
    folder.write("train/1.xml", xml);
    folder.write("train/2.txt", "0 .5 .5 .5 .5\n");
    let text = Dataset::open(folder.path("")).unwrap_err().to_string();
    assert!(text.contains("`classes.txt`"), "{text}");
    folder.write("classes.txt", "bee\nant\n");
    let (split, _) = Dataset::open(folder.path("")).unwrap().scan(SplitKind::Train).unwrap();
    assert_eq!(split.samples.iter().map(|s| s.labels[0].class_id).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn lists_of_voc_name_images_with_blanks_and_capitals_and_count_missing_ones() {
    let folder = Folder::new();
    for name in ["photo.png", "photo 1.png", "z.png"] {
        folder.image(&format!("JPEGImages/{name}"), 20, 20, 1);
    }
    std::fs::rename(folder.path("JPEGImages/z.png"), folder.path("JPEGImages/z.PNG")).unwrap();
    let xml = "<annotation><object><name>ant</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax>\
               <ymax>12</ymax></bndbox></object></annotation>";
    folder.write("Annotations/photo 1.xml", xml);
    folder.write("ImageSets/Main/train.txt", "photo 1\nphoto  -1\nz\ngone\n");
    let (split, scan) = Dataset::open(folder.path("")).unwrap().scan(SplitKind::Train).unwrap();
    let names: Vec<_> = split.samples.iter().map(|s| file_name(&s.image_path)).collect();
    assert_eq!(names, ["photo 1.png", "photo.png", "z.PNG"]);
    assert_eq!((codes(&scan), scan.warnings[0].line), (vec!["missing-image"], Some(4)));
    // An existing empty folder is filled.
    std::fs::create_dir(folder.path("out")).unwrap();
    let dataset = Dataset::open(folder.path("")).unwrap();
    convert(&dataset, DatasetLayout::Voc, &folder.path("out"), &mut |_, _, _| {}).unwrap();
    let again = Dataset::open(folder.path("out")).unwrap().scan(SplitKind::Train).unwrap().0;
    assert_eq!(labels(&again), labels(&split));
}
