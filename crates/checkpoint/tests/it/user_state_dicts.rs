//! Tests of state dicts, class branches and names as users save them.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Op;

use crate::forms::{has_silu, notes, plain, read, refused, state};
use crate::network::{Network, module, with_module};
use crate::python::{Py, dict, object, tensor};
use crate::{assert_names, chain};

#[test]
fn a_state_dict_with_any_prefix_is_read_and_says_what_it_assumes() {
    let expected = plain();
    for prefix in
        ["", "model.", "model.model.", "module.", "module.model.", "_orig_mod.model.", "ema.module.model."]
    {
        let entries = state(&expected.weights, prefix);
        let file = Py::Dict(entries.clone()).save();
        let read =
            Checkpoint::import_bytes(&file).unwrap_or_else(|error| panic!("{prefix}: {}", chain(&error)));
        assert!(read.model.graph() == expected.model.graph() && read.weights == expected.weights, "{prefix}");
        assert_names(&notes(&file).join("\n"), &["SiLU", "`model.9.cv1`", "8.4.140"]);
        let averaged = Py::Raw(
            b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nLongStorage\n\
            X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00))\x89NtR"
                .to_vec(),
        );
        let more = [entries, vec![("epoch".into(), 3.into()), ("n_averaged".into(), averaged)]].concat();
        let inner = dict(vec![("state_dict", Py::Dict(more)), ("epoch", 3.into())]);
        assert!(self::read(&inner).weights == expected.weights, "{prefix}");
    }
    let two = [state(&expected.weights, "a."), state(&expected.weights, "b.")].concat();
    refused(&Py::Dict(two), &["several networks", "`a.` and `b.`"]);
    let stray =
        [state(&expected.weights, "module.model."), vec![("model.0.conv.weight".into(), tensor(&[1]))]]
            .concat();
    refused(&Py::Dict(stray), &["two tensors `model.0.conv.weight`"]);
}

#[test]
fn the_activation_behind_the_pyramid_is_what_the_file_says() {
    let expected = plain();
    for (sppf, silu) in [("activation.SiLU", true), ("linear.Identity", false)] {
        let file = Network { sppf, ..Network::default() }.model().save();
        let read = Checkpoint::import_bytes(&file).unwrap();
        assert_eq!(has_silu(read.model.graph(), "model.9.cv1"), silu);
        assert_eq!(notes(&file), Vec::<String>::new());
        assert_eq!(read.weights, expected.weights);
        // A state dict that Bonsai wrote lists the activations, so the import assumes nothing.
        let written = read.to_state_dict().unwrap();
        let again = Checkpoint::import_bytes(&written).unwrap();
        assert!(again.model.graph() == read.model.graph() && again.weights == read.weights);
        assert_eq!(notes(&written), Vec::<String>::new());
        assert_eq!(written, read.to_state_dict().unwrap());
    }
}

#[test]
fn class_branches_may_be_depthwise() {
    let network = Network { depthwise: true, ..Network::default() };
    let read = read(&network.model());
    let graph = read.model.graph();
    for (name, groups, shape) in
        [("0.0", 8, [8, 1, 3, 3]), ("0.1", 1, [8, 8, 1, 1]), ("1.0", 8, [8, 1, 3, 3])]
    {
        let conv = format!("model.22.cv3.2.{name}.conv");
        let op = graph.node(graph.find(&conv).unwrap()).op();
        assert!(matches!(op, Op::Conv2d { groups: g, .. } if *g == groups), "{op:?}");
        assert_eq!(read.weights.require(&format!("{conv}.weight")).unwrap().shape(), shape);
        assert!(has_silu(graph, &format!("model.22.cv3.2.{name}")));
    }
    // The shapes of a state dict show the depthwise convolutions too.
    let state = self::read(&Py::Dict(state(&read.weights, "model.")));
    assert!(state.model.graph() == graph && state.weights == read.weights);
    let mut layers = network.layers();
    layers[1] = with_module(layers[1].clone(), "conv", {
        let weight = vec![("weight", tensor(&[8, 1, 3, 3]))];
        let pair = Py::Tuple(vec![1.into(), 1.into()]);
        let attributes = vec![("groups", 2.into()), ("stride", pair.clone()), ("padding", pair)];
        module("torch.nn.modules.conv.Conv2d", vec![], weight, attributes)
    });
    // Two groups of one channel each, although the input has eight channels.
    refused(&network.model_of(layers), &["`model.1.conv.weight`", "[8, 4, 3, 3]"]);
}

#[test]
fn names_of_any_kind_are_read() {
    let entries = |entries: &[(Py, Py)]| Py::Dict(entries.to_vec());
    let strings = entries(&[("0".into(), "a".into()), ("1".into(), "b".into()), ("2".into(), "c".into())]);
    let few = entries(&[(0.into(), "a".into())]);
    let ints = entries(&[(0.into(), 0.into()), (1.into(), 1.into()), (2.into(), 2.into())]);
    let many =
        entries(&[(0, "a"), (1, "b"), (2, "c"), (3, "d")].map(|(key, name)| (key.into(), name.into())));
    let list = Py::List(["a", "b", "c"].map(Py::from).to_vec());
    let numbers = ["class0", "class1", "class2"];
    for (names, expected, said) in [
        (strings, ["a", "b", "c"], &[][..]),
        (list, ["a", "b", "c"], &[]),
        (few, ["a", "class1", "class2"], &["3 classes", "a dictionary of 1", "2 of them"]),
        (Py::List(vec!["a".into()]), ["a", "class1", "class2"], &["a list of 1"]),
        (many, ["a", "b", "c"], &["1 names for classes"]),
        (ints, ["0", "1", "2"], &["not a text"]),
        (Py::None, numbers, &["None", "they have numbers"]),
        (object("my.Names", vec![]), numbers, &["`my.Names`"]),
        (dict(vec![("x", "a".into())]), numbers, &["a dictionary of 1"]),
        (
            entries(&[(0.into(), "a".into()), (0.into(), "b".into())]),
            ["b", "class1", "class2"],
            &["2 of them"],
        ),
    ] {
        let file = Network { names, ..Network::default() }.model().save();
        assert_eq!(Checkpoint::import_bytes(&file).unwrap().model.class_names(), expected);
        let notes = notes(&file).join("\n");
        assert_names(&notes, said);
        assert_eq!(notes.is_empty(), said.is_empty(), "{notes}");
    }
}
