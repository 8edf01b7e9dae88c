//! Tests of [`Loader`]: content and order of batches, independence of workers and cache, images that vanish.

use bonsai_boxes::Cxcywh;
use bonsai_data::{Augment, Batch, Loader, LoaderConfig, PADDING, Part, SplitKind, shapes};

use crate::folder::Folder;

fn drawn(folder: &Folder, train: usize) -> bonsai_data::Split {
    let config = shapes::ShapesConfig { train, val: 1, test: 0, imgsz: 48, seed: 5, ..Default::default() };
    let yaml = shapes::draw(&config, folder.path("shapes")).unwrap();
    bonsai_data::Dataset::open(yaml).unwrap().scan(SplitKind::Train).unwrap().0
}

fn config() -> LoaderConfig {
    LoaderConfig {
        imgsz: 64,
        batch: 4,
        seed: 3,
        shuffle: true,
        augment: Some(Augment::default()),
        ..LoaderConfig::default()
    }
}

#[test]
fn the_same_batches_whatever_workers_and_cache() {
    let folder = Folder::new();
    let split = std::sync::Arc::new(drawn(&folder, 11));
    let epochs = |workers, cache_bytes| -> Vec<Vec<Batch>> {
        let config = LoaderConfig { workers, cache_bytes, ..config() };
        let loader = Loader::new(std::sync::Arc::clone(&split), config).unwrap();
        let epochs = (0..2).map(|epoch| loader.epoch(epoch).map(Result::unwrap).collect()).collect();
        assert!(loader.cached_bytes() <= cache_bytes);
        // Room for five and a half images of 64 x 64 keeps five.
        assert_eq!(loader.cached_bytes() / (3 * 64 * 64), if cache_bytes == 0 { 0 } else { 5 });
        epochs
    };
    let reference = epochs(0, 0);
    for (workers, cache_bytes) in [(1, 0), (2, 0), (7, 0), (2, 3 * 64 * 64 * 11 / 2)] {
        assert!(epochs(workers, cache_bytes) == reference, "{workers} workers, {cache_bytes} bytes of cache");
    }

    for workers in [0, 1, 2, 7] {
        let loader =
            Loader::new(std::sync::Arc::clone(&split), LoaderConfig { workers, ..config() }).unwrap();
        for first in 0..5 {
            let rest: Vec<Batch> = loader.epoch_from(1, first).map(Result::unwrap).collect();
            assert!(rest == reference[1][first.min(3)..], "{workers} workers, from batch {first}");
        }
    }

    let order = |epoch: &[Batch]| -> Vec<usize> { epoch.iter().flat_map(|b| b.samples.clone()).collect() };
    assert_ne!(order(&reference[0]), order(&reference[1]));
    for epoch in &reference {
        let mut all = order(epoch);
        all.sort_unstable();
        assert_eq!(all, (0..11).collect::<Vec<_>>(), "each sample once");
        assert_eq!(epoch.iter().map(|b| b.shape[0]).collect::<Vec<_>>(), [4, 4, 3]);
    }
}

#[test]
fn parts_share_the_order_and_have_equal_numbers_of_batches() {
    let folder = Folder::new();
    let split = std::sync::Arc::new(drawn(&folder, 11));
    let make = |part| Loader::new(std::sync::Arc::clone(&split), LoaderConfig { part, batch: 2, ..config() });
    let order = |part: Option<Part>| -> Vec<usize> {
        let loader = make(part).unwrap();
        let batches: Vec<Batch> = loader.epoch(1).map(Result::unwrap).collect();
        assert_eq!(batches.len(), loader.batches());
        batches.into_iter().flat_map(|batch| batch.samples).collect()
    };
    let whole = order(None);
    for of in [1, 2, 3, 4, 12] {
        let length = 11usize.div_ceil(of);
        for number in 0..of {
            // Continued from the start, so that all parts are as long.
            let expected: Vec<usize> = (0..length).map(|i| whole[(number + i * of) % 11]).collect();
            assert_eq!(order(Some(Part { number, of })), expected, "part {number} of {of}");
        }
    }
    let rest: Vec<Batch> =
        make(Some(Part { number: 1, of: 2 })).unwrap().epoch_from(1, 2).map(Result::unwrap).collect();
    assert_eq!(rest.len(), 1);
    assert!(make(Some(Part { number: 2, of: 2 })).unwrap_err().to_string().contains("2 of 2"));
}

#[test]
fn pixels_and_targets_without_augmentation() {
    let folder = Folder::new();
    folder.image("images/a.png", 20, 10, 255);
    folder.image("images/b.png", 10, 10, 51);
    folder.write("labels/a.txt", "1 0.5 0.5 1 1\n");
    let (split, _) = folder.scan("train: images\nnames: [x, y]", SplitKind::Train);
    let config = LoaderConfig { imgsz: 20, ..LoaderConfig::default() };
    let loader = Loader::new(split, config).unwrap();
    let mut epoch = loader.epoch(0);
    assert_eq!((epoch.size_hint(), loader.batches()), ((1, Some(1)), 1));
    let batch = epoch.next().unwrap().unwrap();
    assert!(epoch.next().is_none());

    assert_eq!((batch.shape, &batch.samples), ([2, 3, 20, 20], &vec![0, 1]));
    let at = |image: usize, channel: usize, y: usize| {
        let value = batch.images[((image * 3 + channel) * 20 + y) * 20 + 7];
        (value * 255.0).round() as u8
    };
    // `a` lies in rows 5 to 14 with grey around; `b` fills the canvas.
    assert_eq!([at(0, 0, 4), at(0, 0, 5), at(0, 1, 14), at(0, 2, 9), at(0, 2, 15)], [114, 255, 40, 200, 114]);
    assert_eq!([at(1, 0, 0), at(1, 1, 10), at(1, 2, 19)], [51, 40, 200]);
    assert!(batch.images.iter().all(|value| (0.0..=1.0).contains(value)));

    let [target] = batch.targets[..] else { panic!("{:?}", batch.targets) };
    assert_eq!((target.image, target.class_id), (0, 1));
    assert_eq!(target.bbox, Cxcywh { cx: 0.5, cy: 0.5, w: 1.0, h: 0.5 });
    assert_eq!(batch.transforms[0].padding, (0, 5));
}

#[test]
fn an_image_that_vanishes_or_changes_after_the_scan_ends_the_epoch_with_its_name() {
    let folder = Folder::new();
    for name in ["a", "b", "c", "d", "e"] {
        folder.image(&format!("images/{name}.png"), 64, 64, 9);
        folder.write(&format!("labels/{name}.txt"), "0 0.5 0.5 0.5 0.5\n");
    }
    let (split, _) = folder.scan("train: images\nnames: [x]", SplitKind::Train);
    let split = std::sync::Arc::new(split);
    let whole = std::fs::read(folder.path("images/c.png")).unwrap();
    let ended = |workers, augment| {
        let config = LoaderConfig { imgsz: 32, batch: 1, workers, augment, ..LoaderConfig::default() };
        let loader = Loader::new(std::sync::Arc::clone(&split), config).unwrap();
        let mut batches: Vec<_> = loader.epoch(0).collect();
        let error = batches.pop().unwrap().unwrap_err();
        assert!(batches.iter().all(Result::is_ok));
        (batches.len(), error.to_string())
    };
    let mosaic = Augment { mosaic: 1.0, ..Augment::NONE };
    for workers in [0, 1, 3] {
        std::fs::remove_file(folder.path("images/c.png")).unwrap();
        let (before, message) = ended(workers, None);
        assert_eq!(before, 2, "{workers} workers");
        assert!(message.contains("cannot read the image") && message.contains("c.png"), "{message}");
        assert!(ended(workers, Some(mosaic)).1.contains("c.png"));

        folder.image("images/c.png", 64, 60, 9);
        for augment in [None, Some(Augment::NONE)] {
            let message = ended(workers, augment).1;
            let parts = ["c.png", "64 x 60", "64 x 64", "start again"];
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
        folder.write("images/c.png", &whole[..whole.len() - 30]);
        assert!(ended(workers, None).1.contains("cannot decode the image"));
        folder.write("images/c.png", &whole);
    }
}

#[test]
fn an_epoch_may_be_left_early() {
    let folder = Folder::new();
    let loader = Loader::new(drawn(&folder, 11), LoaderConfig { batch: 1, ..config() }).unwrap();
    let first = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!(loader.epoch(0).next().unwrap().unwrap(), first);
}

#[test]
fn impossible_settings_are_refused() {
    let folder = Folder::new();
    let split = std::sync::Arc::new(drawn(&folder, 1));
    for (config, part) in [
        (LoaderConfig { batch: 0, ..config() }, "`batch` is 0"),
        (LoaderConfig { imgsz: 0, ..config() }, "`imgsz` is 0"),
        (LoaderConfig { imgsz: 1 << 20, ..config() }, "`imgsz` is 1048576"),
    ] {
        let message = Loader::new(std::sync::Arc::clone(&split), config).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn rect_batches_are_sorted_by_shape_and_no_larger_than_needed() {
    let folder = Folder::new();
    for (name, w, h) in [("a", 20, 20), ("b", 40, 20), ("c", 20, 40), ("d", 60, 20)] {
        folder.image(&format!("images/{name}.png"), w, h, 255);
        folder.write(&format!("labels/{name}.txt"), "0 0.5 0.5 1 1\n");
    }
    let (split, _) = folder.scan("train: images\nnames: [x]", SplitKind::Train);
    let config = LoaderConfig { imgsz: 32, batch: 2, rect: Some(8), ..LoaderConfig::default() };
    let loader = Loader::new(split, config).unwrap();
    let batches: Vec<Batch> = loader.epoch(0).map(Result::unwrap).collect();
    // Batch of d and b, which are flat: (0.5 * 32 / 8 + 0.5) strides high. Batch of a and c: a square.
    assert_eq!(batches.iter().map(|b| b.samples.clone()).collect::<Vec<_>>(), [[3, 1], [0, 2]]);
    assert_eq!(batches.iter().map(|b| b.shape).collect::<Vec<_>>(), [[2, 3, 24, 40], [2, 3, 40, 40]]);
    for batch in &batches {
        let w = batch.shape[3];
        let h = batch.shape[2];
        for ((target, transform), image) in
            batch.targets.iter().zip(&batch.transforms).zip(batch.images.chunks_exact(3 * w * h))
        {
            // The label covers the white picture, and everything around it is grey.
            let white = image[..w * h].iter().filter(|v| **v == 1.0).count();
            assert_eq!(white, (transform.resized.0 * transform.resized.1) as usize);
            let area = target.bbox.w * target.bbox.h * (w * h) as f32;
            assert!((area - white as f32).abs() < 0.1, "{area} and {white}");
            let grey = f32::from(PADDING) / 255.0;
            assert!(image[..w * h].iter().all(|v| *v == 1.0 || *v == grey));
        }
    }
    let (split, _) = folder.scan("train: images\nnames: [x]", SplitKind::Train);
    let error = Loader::new(split, LoaderConfig { shuffle: true, ..config }).unwrap_err().to_string();
    assert!(error.contains("rect"), "{error}");
}

#[test]
fn mosaics_combine_and_close() {
    let folder = Folder::new();
    let split = std::sync::Arc::new(drawn(&folder, 11));
    let objects = |augment: Augment, epoch: u64| -> (usize, Vec<Batch>) {
        let config = LoaderConfig { augment: Some(augment), mosaic_epochs: Some(3), ..config() };
        let loader = Loader::new(std::sync::Arc::clone(&split), config).unwrap();
        let batches: Vec<Batch> = loader.epoch(epoch).map(Result::unwrap).collect();
        (batches.iter().map(|batch| batch.targets.len()).sum(), batches)
    };
    let whole = split.samples.iter().map(|sample| sample.labels.len()).sum::<usize>();
    let still = Augment { mosaic: 1.0, ..Augment::NONE };
    // A mosaic shows a fourth of each of four images, and a mixup shows all of two. After the last epoch with
    // these, each sample shows only its own image.
    let (with, batches) = objects(still, 2);
    assert!(with != whole && batches != objects(still, 3).1);
    assert_eq!(objects(still, 3).0, whole);
    assert_eq!(objects(Augment::NONE, 3).1, objects(still, 3).1);
    let (both, blended) = objects(Augment { mixup: 1.0, ..Augment::NONE }, 2);
    assert!(both > 3 * whole / 2, "{both} objects of {whole} blended with others");
    assert_eq!(objects(Augment { mixup: 1.0, ..Augment::NONE }, 3).0, whole);
    // A cutmix adds objects of another image, in a rectangle that touches none of the own ones.
    let (cut, pasted) = objects(Augment { cutmix: 1.0, ..Augment::NONE }, 2);
    assert!((whole + 1..2 * whole).contains(&cut), "{cut} objects of {whole} with pasted ones");
    assert_eq!(objects(Augment { cutmix: 1.0, ..Augment::NONE }, 3).1, objects(Augment::NONE, 3).1);
    for batch in batches.iter().chain(&blended).chain(&pasted) {
        assert!(batch.images.iter().all(|value| (0.0..=1.0).contains(value)));
        for target in &batch.targets {
            let b = bonsai_boxes::Xyxy::from(target.bbox);
            let inside = |v: f32| (-1e-6..=1.0 + 1e-6).contains(&v);
            assert!(inside(b.x1) && inside(b.y1) && inside(b.x2) && inside(b.y2), "{b:?}");
        }
    }
}

#[test]
fn red_and_blue_are_exchanged_at_the_rate_of_bgr() {
    let folder = Folder::new();
    let split = std::sync::Arc::new(drawn(&folder, 11));
    let batches = |augment: Augment| -> Vec<Batch> {
        let config = LoaderConfig { augment: Some(augment), ..config() };
        let loader = Loader::new(std::sync::Arc::clone(&split), config).unwrap();
        loader.epoch(1).map(Result::unwrap).collect()
    };
    let colours = Augment { hsv_h: 0.2, hsv_s: 0.5, hsv_v: 0.3, fliplr: 0.5, ..Augment::NONE };
    let (plain, all) = (batches(colours), batches(Augment { bgr: 1.0, ..colours }));
    let some = batches(Augment { bgr: 0.5, ..colours });
    let mut exchanged = [0, 0];
    for ((plain, all), some) in plain.iter().zip(&all).zip(&some) {
        assert_eq!((&plain.targets, &plain.samples), (&all.targets, &all.samples));
        let plane = plain.shape[2] * plain.shape[3];
        let images = |batch: &Batch| -> Vec<Vec<f32>> {
            batch.images.chunks_exact(3 * plane).map(<[f32]>::to_vec).collect()
        };
        for ((plain, all), some) in images(plain).into_iter().zip(images(all)).zip(images(some)) {
            let swapped = [&plain[2 * plane..], &plain[plane..2 * plane], &plain[..plane]].concat();
            assert_ne!(plain, swapped);
            assert_eq!(all, swapped);
            assert!(some == plain || some == swapped);
            exchanged[usize::from(some == swapped)] += 1;
        }
    }
    assert!(exchanged[0] > 0 && exchanged[1] > 0, "{exchanged:?}");
}
