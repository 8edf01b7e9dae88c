//! Tests of `.pt` files: which are read, and which are refused with a name or place.

use std::io::{Cursor, Read};

use bonsai_checkpoint::Checkpoint;
use bonsai_testkit::imported;
use zip::ZipArchive;

use crate::network::{Network, checkpoint};
use crate::python::{Py, archive, text};
use crate::{assert_names, chain};

#[track_caller]
fn refused(bytes: &[u8], parts: &[&str]) {
    let message = chain(&Checkpoint::import_bytes(bytes).map(drop).expect_err("this must be refused"));
    assert_names(&message, parts);
}

/// A real file with a changed pickle.
fn with_pickle(name: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut from = ZipArchive::new(Cursor::new(imported(name))).unwrap();
    let mut entries = Vec::new();
    for i in 0..from.len() {
        let mut entry = from.by_index(i).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let name = entry.name().unwrap().into_owned();
        let pickled = name.ends_with("data.pkl");
        entries.push((name, if pickled { change(bytes) } else { bytes }));
    }
    let entries: Vec<_> = entries.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    archive(&entries)
}

/// Replaces a byte sequence wherever it occurs.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut found = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
            found += 1;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    assert!(found > 0, "the pickle has no {:?}", String::from_utf8_lossy(from));
    out
}

/// A file with this pickle and a storage of 16 numbers.
fn pickled(pickle: &[u8]) -> Vec<u8> {
    archive(&[("a/data.pkl", pickle), ("a/byteorder", b"little"), ("a/data/0", &[0; 64])])
}

fn ints(values: &[i32]) -> Vec<u8> {
    let numbers = values.iter().flat_map(|v| [&b"J"[..], &v.to_le_bytes()].concat());
    [b"(".to_vec(), numbers.collect(), b"t".to_vec()].concat()
}

/// A state dict of one tensor.
fn state_dict(name: &str, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let storage =
        [&b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"[..], &text("0"), &text("cpu"), b"K\x10tQ"]
            .concat();
    let offset = [&b"J"[..], &offset.to_le_bytes()].concat();
    let rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    let tensor = [rebuild, storage, offset, ints(shape), ints(strides), b"\x89NtR".to_vec()].concat();
    [b"\x80\x02}(".to_vec(), text(name), tensor, b"u.".to_vec()].concat()
}

#[test]
fn what_ultralytics_and_torch_pruning_saved_is_read() {
    for (name, version, uneven) in
        [("old", "8.0.90", false), ("bare", "of unknown version", false), ("pruned", "8.4.190", true)]
    {
        let checkpoint = Checkpoint::import_bytes(&imported(name)).unwrap();
        assert_eq!(checkpoint.model.class_names(), ["leaf", "twig", "große Wurzel"], "{name}");
        assert_eq!(checkpoint.metadata["imported_from"], format!("Ultralytics {version}"));
        let imgsz = checkpoint.metadata.get("imgsz").map(String::as_str);
        assert_eq!(imgsz, if name == "bare" { None } else { Some("64") });
        let arguments = checkpoint.metadata.get("train_args").map(String::as_str);
        let expected = r#"{"batch":16,"data":"none.yaml","imgsz":64}"#;
        assert_eq!(arguments, if name == "bare" { None } else { Some(expected) });
        assert_eq!(checkpoint.model.head().strides, [8, 16, 32]);
        let graph = checkpoint.model.graph();
        assert_eq!(graph.find("model.6.cv0.conv").is_some(), uneven);
        if uneven {
            let channels = |name: String| graph.node(graph.find(&name).unwrap()).channels();
            let differ =
                |i| channels(format!("model.{i}.cv0.conv")) != channels(format!("model.{i}.cv1.conv"));
            assert!([2, 4, 6, 8, 12, 15, 18, 21].into_iter().any(differ), "the halves are uneven");
        }
        // The result can be written and read like any checkpoint.
        assert_eq!(Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap(), checkpoint);
    }
}

#[test]
fn another_architecture_is_named_with_its_place() {
    for (from, to, parts) in [
        ("block\nSPPF\n", "block\nSPPELAN\n", ["`model.9`", "`SPPELAN`"]),
        ("block\nBottleneck\n", "block\nGhostBottleneck\n", ["`model.2.m.0`", "`GhostBottleneck`"]),
        ("head\nDetect\n", "head\nSegment\n", ["`model.22`", "`Segment`"]),
        ("tasks\nDetectionModel\n", "tasks\nPoseModel\n", ["`model`", "`PoseModel`"]),
        ("activation\nSiLU\n", "activation\nReLU\n", ["`model.0.act`", "`ReLU`"]),
    ] {
        refused(&with_pickle("pruned", |p| replaced(&p, from.as_bytes(), to.as_bytes())), &parts);
    }
    let old =
        |p: Vec<u8>| replaced(&p, b"ultralytics.nn.modules\nConcat\n", b"ultralytics.nn.modules\nGhost\n");
    refused(&with_pickle("old", old), &["`model.11`", "`Ghost`"]);
}

#[test]
fn nothing_in_a_pickle_is_run() {
    let witness = std::env::temp_dir().join(format!("bonsai-pickle-{}", std::process::id()));
    let command = format!("touch {}", witness.display());
    for module in ["os", "posix", "nt", "subprocess", "builtins", "__builtin__"] {
        let named = format!("c{module}\nsystem\n").into_bytes();
        let call = [b"\x80\x02".to_vec(), named, text(&command), b"\x85R.".to_vec()].concat();
        refused(&pickled(&call), &[&format!("`{module}.system`"), "not run"]);
    }
    // The same with the newer instruction.
    let newer = [
        b"\x80\x04".to_vec(),
        text("os"),
        text("system"),
        b"\x93".to_vec(),
        text(&command),
        b"\x85R.".to_vec(),
    ];
    refused(&pickled(&newer.concat()), &["`os.system`"]);
    // Outside of the network, the call is a value like any other. The notes mention it, because Python would
    // run it.
    let call = [b"cos\nsystem\n".to_vec(), text(&command), b"\x85R".to_vec()].concat();
    let file = checkpoint(Network::default().model(), vec![("date", Py::Raw(call))]).save();
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let (_, notes) = Checkpoint::import_with_notes(path.path()).unwrap();
    assert_names(&notes.join("\n"), &["`os.system`", "was not run here"]);
    assert!(!witness.exists(), "the pickle was run");
}

#[test]
fn a_cut_off_file_is_refused_wherever_it_ends() {
    let whole = imported("pruned");
    for part in 0..40 {
        let len = whole.len() * part / 40;
        assert!(Checkpoint::import_bytes(&whole[..len]).is_err(), "{len} of {} bytes", whole.len());
    }
    refused(&whole[..whole.len() - 1], &["not a complete archive"]);
    let pickle = |p: Vec<u8>| p[..p.len() / 2].to_vec();
    refused(&with_pickle("pruned", pickle), &["at byte"]);
}

#[test]
fn sizes_that_are_announced_are_not_believed() {
    // Zip bombs are compressed: set method 8 in both headers of the pickle.
    let mut bomb = pickled(b"\x80\x02}.");
    for (signature, method) in [(&b"PK\x03\x04"[..], 8), (&b"PK\x01\x02"[..], 10)] {
        let at = bomb.windows(4).position(|w| w == signature).unwrap();
        bomb[at + method] = 8;
    }
    refused(&bomb, &["`a/data.pkl`", "compressed"]);
    // Sizes of four gigabytes in the directory.
    let mut large = pickled(b"\x80\x02}.");
    let at = large.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    large[at + 20..at + 28].copy_from_slice(&[0xf0, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff]);
    assert!(Checkpoint::import_bytes(&large).is_err());
    // A text, a long number and a tuple that are longer than the pickle.
    refused(&pickled(b"\x80\x02X\xff\xff\xff\x7fabc."), &["2147483647 bytes are announced"]);
    refused(&pickled(b"\x80\x02\x8a\xff\x00."), &["255 bytes are announced"]);
    refused(&pickled(b"\x80\x02t."), &["no mark"]);
    // A storage that is shorter than its tensor needs.
    let long = state_dict("model.0.conv.weight", 0, &[16], &[1]);
    let short = archive(&[("a/data.pkl", &long), ("a/data/0", &[0; 60])]);
    refused(&short, &["`a/data/0`", "60", "64"]);
}

#[test]
fn a_changed_byte_is_noticed() {
    let whole = imported("bare");
    for part in 1..40 {
        let mut bytes = whole.clone();
        let at = whole.len() * part / 40;
        bytes[at] ^= 1;
        // Bytes outside of the entries' content (padding, unused names) may change.
        if let Ok(read) = Checkpoint::import_bytes(&bytes) {
            assert!(read == Checkpoint::import_bytes(&whole).unwrap(), "byte {at}");
        }
    }
}

#[test]
fn tensors_must_lie_in_their_storage_once() {
    for (offset, shape, strides, says) in [
        (0, &[17][..], &[1][..], "ends at 16 in a storage of 16"),
        (13, &[2, 2], &[2, 1], "ends at 16"),
        (-1, &[2], &[1], "negative"),
        (0, &[2, 2], &[-2, 1], "negative"),
        (0, &[4, 4], &[1, 1], "overlaps"),
        (0, &[1 << 30, 1 << 30, 1 << 30], &[1, 1, 1], "larger than memory"),
    ] {
        refused(&pickled(&state_dict("model.0.conv.weight", offset, shape, strides)), &["at byte", says]);
    }
    // This tensor fits, and the error names the first missing one.
    let fits = state_dict("model.0.conv.weight", 0, &[1, 1, 4, 4], &[16, 16, 4, 1]);
    refused(&pickled(&fits), &["`model.1.conv.weight` is missing"]);
}

#[test]
fn depth_is_no_danger() {
    const DEPTH: usize = 10_000;
    let lists = [b"\x80\x02".to_vec(), b"]".repeat(DEPTH), b"a".repeat(DEPTH - 1), b".".to_vec()].concat();
    refused(&pickled(&lists), &["a list of 1"]);
    let tuples = [b"\x80\x02)".to_vec(), b"\x85".repeat(DEPTH), b".".to_vec()].concat();
    refused(&pickled(&tuples), &["a tuple of 1"]);
    let marks = [b"\x80\x02".to_vec(), b"(".repeat(DEPTH), b"t".repeat(DEPTH), b".".to_vec()].concat();
    refused(&pickled(&marks), &["a tuple of 1"]);
    // Modules in modules, and one in itself.
    let begin =
        [b"ctorch.nn.modules.container\nSequential\n)\x81}(".to_vec(), text("_modules"), b"}(".to_vec()];
    let inner = [begin.concat(), text("0")].concat();
    let modules =
        [b"\x80\x02".to_vec(), inner.repeat(DEPTH), b"N".to_vec(), b"uub".repeat(DEPTH), b".".to_vec()];
    refused(&pickled(&modules.concat()), &["`Sequential`"]);
    let own = [
        b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n)\x81q\x00}(".to_vec(),
        text("_modules"),
        b"}(".to_vec(),
    ];
    let own = [own.concat(), text("model"), b"h\x00uub.".to_vec()].concat();
    refused(&pickled(&own), &["nested"]);
}

#[test]
fn a_network_in_a_network_is_not_walked_for_ever() {
    // The activation, which every block shares, contains itself twice.
    let silu = b"ctorch.nn.modules.activation\nSiLU\n";
    let looped = with_pickle("bare", |p| {
        let at = p.windows(silu.len()).position(|w| w == silu).unwrap();
        let built = at + p[at..].windows(2).position(|w| w == b"ub").unwrap() + 2;
        let memo = |index: u32| [&b"j"[..], &index.to_le_bytes()].concat();
        let remember = [&b"r"[..], &0xffff_u32.to_le_bytes()].concat();
        let again = [
            b"}(".to_vec(),
            text("_modules"),
            b"}(".to_vec(),
            text("a"),
            memo(0xffff),
            text("b"),
            memo(0xffff),
            b"uub".to_vec(),
        ];
        [p[..built].to_vec(), remember, again.concat(), p[built..].to_vec()].concat()
    });
    refused(&looped, &["nested"]);
}

#[test]
fn other_files_are_named() {
    refused(b"", &["first bytes"]);
    refused(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46", &["before 1.6"]);
    refused(&archive(&[("a/constants.pkl", b"")]), &["data.pkl"]);
    refused(&archive(&[("a/data.pkl", b"\x80\x02}."), ("a/byteorder", b"big")]), &["big-endian"]);
    refused(&pickled(b"\x80\x02}."), &["a dictionary with"]);
    refused(&pickled(b"\x80\x02K\x01."), &["1; expected an Ultralytics YOLOv8"]);
    refused(&pickled(b"\x80\x02i."), &["cut off"]);
    refused(&pickled(b"\x80\x02\xff."), &["0xff"]);
}
