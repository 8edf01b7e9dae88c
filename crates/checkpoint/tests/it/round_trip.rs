//! Tests of writing and reading: nothing is lost, and equal content gives equal bytes.

use bonsai_checkpoint::{Array, Checkpoint, Weights};

use crate::tampered::tampered;
use crate::{deployed, trained};

#[test]
fn nothing_is_lost_and_bytes_are_equal() {
    for seed in 0..20 {
        for checkpoint in [deployed(seed), trained(seed)] {
            let bytes = checkpoint.to_bytes().unwrap();
            assert_eq!(checkpoint.to_bytes().unwrap(), bytes, "seed {seed}: written twice");
            let read = Checkpoint::from_bytes(&bytes).unwrap();
            assert_eq!(read, checkpoint, "seed {seed}");
            assert_eq!(read.to_bytes().unwrap(), bytes, "seed {seed}: read and written again");
        }
    }
}

#[test]
fn a_file_is_what_the_bytes_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    for checkpoint in [deployed(1), trained(2)] {
        checkpoint.save(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), checkpoint.to_bytes().unwrap());
        assert_eq!(Checkpoint::load(&path).unwrap(), checkpoint);
    }
}

/// The order of insertion does not count: weights come back in the order of the graph's parameters.
#[test]
fn order_of_insertion_does_not_matter() {
    let checkpoint = trained(3);
    let mut shuffled = checkpoint.clone();
    let reversed = |w: &Weights| {
        let mut arrays: Vec<_> = w.iter().map(|(n, a)| (n.to_owned(), a.clone())).collect();
        arrays.reverse();
        arrays.into_iter().collect::<Weights>()
    };
    shuffled.weights = reversed(&checkpoint.weights);
    let train = shuffled.train.as_mut().unwrap();
    (train.raw, train.momentum) = (reversed(&train.raw), reversed(&train.momentum));
    let bytes = shuffled.to_bytes().unwrap();
    assert_eq!(bytes, checkpoint.to_bytes().unwrap());

    let read = Checkpoint::from_bytes(&bytes).unwrap();
    let names: Vec<&str> = read.weights.iter().map(|(name, _)| name).collect();
    let params = read.model.graph().params();
    assert_eq!(names, params.iter().map(|p| p.name.as_str()).collect::<Vec<_>>());
}

#[test]
fn every_bit_pattern_survives() {
    let mut checkpoint = deployed(4);
    let name = checkpoint.weights.iter().next().unwrap().0.to_owned();
    let patterns =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::from_bits(1), f32::from_bits(0x7fa0_1234)];
    let array = checkpoint.weights.get_mut(&name).unwrap();
    for (value, pattern) in array.data_mut().iter_mut().zip(patterns.iter().cycle()) {
        *value = *pattern;
    }
    let bits = |a: &Array| a.data().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let expected = bits(checkpoint.weights.get(&name).unwrap());
    let read = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
    assert_eq!(bits(read.weights.get(&name).unwrap()), expected);
}

#[test]
fn training_state_is_part_of_the_content() {
    let with = trained(5);
    let without = Checkpoint { train: None, ..with.clone() };
    assert_ne!(with.to_bytes().unwrap(), without.to_bytes().unwrap());
    let read = Checkpoint::from_bytes(&with.to_bytes().unwrap()).unwrap().train.unwrap();
    assert_eq!(read.progress.best_fitness, Some(0.1 + 0.2));
    assert_ne!(read.raw, with.weights);
}

#[test]
fn positions_inside_an_epoch_are_exact_and_older_files_have_none() {
    let mut with = trained(5);
    let progress = &mut with.train.as_mut().unwrap().progress;
    (progress.best_epoch, progress.batch, progress.batches) = (Some(2), 7, 9);
    // Values whose shortest decimal form an imprecise parser reads one bit off.
    progress.loss_sums = [0.1 + 0.2, 8.410_000_000_000_001e21, 2.638_344_616_030_823e-256];
    assert_eq!(Checkpoint::from_bytes(&with.to_bytes().unwrap()).unwrap(), with);
    let older = tampered(&with, |parts| {
        let progress = parts.header["progress"].as_object_mut().unwrap();
        for key in ["best_epoch", "batch", "batches", "loss_sums"] {
            progress.remove(key).unwrap();
        }
    });
    let read = Checkpoint::from_bytes(&older).unwrap().train.unwrap().progress;
    assert_eq!((read.best_epoch, read.batch, read.loss_sums, read.epoch), (None, 0, [0.0; 3], 3));
}
