//! Tests of files that would take far more memory or time than their length: they are refused first.

use bonsai_checkpoint::Checkpoint;

use crate::network::Network;
use crate::python::{Py, archive, dict, text};
use crate::{assert_names, chain};

#[track_caller]
fn refused(file: &[u8], parts: &[&str]) {
    let message = chain(&Checkpoint::import_bytes(file).map(drop).expect_err("this must be refused"));
    assert_names(&message, parts);
}

/// A file with a pickle and a storage of a megabyte.
fn pickled(pickle: &[u8]) -> Vec<u8> {
    archive(&[("a/data.pkl", pickle), ("a/byteorder", b"little"), ("a/data/0", &vec![0; 1 << 20])])
}

/// A storage that claims this many numbers, although the file has a megabyte.
fn storage(kind: &str, numbers: i64) -> Vec<u8> {
    let len = [&b"\x8a\x08"[..], &numbers.to_le_bytes()].concat();
    let class = format!("ctorch\n{kind}\n").into_bytes();
    [b"(".to_vec(), text("storage"), class, text("0"), text("cpu"), len, b"tQ".to_vec()].concat()
}

fn sizes(values: &[i64]) -> Vec<u8> {
    let numbers = values.iter().flat_map(|value| [&b"\x8a\x08"[..], &value.to_le_bytes()].concat());
    [b"(".to_vec(), numbers.collect(), b"t".to_vec()].concat()
}

fn tensor(storage: &[u8], shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    [rebuild, storage.to_vec(), b"K\x00".to_vec(), sizes(shape), sizes(strides), b"\x89NtR".to_vec()].concat()
}

#[test]
fn sizes_that_wrap_are_no_sizes() {
    for (kind, numbers, shape, strides) in [
        ("FloatStorage", 1 << 62, [1 << 62, 1, 1, 1], [1, 1, 1, 1]),
        ("FloatStorage", (1 << 62) + 4, [4, 1, 1, 1], [1, 1, 1, 1]),
        ("DoubleStorage", 1 << 61, [1 << 30, 1 << 30, 1, 1], [1 << 30, 1, 1, 1]),
        ("FloatStorage", 1 << 62, [1 << 20, 1 << 20, 1, 1], [1 << 40, 1 << 20, 1, 1]),
        ("HalfStorage", i64::MAX, [i64::MAX, 1, 1, 1], [1, 1, 1, 1]),
    ] {
        let tensor = tensor(&storage(kind, numbers), &shape, &strides);
        let dict = [b"\x80\x02}".to_vec(), text("model.0.conv.weight"), tensor, b"s.".to_vec()].concat();
        refused(&pickled(&dict), &["`a/data/0` has 1048576 bytes"]);
    }
    // Zero times any size is zero.
    let none = tensor(&storage("FloatStorage", 4), &[i64::MAX, 0, 1, 1], &[i64::MAX, i64::MAX, 1, 1]);
    let dict = [b"\x80\x02}".to_vec(), text("model.0.conv.weight"), none, b"s.".to_vec()].concat();
    refused(&pickled(&dict), &["`model.0.conv.weight`", "at least one number"]);
}

#[test]
fn names_that_share_a_storage_are_not_copied_one_by_one() {
    // A tensor of a megabyte in the memo, used under many names.
    let shared = |names: usize| {
        let whole = tensor(&storage("FloatStorage", 1 << 18), &[1 << 18], &[1]);
        let mut pickle =
            [b"\x80\x02}".to_vec(), text("model.0.conv.weight"), whole, b"q\x01s".to_vec()].concat();
        for name in 0..names {
            pickle.extend([text(&format!("model.{name}.weight")), b"h\x01s".to_vec()].concat());
        }
        pickle.push(b'.');
        pickled(&pickle)
    };
    refused(&shared(100), &["share the same numbers"]);
    refused(&shared(100_000), &["more than 16384 tensors"]);
}

#[test]
fn a_network_of_modules_that_are_each_other_is_not_walked_for_ever() {
    // Each module has the next one twice and a hundred tensors, all from the memo.
    let begin =
        [b"ctorch.nn.modules.container\nSequential\n)\x81}(".to_vec(), text("_modules"), b"}(".to_vec()]
            .concat();
    let mut levels = tensor(&storage("FloatStorage", 4), &[4], &[1]);
    levels.extend(b"q\x000");
    let named: Vec<u8> =
        (0..100).flat_map(|i| [text(&format!("t{i}")), b"h\x00".to_vec()].concat()).collect();
    let tensors = [text("_parameters"), b"}(".to_vec(), named, b"u".to_vec()].concat();
    levels.extend([begin.clone(), b"u".to_vec(), tensors.clone(), b"ubq\x010".to_vec()].concat());
    for _ in 0..28 {
        let twice = [text("a"), b"h\x01".to_vec(), text("b"), b"h\x01".to_vec()].concat();
        levels.extend([begin.clone(), twice, b"u".to_vec(), tensors.clone(), b"ubq\x010".to_vec()].concat());
    }
    let model =
        [b"cultralytics.nn.tasks\nDetectionModel\n)\x81}(".to_vec(), text("_modules"), b"}(".to_vec()]
            .concat();
    let model = [model, text("model"), b"h\x01uub.".to_vec()].concat();
    refused(&pickled(&[b"\x80\x02".to_vec(), levels, model].concat()), &["more than 16384"]);
}

#[test]
fn a_dictionary_that_all_share_is_not_searched_by_all() {
    // A module with a hundred thousand attributes, under a hundred names in a list of modules that contains
    // itself.
    let mut pickle = [b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81q\x01}(".to_vec()].concat();
    for attribute in 0..100_000 {
        pickle.extend([text(&format!("{attribute}")), b"N".to_vec()].concat());
    }
    pickle.extend([text("_modules"), b"}(".to_vec()].concat());
    for name in 0..100 {
        pickle.extend([text(&format!("{name}")), b"h\x01".to_vec()].concat());
    }
    pickle.extend(b"uub0");
    let model =
        [b"cultralytics.nn.tasks\nDetectionModel\n)\x81}(".to_vec(), text("_modules"), b"}(".to_vec()]
            .concat();
    pickle.extend([model, text("model"), b"h\x01uub.".to_vec()].concat());
    refused(&pickled(&pickle), &["attributes"]);
}

#[test]
fn a_program_makes_only_so_many_values() {
    let long = text(&"x".repeat(1 << 20));
    let tensor = b"q\x010ctorch._utils\n_rebuild_tensor_v2\n(NNNNtRq\x020".to_vec();
    let named = [b"}".to_vec(), text(&format!("{}weight", "x".repeat(1 << 20))), tensor].concat();
    for (begin, again, end, says) in [
        // Values, values in the memo, and names of a megabyte each.
        (&b""[..], &b"]"[..], &b"."[..], "more than 4194304 values"),
        (b"N", b"\x94", b".", "values in the memo"),
        (b"N", b"2", b".", "expected an Ultralytics YOLOv8"),
        (b"(", b"(", b"t.", "a tuple of 0"),
        (&[&long[..], b"q\x01"].concat(), b"h\x01h\x01\x930", b".", "expected an Ultralytics YOLOv8"),
        // The same with names of tensors.
        (&named, b"h\x01h\x02s", b".", "bytes of a name"),
        // Copies of a list that grows.
        (b"]q\x01(", b"NNNNNNNN", b"ec__builtin__\nset\nh\x01\x85R.", "more than 4194304 values"),
        (
            b"c__builtin__\nset\nq\x00](NNNNNNNNNNNNNNNNe\x85q\x01",
            b"h\x00h\x01R0",
            b".",
            "more than 4194304 values",
        ),
        // Tensors, valid and broken ones.
        (
            b"ctorch._utils\n_rebuild_tensor_v2\nq\x00(NNNNtq\x01",
            b"h\x00h\x01R0",
            b".",
            "more than 4194304 values",
        ),
    ] {
        let room = (15 << 20) - begin.len();
        let times = (room / again.len()).min(8 << 20);
        let pickle = [b"\x80\x04".to_vec(), begin.to_vec(), again.repeat(times), end.to_vec()].concat();
        refused(&pickled(&pickle), &[says]);
    }
}

#[test]
fn a_number_that_says_how_often_is_not_believed() {
    // The number of poolings, and the bins per side.
    let network = Network::default();
    let mut layers = network.layers();
    let huge = || Py::Raw([&b"\x8a\x08"[..], &i64::MAX.to_le_bytes()].concat());
    layers[9] = crate::network::with(layers[9].clone(), "n", huge());
    refused(&network.model_of(layers).save(), &["`model.9`", "poolings"]);
    let mut layers = network.layers();
    layers[22] = crate::network::with(layers[22].clone(), "reg_max", huge());
    refused(&network.model_of(layers).save(), &["`model.22`", "box channels"]);
    // The same text for every training argument.
    let text = Py::Str("x".repeat(1000));
    let arguments: Vec<(Py, Py)> = (0..2000).map(|i| (Py::Str(format!("k{i}")), text.clone())).collect();
    let file = dict(vec![("model", network.model()), ("train_args", Py::Dict(arguments))]).save();
    let read = Checkpoint::import_bytes(&file).unwrap();
    assert!(read.metadata["train_args"].len() < 1 << 17);
}

#[test]
fn the_directory_of_an_archive_is_not_believed() {
    let whole = Network::default().model().save();
    let end = whole.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let change = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let start = u32::from_le_bytes(whole[end + 16..end + 20].try_into().unwrap()) as usize;
    let max = [0xff; 4];
    // Count, length and offset of the directory; length, packed length and offset of an entry; lengths of its
    // name and fields.
    for (at, bytes) in
        [(10, &max[..2]), (12, &max), (16, &max), (8, &[0xff; 12]), (12, &[0; 4]), (16, &[0; 4])]
    {
        refused(&change(end + at, bytes), &["not a complete archive"]);
    }
    for at in [20, 24, 28, 30, 32, 42] {
        let mut file = change(start + at, &max[..2]);
        file[start + at + 1] = 0x7f;
        assert!(Checkpoint::import_bytes(&file).is_err(), "byte {at} of an entry");
    }
    // Two entries of one name.
    let one = &b"archive/data/10"[..];
    let two = &b"archive/data/11"[..];
    let at = start + whole[start..].windows(two.len()).position(|window| window == two).unwrap();
    refused(&change(at, one), &["two entries `archive/data/10`"]);
    // Pointers to the record of large archives that point to a wrong place.
    let locator = |to: u64| {
        let locator =
            [b"PK\x06\x07".to_vec(), vec![0; 4], to.to_le_bytes().to_vec(), vec![1, 0, 0, 0]].concat();
        [&whole[..end], &locator, &whole[end..]].concat()
    };
    for to in [0, end as u64, end as u64 + 100, u64::MAX - 8, u64::MAX] {
        refused(&locator(to), &["not a complete archive"]);
    }
}
