//! Tests of labels, lists and dataset files as editors, exporters and other systems write them.

use bonsai_data::{Cost, Scan, Split, SplitKind, WarningKind};

use crate::folder::Folder;

/// Two boxes, of class 0 and 1.
const ROWS: &str = "0 .5 .5 .25 .25\n1 .25 .5 .25 .5\n";
const YAML: &str = "train: images\nnames: [cat, dog]\n";

fn utf16(text: &str, mark: bool) -> Vec<u8> {
    mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// A folder with two images, each with the label file `labels`.
fn labelled(labels: impl AsRef<[u8]>) -> Folder {
    let folder = Folder::new();
    for name in ["a", "b"] {
        folder.image(&format!("images/{name}.png"), 40, 20, 0);
        folder.write(&format!("labels/{name}.txt"), labels.as_ref());
    }
    folder
}

fn codes(scan: &Scan) -> Vec<(&'static str, usize)> {
    scan.warnings.kinds().iter().map(|(first, count)| (first.kind.code(), *count)).collect()
}

fn read(labels: impl AsRef<[u8]>, more: &str) -> (Split, Scan) {
    labelled(labels).scan(&format!("{YAML}{more}"), SplitKind::Train)
}

fn refused(labels: &str, more: &str) -> String {
    labelled(labels).scan_error(&format!("{YAML}{more}"), SplitKind::Train)
}

#[test]
fn every_way_to_write_the_same_labels_reads_the_same() {
    let (clean, scan) = read(ROWS, "");
    assert_eq!((scan.found, scan.images, scan.rows, scan.instances), (2, 2, 4, 4));
    assert!(scan.warnings.is_empty());
    let boxes = |split: &Split| split.samples.iter().map(|s| s.labels.clone()).collect::<Vec<_>>();
    let commas = ROWS.replace(' ', ", ");
    let words = ROWS.replace("0 .", "Cat .").replace("1 .", "dog .");
    let sixth = ROWS.replace('\n', " 0.875\n");
    let marked = format!("\u{feff}{}", ROWS.replace('\n', "\r\n"));
    for (labels, notes) in [
        (marked.into_bytes(), vec![]),
        (ROWS.replace('\n', "\r").into_bytes(), vec![]),
        (ROWS.replace(' ', "\t").into_bytes(), vec![]),
        (utf16(ROWS, true), vec![]),
        (utf16(ROWS, false), vec![]),
        (commas.into_bytes(), vec![("separators", 4)]),
        (words.into_bytes(), vec![("class-word", 4)]),
        (sixth.into_bytes(), vec![("sixth-column", 4)]),
    ] {
        let (split, scan) = read(&labels, "");
        assert_eq!(boxes(&split), boxes(&clean), "{labels:?}");
        assert_eq!((codes(&scan), scan.rows), (notes, 4), "{labels:?}");
    }
    let (split, scan) = read(ROWS.replace('\n', " .5 .5 2 .4 .4 0\n"), "kpt_shape: [2, 3]\n");
    assert_eq!((boxes(&split), codes(&scan)), (boxes(&clean), vec![]));
}

#[test]
fn what_most_rows_cannot_mean_is_an_error_with_the_first_place() {
    for (labels, more, parts) in [
        (
            "0 20 10 8 8\n1 4 5 6 7\n1 .5 .5 .1 .1\n",
            "",
            vec!["look like pixels", "4 of 6", "a.txt:1", "divide"],
        ),
        ("0 0,5 0,5 0,25 0,25\n", "", vec!["2 of 2", "decimal commas", "a.txt:1", "write points"]),
        ("1 .5 .5 .2 .2\n2 .4 .5 .2 .2\n", "", vec!["numbered from 1", "2 rows have class 2", "a.txt:2"]),
        ("0 .5 .5 .2 .2 .5 .5 2\n", "", vec!["2 of 2", "keypoints", "a.txt:1", "kpt_shape: [1, 3]"]),
        (
            "0 .5 .5 .2 .2 .5 .5 1 .4 .4 0\n1 .5 .5 .1 .2 .5 .5 0 .4 .4 1\n",
            "",
            vec!["4 of 4", "keypoints", "kpt_shape: [2, 3]"],
        ),
        (
            "0 .5 .5\n0 .5 .5\n\nwolf .5 .5 .2 .2\n",
            "",
            vec!["no usable label in 6 rows", "(4)", "a.txt:1: 3 numbers"],
        ),
        ("0 .1 .1 .3 .1 .3 .3\n", "kpt_shape: [5, 3]\n", vec!["no usable label", "a row has 20"]),
    ] {
        let message = refused(labels, more);
        assert!(parts.iter().all(|part| message.contains(part)), "{labels}: {message}");
    }
    // If class 0 occurs, class 2 is a typing error; if higher classes occur, `names` is too short.
    for labels in ["0 .5 .5 .2 .2\n2 .4 .5 .2 .2\n", "1 .5 .5 .2 .2\n2 .4 .5 .2 .2\n3 .3 .4 .2 .2\n"] {
        let (_, scan) = read(labels, "");
        assert_eq!(scan.warnings.count(&WarningKind::ClassBehindLast { num_classes: 2 }), 2);
    }
}

#[test]
fn an_unreadable_label_file_is_counted_and_names_its_line() {
    let folder = labelled(ROWS);
    folder.write("labels/b.txt", b"0 .5 .5 .2 .2\nGr\xF6sse .5 .5 .2 .2\n");
    let (_, scan) = folder.scan(YAML, SplitKind::Train);
    assert_eq!((codes(&scan), scan.warnings.costing(Cost::LabelFile)), (vec![("unreadable-labels", 1)], 1));
    // Otherwise training would treat its image as one without objects.
    assert_eq!((scan.found - scan.images, scan.backgrounds), (1, 0));
    assert!(scan.warnings[0].to_string().contains("line 2 is not UTF-8 text; save it as UTF-8"));
    folder.write("labels/a.txt", b"\xF6");
    let message = folder.scan_error(YAML, SplitKind::Train);
    assert!(message.contains("no usable label") && message.contains("line 1 is not UTF-8"), "{message}");
}

#[test]
fn labels_in_other_places_are_found() {
    for (images, labels, noted) in [
        ("images/a", "labels/a", false),
        ("Images/a", "Labels/a", false),
        ("Images/a", "labels/a", false),
        ("VOC/JPEGImages", "VOC/labels", false),
        ("pictures", "pictures", false),
        ("images/a", "images/a", true),
        ("Images/a", "Images/a", true),
    ] {
        let folder = Folder::new();
        folder.image(&format!("{images}/1.png"), 20, 20, 0);
        folder.image(&format!("{images}/2.png"), 20, 20, 0);
        folder.write(&format!("{labels}/2.txt"), ROWS);
        let (split, scan) = folder.scan(&format!("train: {images}\nnames: [a, b]"), SplitKind::Train);
        assert_eq!((split.samples[1].labels.len(), scan.instances, scan.backgrounds), (2, 2, 1), "{images}");
        assert_eq!(
            codes(&scan),
            if noted { vec![("labels-beside-image", 1)] } else { vec![] },
            "{images} {labels}"
        );
    }
}

#[test]
fn a_split_without_labels_tells_where_they_were_looked_for() {
    let folder = Folder::new();
    folder.image("images/val/1.png", 20, 20, 0);
    let dataset =
        bonsai_data::Dataset::open(folder.write("data.yaml", "val: images/val\nnames: [a]")).unwrap();
    let (_, scan) = dataset.scan(SplitKind::Val).unwrap();
    assert_eq!((scan.instances, scan.label_path.as_ref()), (0, Some(&folder.path("labels/val/1.txt"))));
    let message = dataset.require_labels(SplitKind::Val, &scan).unwrap_err().to_string();
    assert!(message.contains("no usable label") && message.contains("labels/val/1.txt"), "{message}");
    let message = dataset.scan(SplitKind::Train).unwrap_err().to_string();
    assert!(message.contains("has no `train`"), "{message}");
}

#[test]
fn lists_of_any_system_find_their_images() {
    let folder = Folder::new();
    for name in ["images/val/1.png", "images/val/2.png"] {
        folder.image(name, 20, 20, 0);
    }
    for list in [
        ".\\images\\val\\1.png\r\n.\\images\\val\\2.png\r\n".as_bytes().to_vec(),
        b"./images/val/1.png\rimages/val/2.png".to_vec(),
        utf16("images\\val\\1.png\r\nimages\\val\\2.png\r\n", true),
        b"\xEF\xBB\xBFimages/val/1.png\n  images/val/2.png  \n".to_vec(),
    ] {
        // A list in a folder of its own is resolved against the dataset folder.
        for place in ["list.txt", "sets/list.txt"] {
            folder.write(place, &list);
            let (split, scan) = folder.scan(&format!("val: {place}\nnames: [a]"), SplitKind::Val);
            assert_eq!((split.samples.len(), scan.warnings.len()), (2, 0), "{list:?}");
        }
    }
    folder.write("list.txt", "images/val/1.png\n\nimages/val/9.png\nC:\\data\\8.png\n");
    let (_, scan) = folder.scan("val: list.txt\nnames: [a]", SplitKind::Val);
    assert_eq!((scan.found, scan.images, codes(&scan)), (3, 1, vec![("missing-image", 2)]));
    folder.write("list.txt", "\n9.png\n8.png\n");
    let message = folder.scan_error("val: list.txt\nnames: [a]", SplitKind::Val);
    for part in ["none of the 2 images", "line 2", "list.txt", folder.path("9.png").to_str().unwrap()] {
        assert!(message.contains(part), "{message}");
    }
    folder.write("list.txt", "C:\\data\\1.png");
    let message = folder.scan_error("val: list.txt\nnames: [a]", SplitKind::Val);
    assert!(message.contains("`C:\\data\\1.png` (a path of a Windows machine)"), "{message}");
    let message = folder.scan_error("val: D:/data/images\nnames: [a]", SplitKind::Val);
    assert!(
        message.contains("`D:/data/images` (a path of a Windows machine), which does not exist"),
        "{message}"
    );
    folder.write("list.txt", b"images/val/1.png\nGr\xF6sse.png\n");
    let message = folder.scan_error("val: list.txt\nnames: [a]", SplitKind::Val);
    assert!(message.contains("list.txt`: line 2 is not UTF-8 text; save it as UTF-8"), "{message}");
}

#[test]
fn dataset_files_of_any_encoding_and_system_are_read() {
    let folder = labelled(ROWS);
    let yaml = "train: .\\images\r\nnames: [Größe, 红]\r\nnc: '2'\r\n";
    let marked = format!("\u{feff}{yaml}").into_bytes();
    for bytes in
        [yaml.as_bytes().to_vec(), marked, utf16(yaml, true), yaml.replace("\r\n", "\r").into_bytes()]
    {
        let dataset = bonsai_data::Dataset::open(folder.write("data.yaml", &bytes)).unwrap();
        assert_eq!(dataset.class_names(), ["Größe", "红"]);
        assert_eq!(dataset.scan(SplitKind::Train).unwrap().1.instances, 4);
    }
    let latin = folder.write("data.yaml", b"train: images\nnames: [Gr\xF6sse]\n");
    let message = bonsai_data::Dataset::open(latin).unwrap_err().to_string();
    assert!(message.contains("data.yaml`: line 2 is not UTF-8 text; save it as UTF-8"), "{message}");
    folder.write("names.txt", "cat\r\ndog\r\n");
    let (split, _) = folder.scan("train: images\nnames: names.txt", SplitKind::Train);
    assert_eq!(split.class_names, ["cat", "dog"]);
    // A single image is a split too.
    assert_eq!(folder.scan("train: images/a.png\nnames: [a, b]", SplitKind::Train).0.samples.len(), 1);
}
