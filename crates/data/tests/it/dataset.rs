//! Tests of [`Dataset`]: finding images, reading labels, counting flaws.

use bonsai_boxes::Cxcywh;
use bonsai_data::{Dataset, Label, SplitKind, WarningKind};

use crate::folder::{Folder, file_name};

fn names(folder: &Folder, yaml: &str) -> Vec<String> {
    let (split, _) = folder.scan(yaml, SplitKind::Train);
    split.samples.iter().map(|sample| file_name(&sample.image_path).to_owned()).collect()
}

#[test]
fn splits_as_folder_list_of_folders_and_txt_list() {
    let folder = Folder::new();
    for name in ["images/a/2.png", "images/a/deep/1.PNG", "images/b/3.bmp"] {
        folder.image(name, 20, 20, 0);
    }
    folder.write("images/a/notes.md", "no image");
    folder.write("list.txt", "./images/b/3.bmp\n\nimages/a/2.png\nimages/a/2.png\n");
    for (train, expected) in [
        ("images", vec!["2.png", "1.PNG", "3.bmp"]),
        ("[images/b, images/a]", vec!["2.png", "1.PNG", "3.bmp"]),
        ("[images/b, images/b]", vec!["3.bmp"]),
        ("list.txt", vec!["2.png", "3.bmp"]),
        ("../images/b", vec!["3.bmp"]),
    ] {
        assert_eq!(names(&folder, &format!("train: {train}\nnames: [x]")), expected, "{train}");
    }
    let elsewhere = format!("path: {}\ntrain: b\nnames: [x]", folder.path("images").display());
    assert_eq!(names(&folder, &elsewhere), ["3.bmp"]);
}

#[test]
fn labels_are_read_and_flaws_counted_with_file_and_line() {
    let folder = Folder::new();
    for name in ["boxed", "bare", "empty", "binary"] {
        folder.image(&format!("images/{name}.png"), 40, 20, 0);
    }
    folder.image("images/tiny.png", 40, 9, 0);
    folder.write("images/zero.jpg", "");
    folder.write("images/text.png", "not a picture");
    folder.write("labels/boxed.txt", "0 .5 .5 .5 .5\n2 .5 .5 .5 .5\n1 .1 .1 .3 .1 .3 .4\n0 .5 .5 .5\n");
    folder.write("labels/empty.txt", "\n");
    folder.write("labels/binary.txt", [0xFF, 0xFE, 0x00]);
    let (split, scan) = folder.scan("train: images\nnames: [x, y]", SplitKind::Train);

    assert_eq!((scan.images, scan.instances, scan.backgrounds), (3, 2, 2));
    let boxed = &split.samples[1];
    assert_eq!(boxed.size, (40, 20));
    assert_eq!(boxed.labels[0], Label { class_id: 0, bbox: Cxcywh { cx: 0.5, cy: 0.5, w: 0.5, h: 0.5 } });
    let truth = boxed.ground_truth();
    assert_eq!(
        (truth[0].bbox.x1, truth[0].bbox.y1, truth[0].bbox.x2, truth[0].bbox.y2),
        (10.0, 5.0, 30.0, 15.0)
    );
    assert_eq!(truth[1].class_id, 1);

    let flaws: Vec<_> =
        scan.warnings.iter().map(|w| (file_name(&w.path), w.line, std::mem::discriminant(&w.kind))).collect();
    let unreadable = std::mem::discriminant(&WarningKind::UnreadableImage { reason: String::new() });
    assert_eq!(
        flaws,
        [
            (
                "binary.txt",
                None,
                std::mem::discriminant(&WarningKind::UnreadableLabels { reason: String::new() })
            ),
            ("boxed.txt", Some(2), std::mem::discriminant(&WarningKind::ClassBehindLast { num_classes: 2 })),
            (
                "boxed.txt",
                Some(4),
                std::mem::discriminant(&WarningKind::NumberCount { found: 4, keypoints: None })
            ),
            ("text.png", None, unreadable),
            ("tiny.png", None, std::mem::discriminant(&WarningKind::TinyImage { width: 40, height: 9 })),
            ("zero.jpg", None, unreadable),
        ]
    );
    let shown = scan.warnings[2].to_string();
    assert!(shown.contains("boxed.txt:4: 4 numbers; a box has 5"), "{shown}");
}

#[test]
fn a_listed_image_that_is_missing_is_a_warning() {
    let folder = Folder::new();
    folder.image("a.png", 20, 20, 0);
    folder.write("list.txt", "a.png\nb.png\n");
    let (split, scan) = folder.scan("train: list.txt\nnames: [x]", SplitKind::Train);
    assert_eq!((split.samples.len(), scan.warnings.len()), (1, 1));
    assert_eq!(scan.found, 2);
    let said = scan.warnings[0].to_string();
    assert!(said.contains("list.txt:2: `") && said.contains("b.png` does not exist"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    folder.image("images/a.png", 20, 20, 0);
    // A link to itself is unreadable for every user, whereas a folder without permissions is readable for
    // root.
    std::os::unix::fs::symlink("round", folder.path("images/round")).unwrap();
    std::os::unix::fs::symlink("loop", folder.path("loop")).unwrap();
    let message = folder.scan_error("train: loop\nnames: [x]", SplitKind::Train);
    assert!(message.contains("loop"), "{message}");
    // Next to a readable image, the link is ignored.
    assert_eq!(folder.scan("train: images\nnames: [x]", SplitKind::Train).0.samples.len(), 1);
}

#[test]
fn unusable_datasets_are_refused() {
    let folder = Folder::new();
    folder.write("images/broken.png", "no");
    folder.write("empty/readme.md", "no");
    let yaml = "train: images\nval: empty\ntest: gone\nnames: [x]";
    for (split, parts) in [
        (SplitKind::Train, vec!["`train`", "no usable image", "1 files"]),
        (SplitKind::Val, vec!["`val`", "no usable image", "0 files", "empty"]),
        (SplitKind::Test, vec!["`test`", "gone", "does not exist"]),
    ] {
        let message = folder.scan_error(yaml, split);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    let message = folder.scan_error("train: images\nnames: [x]", SplitKind::Test);
    assert!(message.contains("has no `test`"), "{message}");

    let dataset = Dataset::open(folder.write("data.yaml", "train: images\ntest:\nnames: [x]")).unwrap();
    assert!(dataset.has(SplitKind::Train) && !dataset.has(SplitKind::Test));
    let message = Dataset::open(folder.path("nowhere.yaml")).unwrap_err().to_string();
    assert!(
        message.contains("cannot read the dataset file") && message.contains("nowhere.yaml"),
        "{message}"
    );
}
