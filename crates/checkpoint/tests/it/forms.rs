//! Tests of the forms in which users save a network: wrapped, fused, with other content, under any file name.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Graph, Op};

use crate::network::{Network, checkpoint, module, reclassed, sequential, with, with_module};
use crate::python::{Py, call, class, dict, object, tensor, text};
use crate::{assert_names, chain};

#[track_caller]
pub(crate) fn read(value: &Py) -> Checkpoint {
    Checkpoint::import_bytes(&value.save()).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

#[track_caller]
pub(crate) fn refused(value: &Py, parts: &[&str]) {
    let message =
        chain(&Checkpoint::import_bytes(&value.save()).map(drop).expect_err("this must be refused"));
    assert_names(&message, parts);
}

/// The notes of an import.
pub(crate) fn notes(bytes: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.pt");
    std::fs::write(&path, bytes).unwrap();
    let (read, notes) =
        Checkpoint::import_with_notes(&path).unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(read, Checkpoint::import_bytes(bytes).unwrap());
    notes
}

pub(crate) fn plain() -> Checkpoint {
    read(&Network::default().model())
}

/// The weights as a state dict; `prefix` replaces the prefix that every name has in a `DetectionModel`.
pub(crate) fn state(weights: &Weights, prefix: &str) -> Vec<(Py, Py)> {
    let named = |name: &str| Py::Str(format!("{prefix}{}", name.strip_prefix("model.").unwrap()));
    let mut entries: Vec<(Py, Py)> = weights
        .iter()
        .map(|(name, array)| (named(name), Py::Tensor(array.shape().to_vec(), array.data().to_vec())))
        .collect();
    let bins = Py::Tensor(vec![1, 16, 1, 1], (0..16u8).map(f32::from).collect());
    entries.push((named("model.22.dfl.conv.weight"), bins));
    entries
}

/// Whether a SiLU reads the output of a block.
pub(crate) fn has_silu(graph: &Graph, block: &str) -> bool {
    graph.find(&format!("{block}.act")).is_some_and(|id| matches!(graph.node(id).op(), Op::Silu))
}

#[test]
fn a_file_of_any_name_is_read() {
    let model = Network::default().model();
    let expected = plain();
    for stem in (1..=80).map(|letters| "n".repeat(letters)).chain(["größe 2".to_owned()]) {
        let read = Checkpoint::import_bytes(&model.save_as(&stem));
        assert!(read.is_ok_and(|read| read == expected), "{} letters", stem.len());
    }
}

#[test]
fn archives_of_other_writers_are_read() {
    let plain = Network::default().model().save();
    let expected = self::plain();
    let end = plain.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let field = |at: usize| u32::from_le_bytes(plain[end + at..][..4].try_into().unwrap());
    let [count, size, start] =
        [u32::from(plain[end + 10]) | u32::from(plain[end + 11]) << 8, field(12), field(16)];
    // PyTorch ends every file with the large record, a pointer to it, and the small record. In the small
    // record, set bits mean that the large one counts.
    let mut record =
        [b"PK\x06\x06".to_vec(), 44u64.to_le_bytes().to_vec(), vec![45, 0, 45, 0], vec![0; 8]].concat();
    for number in [count, count, size, start] {
        record.extend(u64::from(number).to_le_bytes());
    }
    let locator =
        [b"PK\x06\x07".to_vec(), vec![0; 4], (end as u64).to_le_bytes().to_vec(), vec![1, 0, 0, 0]].concat();
    for hidden in [false, true] {
        let mut last = plain[end..].to_vec();
        if hidden {
            last[8..20].fill(0xff);
        }
        let large = [&plain[..end], &record, &locator, &last].concat();
        assert_eq!(Checkpoint::import_bytes(&large).unwrap(), expected);
        // A comment, and bytes after the end.
        let mut commented = large.clone();
        let len = commented.len();
        commented[len - 2] = 3;
        commented.extend(b"abc");
        assert_eq!(Checkpoint::import_bytes(&commented).unwrap(), expected);
        assert_eq!(Checkpoint::import_bytes(&[commented, vec![0; 100]].concat()).unwrap(), expected);
    }
}

#[test]
fn a_fused_network_has_biases_in_place_of_batch_norm() {
    let network = Network { fused: true, ..Network::default() };
    let fused = read(&checkpoint(network.model(), vec![]));
    let graph = fused.model.graph();
    assert!(graph.find("model.2.m.0.cv1.bn").is_none() && has_silu(graph, "model.2.m.0.cv1"));
    assert_eq!(fused.weights.require("model.0.conv.bias").unwrap().shape(), [8]);
    assert_eq!(plain().fold_batch_norm().unwrap().model.graph(), graph);
    // A batch norm that `forward_fuse` would leave out.
    let mut layers = Network::default().layers();
    let forward = call("builtins.getattr", vec![Py::None, "forward_fuse".into()]);
    layers[0] = with(layers[0].clone(), "forward", forward);
    refused(&network.model_of(layers.clone()), &["`model.0`", "forward_fuse", "batch norm"]);
    // A `forward` from another program.
    layers[0] = with(network.layers()[0].clone(), "forward", class("__main__.quantised_forward"));
    refused(&network.model_of(layers), &["`model.0`", "`__main__.quantised_forward`", "not run"]);
}

#[test]
fn a_wrapped_network_is_found() {
    let model = || Network::default().model();
    let wrapped = |class: &str, name: &str| module(class, vec![(name, model())], vec![], vec![]);
    let expected = plain();
    for value in [
        wrapped("torch.nn.parallel.data_parallel.DataParallel", "module"),
        wrapped("torch._dynamo.eval_frame.OptimizedModule", "_orig_mod"),
        wrapped("torch.optim.swa_utils.AveragedModel", "module"),
        wrapped("ultralytics.models.yolo.model.YOLO", "model"),
        checkpoint(wrapped("torch.nn.parallel.distributed.DistributedDataParallel", "module"), vec![]),
        checkpoint(Py::None, vec![("ema", model())]),
        // Objects that are not modules: a trainer's average, YOLO of 8.0, a namespace.
        dict(vec![("ema", object("ultralytics.utils.torch_utils.ModelEMA", vec![("ema", model())]))]),
        object("ultralytics.yolo.engine.model.YOLO", vec![("model", model())]),
        object("argparse.Namespace", vec![("net", model())]),
    ] {
        assert!(read(&value) == expected);
    }
    refused(&wrapped("ultralytics.nn.tasks.SegmentationModel", "other"), &["`model`", "`SegmentationModel`"]);
    refused(&dict(vec![("other", model())]), &["a dictionary with other"]);
    refused(&object("__torch__.ultralytics.nn.tasks.DetectionModel", vec![]), &["TorchScript"]);
}

#[test]
fn what_is_beside_the_network_may_be_of_any_class() {
    let bytes = call("_codecs.encode", vec!["\u{1}\u{0}".into(), "latin1".into()]);
    let dtype = call("numpy.dtype", vec!["f8".into(), Py::Bool(false), Py::Bool(true)]);
    let raw = |parts: &[&[u8]]| Py::Raw(parts.concat());
    let values = vec![
        call("pathlib.PosixPath", vec!["/".into(), "data.yaml".into()]),
        call("pathlib._local.WindowsPath", vec!["C:\\".into()]),
        call("datetime.datetime", vec![bytes.clone()]),
        object("argparse.Namespace", vec![("imgsz", 64.into())]),
        object("ultralytics.utils.IterableSimpleNamespace", vec![("imgsz", 64.into())]),
        call("collections.defaultdict", vec![class("__builtin__.list")]),
        call("collections.Counter", vec![dict(vec![("a", 1.into())])]),
        call("collections.deque", vec![Py::List(vec![]), Py::Int(3)]),
        call("numpy._core.multiarray.scalar", vec![dtype.clone(), bytes.clone()]),
        call("numpy.core.multiarray._reconstruct", vec![class("numpy.ndarray"), Py::Tuple(vec![0.into()]), bytes]),
        call("torch.device", vec!["cpu".into()]),
        class("torch.float16"),
        call("torch.Size", vec![Py::Tuple(vec![1.into()])]),
        call("enum.Enum", vec![2.into()]),
        call("decimal.Decimal", vec!["0.1".into()]),
        call("functools.partial", vec![class("torch.nn.modules.conv.Conv2d")]),
        call("__builtin__.getattr", vec![dict(vec![]), "copy".into()]),
        // The result of a method, called again.
        Py::Call(Box::new(call("__builtin__.getattr", vec![Py::None, "a".into()])), vec![]),
        call("copy_reg._reconstructor", vec![class("my.Thing"), class("__builtin__.object"), Py::None]),
        object("a_module_that_nobody_has.Thing", vec![("inner", object("another.Thing", vec![]))]),
        call("torch._utils._rebuild_qtensor", vec![1.into()]),
        // A tensor with a storage of unknown type, one that uses a number twice, one with attributes.
        raw(&[b"(X\x07\x00\x00\x00storagectorch\nComplexFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x10tQ"]),
        raw(&[b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00K\x02\x85K\x00\x85\x89NtR"]),
        // Instructions of old and new protocols: INST, OBJ, PERSID, EXT1, NEWOBJ_EX, buffer, bytes, longs.
        raw(&[b"(I1\nS'a'\nimy_module\nThing\n"]),
        raw(&[b"(cmy_module\nThing\nK\x01o"]),
        raw(&[b"Psome id\n"]),
        raw(&[b"\x82\x01"]),
        raw(&[b"cmy_module\nThing\n)}\x92"]),
        raw(&[b"\x97\x98"]),
        raw(&[b"\x96\x02\x00\x00\x00\x00\x00\x00\x00ab"]),
        raw(&[b"\x8b\x09\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"]),
        raw(&[b"(lL123456789012345678901234567890L\na(dVgr\\u00fcn\nF1.5\nsa0N"]),
        raw(&[&text("collections"), &text("UserDict"), b"\x93)\x81}(", &text("k"), b"NuN0b"]),
        tensor(&[2, 2]),
    ];
    let expected = plain();
    for (i, value) in values.iter().enumerate() {
        let beside = checkpoint(Network::default().model(), vec![("train_metrics", value.clone())]);
        assert!(read(&beside).weights == expected.weights, "value {i}");
        // As an attribute of the network too.
        assert!(read(&with(Network::default().model(), "args", value.clone())) == expected, "value {i}");
    }
    // Training arguments may also be an object instead of a dictionary.
    let arguments = object("argparse.Namespace", vec![("imgsz", 96.into()), ("data", values[0].clone())]);
    let read = read(&checkpoint(Network::default().model(), vec![("train_args", arguments)]));
    assert_eq!(
        (read.metadata["imgsz"].as_str(), read.metadata["train_args"].as_str()),
        ("96", r#"{"imgsz":96}"#)
    );
}

#[test]
fn inside_the_network_every_class_must_be_known() {
    let network = Network::default();
    let change = |index: usize, change: &dyn Fn(Py) -> Py| {
        let mut layers = network.layers();
        layers[index] = change(layers[index].clone());
        network.model_of(layers)
    };
    for (value, parts) in [
        (
            change(2, &|layer| reclassed(layer, "timm.layers.CBAM")),
            &["`model.2`", "`CBAM`", "`timm.layers`"][..],
        ),
        // Known class names from other packages.
        (
            change(0, &|layer| reclassed(layer, "models.common.Conv")),
            &["`model.0`", "`Conv`", "`models.common`"],
        ),
        (
            change(3, &|layer| {
                with_module(layer, "act", module("torch.nn.modules.activation.ReLU", vec![], vec![], vec![]))
            }),
            &["`model.3.act`", "`ReLU`", "SiLU"],
        ),
        (
            change(3, &|layer| with_module(layer, "act", object("my.Act", vec![]))),
            &["`model.3.act`", "`Act`", "`my`"],
        ),
        (change(3, &|layer| with_module(layer, "conv", 7.into())), &["`model.3.conv`", "7"]),
        (
            change(22, &|layer| with_module(layer, "one2one_cv2", sequential(vec![]))),
            &["`model.22`", "`one2one_cv2`"],
        ),
        (change(5, &|layer| with(layer, "f", 99.into())), &["`model.5`", "99"]),
        (change(5, &|layer| with(layer, "f", (-6).into())), &["`model.5`", "-6"]),
    ] {
        refused(&value, parts);
    }
    // A broken tensor is refused inside the network and ignored outside of it.
    let twice = Py::Raw(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000\
        X\x03\x00\x00\x00cpuK\x10tQK\x00K\x02\x85K\x00\x85\x89NtR".to_vec());
    let norm = |value: Py| {
        let bn = module("torch.nn.modules.batchnorm.BatchNorm2d", vec![], vec![("weight", value)], vec![]);
        change(0, &move |layer| with_module(layer, "bn", bn.clone()))
    };
    refused(&norm(twice), &["`model.0.bn.weight`", "overlaps itself"]);
    refused(&norm(object("my.Quantised", vec![])), &["`model.0.bn`", "`weight`", "`my.Quantised`"]);
    // Python runs a hook; the import does not.
    let hooks = dict(vec![("1", class("__main__.multiply_by_two"))]);
    let hooked = change(4, &move |layer| with(layer, "_forward_hooks", hooks.clone()));
    assert_names(&notes(&hooked.save()).join("\n"), &["`model.4`", "hooks"]);
}

#[test]
fn a_tensor_with_attributes_is_a_tensor() {
    let typed = |inner: Py| {
        let Py::Tensor(..) = &inner else { panic!("a tensor") };
        call(
            "torch._utils._rebuild_parameter_with_state",
            vec![inner, Py::Bool(true), Py::None, dict(vec![])],
        )
    };
    let network = Network::default();
    let mut layers = network.layers();
    let norm = module(
        "torch.nn.modules.batchnorm.BatchNorm2d",
        vec![],
        ["weight", "bias", "running_mean", "running_var"].map(|name| (name, typed(tensor(&[8])))).to_vec(),
        vec![("eps", Py::Float(1e-3)), ("momentum", Py::Float(0.03))],
    );
    layers[0] = with_module(layers[0].clone(), "bn", norm);
    assert!(read(&network.model_of(layers)) == plain());
}
