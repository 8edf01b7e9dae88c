//! Tests of damaged files: the scan decides whether a file is usable, and every decoder must agree.

use bonsai_data::{Augment, Dataset, Loader, LoaderConfig, SplitKind, WarningKind, decode};
use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;

use crate::encoded::{cmyk_jpeg, drawn, encoded, jpeg_2000, progressive_jpeg, with_orientation, with_sides};
use crate::folder::{Folder, file_name};

const YAML: &str = "train: images\nnames: [x]";

/// An undamaged file of every format.
fn whole_files() -> Vec<(&'static str, Vec<u8>)> {
    let picture = drawn(48, 32);
    let grey = DynamicImage::from(picture.clone()).into_luma8();
    let clear = DynamicImage::from(picture.clone()).into_rgba8();
    let deep = DynamicImage::from(picture.clone()).into_rgb16();
    let jpeg = encoded(picture.clone(), ImageFormat::Jpeg);
    vec![
        ("turned.jpg", with_orientation(&jpeg, 6)),
        ("colour.jpg", jpeg),
        ("grey.jpg", encoded(grey, ImageFormat::Jpeg)),
        ("progressive.jpg", progressive_jpeg()),
        ("cmyk.jpg", cmyk_jpeg()),
        ("colour.png", encoded(picture.clone(), ImageFormat::Png)),
        ("deep.png", encoded(deep, ImageFormat::Png)),
        ("clear.png", encoded(clear.clone(), ImageFormat::Png)),
        ("colour.bmp", encoded(picture.clone(), ImageFormat::Bmp)),
        ("colour.tif", encoded(picture.clone(), ImageFormat::Tiff)),
        ("colour.webp", encoded(picture, ImageFormat::WebP)),
        ("colour.gif", encoded(clear, ImageFormat::Gif)),
        ("colour.jp2", jpeg_2000()),
    ]
}

/// Scans the files, decodes them in every way and checks that all agree; returns the names of the usable
/// files.
fn inspected(folder: &Folder) -> Vec<String> {
    // Ensures that there is always an image.
    folder.image("images/zzz.png", 20, 20, 0);
    let (split, scan) = folder.scan(YAML, SplitKind::Train);
    let is_unreadable = |kind: &WarningKind| matches!(kind, WarningKind::UnreadableImage { .. });
    let said = scan.warnings.kinds().into_iter().filter(|(first, _)| is_unreadable(&first.kind));
    let said: usize = said.map(|(_, count)| count).sum();
    let mut refused = 0;
    for entry in std::fs::read_dir(folder.path("images")).unwrap() {
        let path = entry.unwrap().path();
        let sample = split.samples.iter().find(|sample| sample.image_path == path);
        match (decode(&path), sample) {
            (Ok(picture), Some(sample)) => {
                assert_eq!(picture.dimensions(), sample.size, "{}", path.display());
            }
            (Ok(picture), None) => assert!(picture.width().min(picture.height()) < 10, "{}", path.display()),
            (Err(_), None) => refused += 1,
            (Err(error), Some(_)) => panic!("the scan took {}: {error:?}", path.display()),
        }
    }
    assert_eq!(refused, said, "{:?}", scan.warnings);
    let names = split.samples.iter().map(|sample| file_name(&sample.image_path).to_owned()).collect();
    let split = std::sync::Arc::new(split);
    // Evaluation decodes without augmentation, training with it.
    for augment in [None, Some(Augment::NONE)] {
        let config = LoaderConfig { imgsz: 32, workers: 0, augment, ..LoaderConfig::default() };
        for batch in Loader::new(std::sync::Arc::clone(&split), config).unwrap().epoch(0) {
            batch.unwrap();
        }
    }
    names
}

#[test]
fn whole_files_of_every_kind_pass_without_a_word() {
    let folder = Folder::new();
    let files = whole_files();
    for (name, bytes) in &files {
        folder.write(&format!("images/{name}"), bytes);
    }
    assert_eq!(inspected(&folder).len(), files.len() + 1);
    let (_, scan) = folder.scan(YAML, SplitKind::Train);
    assert!(scan.warnings.is_empty());
}

#[test]
fn damage_is_found_at_the_scan() {
    let jpeg = encoded(drawn(96, 64), ImageFormat::Jpeg);
    let progressive = progressive_jpeg();
    let png = encoded(drawn(96, 64), ImageFormat::Png);
    let scan = jpeg.windows(2).position(|marker| marker == [0xFF, 0xDA]).unwrap();
    let part = |bytes: &[u8], percent: usize| bytes[..bytes.len() * percent / 100].to_vec();
    for (name, bytes, passes) in [
        ("cut in the middle.jpg", part(&jpeg, 60), false),
        ("cut in the last row.jpg", part(&jpeg, 97), false),
        ("a few bytes short.jpg", jpeg[..jpeg.len() - 8].to_vec(), false),
        ("without its end marker.jpg", jpeg[..jpeg.len() - 2].to_vec(), true),
        ("without half of its end marker.jpg", jpeg[..jpeg.len() - 1].to_vec(), true),
        ("with bytes behind its end.jpg", [&jpeg[..], &[0; 300]].concat(), true),
        ("headers alone.jpg", jpeg[..scan].to_vec(), false),
        ("headers and the first row.jpg", jpeg[..scan + 40].to_vec(), false),
        ("twice as high as its pixels.jpg", with_sides(&part(&jpeg, 99), 96, 128), false),
        ("a progressive one cut.jpg", part(&progressive, 60), false),
        ("a cut picture.png", part(&png, 60), false),
        ("nothing.jpg", Vec::new(), false),
        ("a page.jpg", b"<html><body>404 not found</body></html>".to_vec(), false),
        ("a pointer.jpg", b"version https://git-lfs.github.com/spec/v1\nsize 1\n".to_vec(), false),
        ("noise.jpg", vec![7; 500], false),
        ("a start.jpg", vec![0xFF, 0xD8, 0xFF], false),
    ] {
        let folder = Folder::new();
        folder.write(&format!("images/{name}"), bytes);
        assert_eq!(inspected(&folder).contains(&name.to_owned()), passes, "{name}");
        // Every file that is left out has a warning, and so has every kept file that lacks something.
        let (_, scan) = folder.scan(YAML, SplitKind::Train);
        let said = scan.warnings.iter().any(|warning| warning.path.ends_with(name));
        assert!(said || name == "with bytes behind its end.jpg", "{name}: {:?}", scan.warnings);
    }
}

#[test]
fn what_cannot_be_used_is_left_out_with_its_labels() {
    let folder = Folder::new();
    let jpeg = encoded(drawn(96, 64), ImageFormat::Jpeg);
    folder.write("images/cut.jpg", &jpeg[..jpeg.len() / 2]);
    folder.write("images/whole.jpg", &jpeg);
    for name in ["cut", "whole"] {
        folder.write(&format!("labels/{name}.txt"), "0 0.5 0.5 0.5 0.5\n");
    }
    let (split, scan) = folder.scan(YAML, SplitKind::Train);
    assert_eq!((scan.images, scan.instances, scan.warnings.len()), (1, 1, 1));
    assert!(split.samples[0].image_path.ends_with("whole.jpg"));
    let shown = scan.warnings[0].to_string();
    assert!(shown.contains("cut.jpg: image cannot be read") && shown.contains("truncated"), "{shown}");
}

#[test]
fn names_say_what_is_looked_at_and_what_is_passed_over() {
    let folder = Folder::new();
    let jpeg = encoded(drawn(48, 32), ImageFormat::Jpeg);
    for name in ["a.JPG", "b.Jpeg", "c.jfif", "d.MPO", "e.jpe"] {
        folder.write(&format!("images/{name}"), &jpeg);
    }
    for name in ["f.avif", "g.AVIF", "h.heic", "notes.md", "labels.cache"] {
        folder.write(&format!("images/{name}"), &jpeg);
    }
    let (split, scan) = folder.scan(YAML, SplitKind::Train);
    assert_eq!(split.samples.len(), 5);
    let shown: Vec<String> = scan.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].contains("f.avif: first of 3 images"), "{shown:?}");
    assert!(shown[0].contains("2 .avif, 1 .heic"), "{shown:?}");

    let others = Folder::new();
    others.write("images/a.avif", &jpeg);
    let message = others.scan_error(YAML, SplitKind::Train);
    assert!(message.contains("no usable image") && message.contains("1 .avif"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_passes_the_scan_is_decoded_by_everyone(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        end in 0.2f64..1.2,
        tail in 0usize..40,
    ) {
        let folder = Folder::new();
        for (name, mut bytes) in whole_files() {
            for (place, value) in &changes {
                let at = place.index(bytes.len());
                bytes[at] = *value;
            }
            let end = (bytes.len() as f64 * end) as usize;
            bytes.truncate(end);
            bytes.resize(bytes.len() + tail, 0);
            folder.write(&format!("images/{name}"), bytes);
        }
        inspected(&folder);
    }
}

#[test]
fn a_dataset_whose_files_lie_is_scanned_like_any_other() {
    let folder = Folder::new();
    folder.write("data.yaml", YAML);
    folder.write("images/png.jpg", encoded(drawn(20, 30), ImageFormat::Png));
    let dataset = Dataset::open(folder.path("data.yaml")).unwrap();
    let (split, scan) = dataset.scan(SplitKind::Train).unwrap();
    assert_eq!((split.samples[0].size, scan.warnings.len()), ((20, 30), 0));
}
