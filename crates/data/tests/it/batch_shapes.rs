//! Tests of training batches of several shapes: `rect` and `multi_scale`.

use std::collections::BTreeSet;
use std::sync::Arc;

use bonsai_data::{Augment, Batch, Loader, LoaderConfig, MultiScale, SplitKind};

use crate::folder::Folder;

fn config() -> LoaderConfig {
    LoaderConfig { imgsz: 64, batch: 2, seed: 3, augment: Some(Augment::NONE), ..LoaderConfig::default() }
}

fn batches(loader: &Loader, epoch: u64, first: usize) -> Vec<Batch> {
    loader.epoch_from(epoch, first).map(Result::unwrap).collect()
}

/// Pictures of one colour that their label covers.
fn split(folder: &Folder, sizes: &[(u32, u32)]) -> Arc<bonsai_data::Split> {
    for (number, (w, h)) in sizes.iter().enumerate() {
        folder.image(&format!("images/{number}.png"), *w, *h, 255);
        folder.write(&format!("labels/{number}.txt"), "0 0.5 0.5 1 1\n");
    }
    Arc::new(folder.scan("train: images\nnames: [x]", SplitKind::Train).0)
}

#[test]
fn rect_training_has_the_smallest_canvases_and_moves_images_within_them() {
    let folder = Folder::new();
    let split = split(&folder, &[(40, 40), (80, 40), (40, 80), (128, 32)]);
    let rect = LoaderConfig { rect: Some(16), ..config() };
    let loader = Loader::new(Arc::clone(&split), rect).unwrap();
    let still = batches(&loader, 0, 0);
    // Scaled to 64: 64 x 16 and 64 x 32 in 64 x 32; 64 x 64 and 32 x 64 in 64 x 64.
    assert_eq!(still.iter().map(|b| b.shape).collect::<Vec<_>>(), [[2, 3, 32, 64], [2, 3, 64, 64]]);
    assert_eq!(still.iter().map(|b| b.samples.clone()).collect::<Vec<_>>(), [[3, 1], [0, 2]]);
    assert_eq!(batches(&loader, 1, 0), still, "no shuffling");
    // The label of the flattest image covers the middle half of its canvas.
    let first = still[0].targets[0].bbox;
    assert_eq!((first.cx, first.cy, first.w, first.h), (0.5, 0.5, 1.0, 0.5));

    let augment = Augment { translate: 0.2, fliplr: 0.5, ..Augment::NONE };
    let moved = Loader::new(Arc::clone(&split), LoaderConfig { augment: Some(augment), ..rect }).unwrap();
    let (one, two) = (batches(&moved, 0, 0), batches(&moved, 1, 0));
    assert_eq!(one.iter().map(|b| b.shape).collect::<Vec<_>>(), [[2, 3, 32, 64], [2, 3, 64, 64]]);
    assert!(one != still && one != two);

    for augment in [Augment { mosaic: 1.0, ..augment }, Augment { cutmix: 0.1, ..augment }] {
        let error = Loader::new(Arc::clone(&split), LoaderConfig { augment: Some(augment), ..rect });
        assert!(error.unwrap_err().to_string().contains("rect"));
    }
}

#[test]
fn the_size_of_a_batch_depends_on_its_place_only() {
    let folder = Folder::new();
    let split = split(&folder, &[(40, 40); 24]);
    let scale = MultiScale { fraction: 0.5, stride: 16 };
    let loader = |workers| {
        let config = LoaderConfig { multi_scale: Some(scale), workers, shuffle: true, ..config() };
        Loader::new(Arc::clone(&split), config).unwrap()
    };
    let found = [0, 2].map(|workers| batches(&loader(workers), 2, 0));
    assert_eq!(found[0], found[1]);
    // A resumed epoch has the same batches.
    assert_eq!(batches(&loader(1), 2, 5), found[0][5..]);
    let sides: BTreeSet<usize> = found[0].iter().map(|batch| batch.shape[2]).collect();
    assert!(
        sides.len() > 2 && sides.iter().all(|side| side % 16 == 0 && (32..=96).contains(side)),
        "{sides:?}"
    );
    let plain =
        batches(&Loader::new(Arc::clone(&split), LoaderConfig { shuffle: true, ..config() }).unwrap(), 2, 0);
    for (scaled, plain) in found[0].iter().zip(&plain) {
        assert_eq!((&scaled.targets, &scaled.samples), (&plain.targets, &plain.samples));
        assert_eq!(scaled.images.len(), scaled.shape.iter().product::<usize>());
        // A picture of one colour keeps it at any size.
        let plane = scaled.shape[2] * scaled.shape[3];
        for (number, plane) in scaled.images.chunks_exact(plane).enumerate() {
            let level = [255.0, 40.0, 200.0][number % 3] / 255.0;
            assert!(plane.iter().all(|value| *value == level), "plane {number}");
        }
    }
    let wrong = MultiScale { fraction: 0.95, stride: 16 };
    let error = Loader::new(loader(0).split().clone(), LoaderConfig { multi_scale: Some(wrong), ..config() });
    assert!(error.unwrap_err().to_string().contains("multi_scale"));
}
