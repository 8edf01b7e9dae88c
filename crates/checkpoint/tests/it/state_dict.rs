//! Tests of state dicts in safetensors, as Python writes them with Ultralytics' names.

use std::collections::BTreeMap;

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_testkit::imported;
use safetensors::tensor::{Dtype, TensorView};

use crate::{assert_names, chain};

fn bare() -> Checkpoint {
    Checkpoint::import_bytes(&imported("bare")).unwrap()
}

/// The arrays of the fixture `bare` by name, with the fixed weights of the head.
fn arrays() -> BTreeMap<String, Array> {
    let weights = bare().weights;
    let mut arrays: BTreeMap<_, _> = weights.iter().map(|(n, a)| (n.to_owned(), a.clone())).collect();
    let bins = (0..16u8).map(f32::from).collect();
    arrays.insert("model.22.dfl.conv.weight".to_owned(), Array::new(&[1, 16, 1, 1], bins));
    arrays
}

fn file(arrays: &BTreeMap<String, Array>, prefix: &str) -> Vec<u8> {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = arrays
        .iter()
        .map(|(n, a)| {
            let bytes = a.data().iter().flat_map(|v| v.to_le_bytes()).collect();
            (format!("{prefix}{n}"), a.shape().to_vec(), bytes)
        })
        .collect();
    let views = bytes.iter().map(|(n, s, b)| (n, TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[track_caller]
fn refused(arrays: &BTreeMap<String, Array>, parts: &[&str]) {
    let message =
        chain(&Checkpoint::import_bytes(&file(arrays, "")).map(drop).expect_err("this must be refused"));
    assert_names(&message, parts);
}

#[test]
fn the_network_is_that_of_the_pickle_but_for_its_class_names() {
    let pickled = bare();
    for prefix in ["", "model."] {
        let read = Checkpoint::import_bytes(&file(&arrays(), prefix)).unwrap();
        assert_eq!(read.model.graph(), pickled.model.graph());
        assert_eq!(read.model.head(), pickled.model.head());
        assert!(read.weights == pickled.weights);
        assert_eq!(read.model.class_names(), ["class0", "class1", "class2"]);
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let without = |name: &str| {
        let mut arrays = arrays();
        arrays.remove(name).unwrap();
        arrays
    };
    refused(&without("model.15.m.0.cv2.conv.weight"), &["`model.15.m.0.cv2.conv.weight`", "missing"]);
    refused(&without("model.4.cv1.bn.running_var"), &["`model.4.cv1.bn.running_var`", "missing"]);
    let with = |name: &str, shape: &[usize]| {
        let mut arrays = arrays();
        arrays.insert(name.to_owned(), Array::zeros(shape));
        arrays
    };
    // One channel more than the next convolution reads.
    let shape = arrays()["model.3.conv.weight"].shape().to_vec();
    let wider = [shape[0] + 1, shape[1], 3, 3];
    refused(&with("model.3.conv.weight", &wider), &["`model.3.bn", &format!("[{}]", shape[0])]);
    let narrower = [shape[0], shape[1] - 1, 3, 3];
    refused(&with("model.3.conv.weight", &narrower), &["`model.3.conv.weight`"]);
    refused(&with("model.23.conv.weight", &[4, 4, 1, 1]), &["`model.23.conv.weight`"]);
    refused(&with("model.0.conv.weight", &[8, 3, 3, 2]), &["`model.0.conv.weight`", "square"]);
    refused(&with("model.22.dfl.conv.weight", &[1, 16, 1, 1]), &["`model.22.dfl.conv.weight`"]);
}

#[test]
fn a_checkpoint_of_ours_is_opened_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let weights: Weights = arrays().into_iter().filter(|(name, _)| !name.contains("dfl")).collect();
    let checkpoint = Checkpoint { weights, ..Checkpoint::import_bytes(&file(&arrays(), "")).unwrap() };
    checkpoint.save(&path).unwrap();
    assert!(Checkpoint::open(&path).unwrap().weights == checkpoint.weights);
    std::fs::write(&path, file(&arrays(), "")).unwrap();
    assert!(Checkpoint::open(&path).unwrap().weights == checkpoint.weights);
    std::fs::write(&path, b"nothing").unwrap();
    assert_names(&chain(&Checkpoint::open(&path).unwrap_err()), &["model.safetensors"]);
}

#[test]
fn a_state_dict_that_is_written_is_read_again() {
    let checkpoint = bare();
    let written = checkpoint.to_state_dict().unwrap();
    let read = Checkpoint::import_bytes(&written).unwrap();
    assert!(read.model.graph() == checkpoint.model.graph() && read.weights == checkpoint.weights);
    // PyTorch's strict loading requires these as well.
    let tensors = safetensors::SafeTensors::deserialize(&written).unwrap();
    assert_eq!(tensors.tensor("model.22.dfl.conv.weight").unwrap().shape(), [1, 16, 1, 1]);
    let counter = tensors.tensor("model.0.bn.num_batches_tracked").unwrap();
    assert_eq!((counter.dtype(), counter.shape(), counter.data()), (Dtype::I64, &[][..], &[0; 8][..]));
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&written).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
}
