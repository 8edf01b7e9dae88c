//! Tests of the serialised form: it round-trips, and a tampered file is an error that names the fault.

use bonsai_graph::{DetectHead, ModelSpec};
use serde_json::{Value, json};

use crate::assert_names;
use crate::detector::detector;

/// Changes a valid model and checks that reading it fails with a message that names all `parts`.
#[track_caller]
fn check(change: impl FnOnce(&mut Value), parts: &[&str]) {
    let mut value = serde_json::to_value(detector()).unwrap();
    change(&mut value);
    assert_names(&serde_json::from_value::<ModelSpec>(value).unwrap_err().to_string(), parts);
}

/// The layer of that name.
fn node<'a>(model: &'a mut Value, name: &str) -> &'a mut Value {
    let nodes = model["graph"]["nodes"].as_array_mut().unwrap();
    nodes.iter_mut().find(|n| n["name"] == name).unwrap()
}

#[test]
fn a_detector_goes_there_and_back() {
    let model = detector();
    let json = serde_json::to_string(&model).unwrap();
    let back: ModelSpec = serde_json::from_str(&json).unwrap();
    assert_eq!(back, model);
    assert_eq!(serde_json::to_string(&back).unwrap(), json);
}

/// Files are kept longer than programs, so this test fixes the format of version 1.
#[test]
fn version_1_stays_readable() {
    let written = r#"{"version":1,"graph":{"nodes":[
        {"name":"x","layer":{"op":"input","channels":3},"inputs":[]},
        {"name":"n","layer":{"op":"batch_norm","eps":0.001,"momentum":0.03},"inputs":["x"]},
        {"name":"s","layer":{"op":"silu"},"inputs":["n"]},
        {"name":"b","layer":{"op":"conv2d","out_channels":4,"kernel":1,"stride":1,"padding":0,"bias":true},
            "inputs":["s"]},
        {"name":"c","layer":{"op":"slice","start":1,"len":1},"inputs":["s"]}],
        "outputs":["b","c"]},
        "head":{"num_classes":1,"reg_max":1,"strides":[1],"box_outputs":[0],"cls_outputs":[1]},
        "class_names":["cell"]}"#;
    let model: ModelSpec = serde_json::from_str(written).unwrap();
    let squeezed: String = written.split_whitespace().collect();
    assert_eq!(serde_json::to_string(&model).unwrap(), squeezed);
}

#[test]
fn another_version_is_refused_before_anything_else_is_read() {
    let json = serde_json::to_string(&detector()).unwrap();
    let later = json.replacen("\"version\":1,\"graph\":{", "\"version\":2,\"graph\":{\"groups\":[],", 1);
    let message = serde_json::from_str::<ModelSpec>(&later).unwrap_err().to_string();
    assert_names(&message, &["version 2", "version 1", "update"]);
    check(|m| m["version"] = json!(0), &["version 0", "version 1"]);
    check(|m| m["version"] = json!(-1), &["-1"]);
    check(|m| drop(m.as_object_mut().unwrap().remove("version")), &["version"]);
}

#[test]
fn unknown_and_missing_fields() {
    check(|m| m["colour"] = json!(1), &["`colour`"]);
    check(|m| m["graph"]["colour"] = json!(1), &["`colour`"]);
    check(|m| m["head"]["colour"] = json!(1), &["`colour`"]);
    check(|m| node(m, "model.0.conv")["colour"] = json!(1), &["`colour`"]);
    check(|m| node(m, "model.0.bn")["layer"]["groups"] = json!(1), &["`model.0.bn`", "`groups`"]);
    check(|m| node(m, "model.0.conv")["layer"]["dilation"] = json!(1), &["`model.0.conv`", "`dilation`"]);
    // A layer kind without fields accepts no fields.
    check(|m| node(m, "model.0.act")["layer"]["beta"] = json!(2), &["`model.0.act`", "`beta`"]);
    check(|m| node(m, "model.2.concat")["layer"]["axis"] = json!(2), &["`model.2.concat`", "`axis`"]);
    check(|m| node(m, "model.0.act")["layer"] = json!({"op": "relu"}), &["`model.0.act`", "`relu`"]);
    check(|m| node(m, "model.5")["layer"] = json!({"op": "upsample"}), &["`model.5`", "`scale`"]);
    check(|m| node(m, "model.5")["layer"] = json!({}), &["`model.5`", "`op`"]);
}

#[test]
fn wires_that_lead_nowhere() {
    check(|m| node(m, "model.0.bn")["inputs"] = json!(["nowhere"]), &["`model.0.bn`", "`nowhere`"]);
    check(|m| node(m, "model.0.bn")["inputs"] = json!(["model.0.bn"]), &["`model.0.bn` reads `model.0.bn`"]);
    // A wire from a later layer would be a cycle.
    check(|m| node(m, "model.0.bn")["inputs"] = json!(["model.5"]), &["`model.0.bn` reads `model.5`"]);
    check(|m| m["graph"]["outputs"][0] = json!("nowhere"), &["`outputs` reads `nowhere`"]);
    check(
        |m| node(m, "model.0.bn")["inputs"] = json!([]),
        &["`model.0.bn` (batch_norm)", "exactly 1", "has 0"],
    );
    check(
        |m| node(m, "model.0.act")["inputs"] = json!(["images", "images"]),
        &["`model.0.act` (silu)", "exactly 1", "has 2"],
    );
    check(|m| node(m, "model.2.m.0.add")["inputs"] = json!(["images"]), &["(add)", "2 or more", "has 1"]);
    check(|m| node(m, "model.6")["inputs"] = json!([]), &["`model.6` (concat)", "1 or more", "has 0"]);
}

#[test]
fn numbers_that_do_not_fit_together() {
    check(
        |m| node(m, "model.2.slice1")["layer"]["len"] = json!(11),
        &["`model.2.slice1`", "6..17", "`model.2.cv1.act`", "16"],
    );
    check(|m| node(m, "model.2.slice1")["layer"]["len"] = json!(0), &["`model.2.slice1`", "6..6"]);
    check(
        |m| node(m, "model.2.slice1")["layer"]["start"] = json!(u64::MAX),
        &["`model.2.slice1`", &u64::MAX.to_string(), "16"],
    );
    check(
        |m| node(m, "model.2.m.0.cv2.conv")["layer"]["out_channels"] = json!(12),
        &["`model.2.m.0.add`", "`model.2.slice1` with 10", "`model.2.m.0.cv2.act` with 12"],
    );
}

#[test]
fn numbers_out_of_range() {
    let conv = |field: &'static str, value: Value, parts: &[&str]| {
        let parts: Vec<&str> = parts.iter().copied().chain(["`model.0.conv`"]).collect();
        check(|m| node(m, "model.0.conv")["layer"][field] = value, &parts);
    };
    conv("out_channels", json!(1_000_000_000_000_u64), &["channels is 1000000000000", "1..=65536"]);
    conv("out_channels", json!(0), &["channels is 0", "1..=65536"]);
    conv("out_channels", json!(1e30), &["1e+30"]);
    conv("out_channels", json!(-3), &["-3"]);
    conv("kernel", json!(u64::MAX), &["kernel is 18446744073709551615", "1..=64"]);
    conv("stride", json!(0), &["stride is 0", "1..=64"]);
    conv("padding", json!(u64::MAX), &["padding is 18446744073709551615", "smaller than the kernel"]);
    conv("bias", json!(1), &["1", "boolean"]);
    check(
        |m| node(m, "model.4.m.0")["layer"]["padding"] = json!(3),
        &["`model.4.m.0`", "padding is 3", "half"],
    );
    check(|m| node(m, "model.5")["layer"]["scale"] = json!(1000), &["`model.5`", "1000", "1..=64"]);
    check(|m| node(m, "model.0.bn")["layer"]["eps"] = json!(0.0), &["`model.0.bn`", "eps is 0", "positive"]);
    check(|m| node(m, "model.0.bn")["layer"]["eps"] = json!(1e300), &["`model.0.bn`", "eps is inf"]);
    check(|m| node(m, "model.0.bn")["layer"]["momentum"] = json!(1.5), &["momentum is 1.5", "0..=1"]);
    check(|m| node(m, "images")["layer"]["channels"] = json!(65_537), &["`images`", "65537", "65536"]);
}

/// Files of old programs have no `groups`; a model with one group is still written that way.
#[test]
fn one_group_is_not_written() {
    let plain = serde_json::to_value(detector()).unwrap();
    assert!(!plain.to_string().contains("groups"));
    let mut explicit = plain.clone();
    node(&mut explicit, "model.0.conv")["layer"]["groups"] = json!(1);
    assert_eq!(serde_json::from_value::<ModelSpec>(explicit).unwrap(), detector());
}

#[test]
fn groups_must_divide_both_sides() {
    let groups = |value: Value, parts: &[&str]| {
        let parts: Vec<&str> = parts.iter().copied().chain(["`model.2.m.0.cv2.conv`"]).collect();
        check(|m| node(m, "model.2.m.0.cv2.conv")["layer"]["groups"] = value, &parts);
    };
    groups(json!(0), &["groups is 0"]);
    groups(json!(3), &["groups is 3", "`model.2.m.0.cv1.act`", "layer's own 10"]);
    groups(json!(u64::MAX), &["groups is 18446744073709551615"]);
    groups(json!(-1), &["-1"]);
    groups(json!(1.5), &["1.5"]);
}

#[test]
fn names() {
    check(|m| node(m, "model.5")["name"] = json!("model.0.conv"), &["`model.0.conv`", "twice"]);
    for name in ["", "outputs", "a b", "a,b", "a=b", "(", "naïve", "a\nb"] {
        check(|m| node(m, "model.7.cv2.0")["name"] = json!(name), &[&format!("{name:?}"), "not valid"]);
    }
}

#[test]
fn heads_that_do_not_fit_the_graph() {
    let head = |field: &'static str, value: Value, parts: &[&str]| check(|m| m["head"][field] = value, parts);
    head("box_outputs", json!([0, 9]), &["position of an output", "expected 4", "got 9"]);
    head("box_outputs", json!([0, u64::MAX]), &["expected 4", "got 18446744073709551615"]);
    head("box_outputs", json!([0]), &["box outputs", "expected 2", "got 1"]);
    head("box_outputs", json!([0, 0]), &["different positions", "expected 4", "got 3"]);
    head("cls_outputs", json!([1, 2]), &["`model.7.cv2.1`", "expected 2", "got 8"]);
    head("reg_max", json!(16), &["`model.7.cv2.0`", "expected 64", "got 8"]);
    head("reg_max", json!(u64::MAX), &["`model.7.cv2.0`", "got 8"]);
    head("num_classes", json!(80), &["class names", "expected 80", "got 2"]);
    head("strides", json!([4]), &["expected 1", "got 2"]);
    head("strides", json!([0, 8]), &["strides", "[0, 8]", "1..=65536"]);
    head("strides", json!([8, 4]), &["strides", "[8, 4]", "ascending"]);
    head("strides", json!([4, 65_537]), &["strides", "65537", "65536"]);
    check(|m| m["class_names"] = json!(["cat"]), &["class names", "expected 2", "got 1"]);
    check(|m| m["graph"]["outputs"] = json!(["model.7.cv2.0"]), &["graph outputs", "expected 4", "got 1"]);
}

#[test]
fn another_graph_must_fit_the_same_head() {
    let model = detector();
    assert_eq!(model.with_graph(model.graph().clone()), Ok(model.clone()));
    let narrow = crate::graph("x = input() channels=3\noutputs = x");
    assert_names(&model.with_graph(narrow).unwrap_err().to_string(), &["expected 4", "got 1"]);
    let head = DetectHead { num_classes: 0, strides: Vec::new(), ..model.head().clone() };
    assert!(ModelSpec::new(model.graph().clone(), head, Vec::new()).is_err());
}
