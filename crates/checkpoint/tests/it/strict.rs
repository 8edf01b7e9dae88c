//! Tests of strictness: reading and writing refuse every tensor that does not belong to the network.

use std::collections::{BTreeMap, HashMap};

use bonsai_checkpoint::{Array, Checkpoint, CheckpointError, Weights};
use bonsai_graph::ParamRole;
use safetensors::tensor::Dtype;
use serde_json::json;

use crate::tampered::{Parts, tampered, write};
use crate::{assert_names, assert_refused, chain, deployed, trained};

/// The first parameter of that role.
fn param(checkpoint: &Checkpoint, role: ParamRole) -> String {
    checkpoint.model.graph().params().into_iter().find(|p| p.role == role).unwrap().name
}

/// A random detector that has a batch norm.
fn normed() -> Checkpoint {
    let has = |c: &Checkpoint| c.model.graph().params().iter().any(|p| p.role == ParamRole::BnMean);
    (0..100).map(trained).find(has).unwrap()
}

#[test]
fn taking_apart_and_putting_together_changes_nothing() {
    let checkpoint = trained(0);
    assert_eq!(Checkpoint::from_bytes(&tampered(&checkpoint, |_| {})).unwrap(), checkpoint);
}

#[test]
fn tensors_that_are_missing() {
    let checkpoint = normed();
    let gamma = param(&checkpoint, ParamRole::BnGamma);
    for prefix in ["", "train.raw.", "train.momentum."] {
        let name = format!("{prefix}{gamma}");
        let bytes = tampered(&checkpoint, |parts| drop(parts.tensors.remove(&name).unwrap()));
        assert_refused(&bytes, &[&format!("`{name}`"), "missing"]);
    }
}

#[test]
fn tensors_that_belong_nowhere() {
    let checkpoint = trained(0);
    let add = |name: &str, checkpoint: &Checkpoint| {
        let tensor = (Dtype::F32, vec![1], vec![0; 4]);
        tampered(checkpoint, |parts| drop(parts.tensors.insert(name.to_owned(), tensor)))
    };
    for name in ["stray.weight", "train.raw.stray.weight", "train.momentum.stray.weight", "train.step"] {
        assert_refused(&add(name, &checkpoint), &[&format!("`{name}`"), "no layer"]);
    }
    // Training state without its counters.
    for name in ["train.raw.stray.weight", "train.momentum.stray.weight", "train.second_moment.stray.weight"]
    {
        assert_refused(&add(name, &deployed(0)), &[&format!("`{name}`"), "no layer"]);
    }
}

#[test]
fn running_statistics_have_no_momentum() {
    let checkpoint = normed();
    let name = format!("train.momentum.{}", param(&checkpoint, ParamRole::BnMean));
    let statistic = |parts: &mut Parts| {
        let tensor = parts.tensors[name.trim_start_matches("train.momentum.")].clone();
        parts.tensors.insert(name.clone(), tensor);
    };
    assert_refused(&tampered(&checkpoint, statistic), &[&format!("`{name}`"), "no layer"]);
}

#[test]
fn tensors_of_another_shape_or_type() {
    let checkpoint = trained(0);
    let weight = param(&checkpoint, ParamRole::ConvWeight);
    for prefix in ["", "train.raw.", "train.momentum."] {
        let name = format!("{prefix}{weight}");
        let mut shapes = (Vec::new(), Vec::new());
        let bytes = tampered(&checkpoint, |parts| {
            let (_, shape, _) = parts.tensors.get_mut(&name).unwrap();
            shapes.0.clone_from(shape);
            // As many values, but other axes.
            *shape = vec![shape.iter().product()];
            shapes.1.clone_from(shape);
        });
        let expected = format!("{:?}", shapes.0);
        let got = format!("{:?}", shapes.1);
        assert_refused(&bytes, &[&format!("`{name}`"), &expected, &got]);

        for (dtype, label) in [(Dtype::I32, "I32"), (Dtype::U32, "U32")] {
            let bytes = tampered(&checkpoint, |parts| parts.tensors.get_mut(&name).unwrap().0 = dtype);
            assert_refused(&bytes, &[&format!("`{name}`"), label, "F32"]);
        }
    }
    let bytes = tampered(&checkpoint, |parts| {
        let (dtype, _, data) = parts.tensors.get_mut(&weight).unwrap();
        *dtype = Dtype::F16;
        data.truncate(data.len() / 2);
    });
    assert_refused(&bytes, &[&format!("`{weight}`"), "F16", "F32"]);
}

#[test]
fn headers_that_were_changed() {
    let checkpoint = trained(0);
    let header = |change: fn(&mut serde_json::Value), parts: &[&str]| {
        assert_refused(&tampered(&checkpoint, |p| change(&mut p.header)), parts);
    };
    header(|h| h["colour"] = json!(1), &["header", "`colour`"]);
    header(|h| h["progress"]["colour"] = json!(1), &["`colour`"]);
    header(|h| h["progress"]["epoch"] = json!(-1), &["-1"]);
    header(|h| h["metadata"]["imgsz"] = json!(64), &["64", "string"]);
    header(|h| h["model"]["version"] = json!(2), &["version 2", "version 1"]);
    header(|h| h["model"]["class_names"] = json!([]), &["class names", "got 0"]);
    header(|h| h["model"]["graph"]["nodes"][0]["layer"]["channels"] = json!(0), &["channels is 0"]);
    header(|h| *h = json!(null), &["header"]);
    header(|h| h["progress"] = json!(null), &["`train."]);
}

#[test]
fn files_of_other_programs() {
    let tensors = BTreeMap::from([("weight".to_owned(), (Dtype::F32, vec![2], vec![0; 8]))]);
    assert_refused(&write(&tensors, None), &["`bonsai`", "is this a Bonsai checkpoint?"]);
    let foreign = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    assert_refused(&write(&tensors, Some(foreign)), &["`bonsai`", "is this a Bonsai checkpoint?"]);
    let garbage = HashMap::from([("bonsai".to_owned(), "{".to_owned())]);
    assert_refused(&write(&tensors, Some(garbage)), &["header", "EOF"]);
    for bytes in [&b""[..], b"PK\x03\x04", &[0xff; 64], &[0; 64], b"{\"version\":1}"] {
        assert_refused(bytes, &["safetensors"]);
    }
}

/// Fields are public: a checkpoint that was put together wrongly must not become a file that cannot be read.
#[test]
fn what_could_not_be_read_is_not_written() {
    let check = |change: fn(&mut Checkpoint), parts: &[&str]| {
        let mut checkpoint = normed();
        change(&mut checkpoint);
        assert_names(&chain(&checkpoint.to_bytes().unwrap_err()), parts);
    };
    check(|c| c.weights.insert("stray.weight", Array::zeros(&[1])), &["`stray.weight`", "no layer"]);
    check(|c| c.weights = Weights::new(), &["missing"]);
    check(|c| c.train.as_mut().unwrap().raw = Weights::new(), &["`train.raw.", "missing"]);
    check(
        |c| {
            let name = param(c, ParamRole::BnVar);
            c.train.as_mut().unwrap().momentum.insert(name, Array::zeros(&[1]));
        },
        &["`train.momentum.", "running_var`", "no layer"],
    );
}

/// `train.raw.x` as a layer's name would collide with the raw weights of layer `x`.
#[test]
fn layer_names_do_not_collide_with_training_state() {
    let json = serde_json::to_string(&deployed(0).model).unwrap();
    let model: bonsai_graph::ModelSpec =
        serde_json::from_str(&json.replace("\"n0.", "\"train.raw.n0.")).unwrap();
    assert!(model.graph().nodes().iter().any(|n| n.name().starts_with("train.raw.n0.")));
    let weights = bonsai_testkit::random_weights(0, model.graph());
    let error = Checkpoint::new(model, weights).unwrap().to_bytes().unwrap_err();
    assert!(matches!(error, CheckpointError::Reserved { .. }), "{error:?}");
    assert_names(&error.to_string(), &["`train.raw.n0.", "rename"]);
}

#[test]
fn a_new_checkpoint_is_checked_too() {
    let Checkpoint { model, weights, .. } = deployed(0);
    let name = weights.iter().next().unwrap().0.to_owned();
    let mut wrong = weights.clone();
    wrong.insert(name.clone(), Array::zeros(&[1, 2, 3]));
    let message = Checkpoint::new(model, wrong).unwrap_err().to_string();
    assert_names(&message, &[&format!("`{name}`"), "[1, 2, 3]"]);
}

#[test]
fn a_second_moment_is_whole_or_not_there() {
    let mut checkpoint = trained(1);
    let name = checkpoint.train.as_ref().unwrap().momentum.iter().next().unwrap().0.to_owned();
    let full = format!("train.second_moment.{name}");
    let bytes = tampered(&checkpoint, |parts| drop(parts.tensors.remove(&full).unwrap()));
    if checkpoint.train.as_ref().unwrap().momentum.len() > 1 {
        assert_refused(&bytes, &[&format!("`{full}`"), "missing"]);
    }
    let second = checkpoint.train.as_mut().unwrap().second_moment.as_mut().unwrap();
    second.insert("stray.weight", Array::zeros(&[1]));
    let message = chain(&checkpoint.to_bytes().unwrap_err());
    assert_names(&message, &["`train.second_moment.stray.weight`", "no layer"]);
    let bare = tampered(&trained(0), |parts| {
        drop(
            parts
                .tensors
                .insert("train.second_moment.stray.weight".to_owned(), (Dtype::F32, vec![1], vec![0; 4])),
        );
    });
    assert_refused(&bare, &["`train.second_moment."]);
}
