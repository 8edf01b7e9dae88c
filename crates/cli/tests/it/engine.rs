//! `engine` and `inspect`: kinds of files, engines built by a stand-in for trtexec, and both forms of an
//! engine.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use bonsai_testkit::imported;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{answer, misuse, refusal, xtask};

/// A stand-in for trtexec: writes a plan of 64 + 140 bytes and succeeds, like TensorRT 10.16.
pub(crate) const TRTEXEC: &str = r#"#!/bin/sh
echo '&&&& RUNNING TensorRT.trtexec [TensorRT v101600] # trtexec'
if [ "$1" = --help ]; then echo ' --fp16 --stronglyTyped --skipInference'; exit 0; fi
for word in "$@"; do case "$word" in --saveEngine=*) engine=${word#*=};; esac; done
{ printf ftrt; head -c 20 /dev/zero; printf '\012\020\000'; head -c 177 /dev/zero; } > "$engine"
echo "words: $*"
echo '&&&& PASSED TensorRT.trtexec [TensorRT v101600] # trtexec'
"#;

/// A folder with a network in every kind of file.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::write(files.at("best.pt"), imported("old")).unwrap();
        let [pt, checkpoint, state, onnx, cpu] =
            ["best.pt", "best.safetensors", "state.safetensors", "best.onnx", "cpu.safetensors"]
                .map(|name| files.text(name));
        answer(&["import", &pt, "-o", &checkpoint]);
        answer(&["export", "--format", "pt-state", "--weights", &pt, "-o", &state]);
        answer(&["export", "--weights", &pt, "--imgsz", "64", "-o", &onnx]);
        answer(&["engine", "--weights", &checkpoint, "-o", &cpu]);
        let trtexec = files.at("trtexec");
        fs::write(&trtexec, TRTEXEC).unwrap();
        fs::set_permissions(&trtexec, fs::Permissions::from_mode(0o755)).unwrap();
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    fn inspect(&self, name: &str) -> Value {
        serde_json::from_str(&answer(&["inspect", &self.text(name), "--json"])).unwrap()
    }

    /// Builds an engine from the ONNX file with the stand-in.
    fn build(&self, out: &str, more: &[&str]) -> String {
        let [onnx, trtexec, out] = ["best.onnx", "trtexec", out].map(|name| self.text(name));
        let words = ["engine", "--weights", &onnx, "-o", &out, "--trtexec", &trtexec];
        answer(&[words.as_slice(), more].concat())
    }
}

#[test]
fn every_kind_of_file_is_identified_by_its_content() {
    let files = Files::new();
    files.build("raw.engine", &[]);
    // Files with misleading names.
    for (name, lie) in [("best.onnx", "a.pt"), ("best.pt", "b.engine"), ("raw.engine", "c.onnx")] {
        fs::copy(files.at(name), files.at(lie)).unwrap();
        let mut told = files.inspect(name);
        let mut as_lie = files.inspect(lie);
        (told["file"], as_lie["file"]) = (Value::Null, Value::Null);
        assert_eq!(told, as_lie);
    }
    let names = json!(["leaf", "twig", "große Wurzel"]);
    for (name, form) in [
        ("best.pt", "pt"),
        ("best.safetensors", "checkpoint"),
        ("cpu.safetensors", "cpu_engine"),
        ("state.safetensors", "state_dict"),
    ] {
        let told = files.inspect(name);
        assert_eq!((&told["kind"], &told["form"]), (&json!("network"), &json!(form)), "{told}");
        let known = form != "state_dict";
        assert_eq!(told["class_names"] == names, known, "a state dict has no class names");
        assert_eq!(told["bytes"], fs::metadata(files.at(name)).unwrap().len());
    }
    let onnx = files.inspect("best.onnx");
    assert_eq!(
        (&onnx["kind"], &onnx["precision"], &onnx["class_names"]),
        (&json!("onnx"), &json!("fp32"), &names)
    );
    assert_eq!((&onnx["inputs"], &onnx["opset"]), (&json!(["images FLOAT [1, 3, 64, 64]"]), &json!(13)));
    let plan = files.inspect("raw.engine");
    assert_eq!((&plan["runtime"], &plan["version"]), (&json!("tensor_rt"), &json!("10.16.0")));
    assert_eq!((&plan["plan_bytes"], &plan["metadata"]), (&json!(204), &Value::Null));

    for (name, part) in [
        ("best.onnx", "images FLOAT [1, 3, 64, 64]"),
        ("raw.engine", "engine of TensorRT 10.16.0"),
        ("best.safetensors", "leaf, twig"),
        ("cpu.safetensors", "CPU engine"),
    ] {
        let said = answer(&["inspect", &files.text(name)]);
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn damaged_and_foreign_files_are_refused_by_name() {
    let files = Files::new();
    let prefixed =
        |length: i32| [length.to_le_bytes().as_slice(), b"{\"a\": 1}", b"ftrt", &[0; 100]].concat();
    let cut = |name: &str| {
        let bytes = fs::read(files.at(name)).unwrap();
        bytes[..bytes.len() / 2].to_vec()
    };
    let mut short_rtx = [b"vtrt".as_slice(), &[0; 100]].concat();
    short_rtx[16] = 200;
    for (bytes, part) in [
        (Vec::new(), "unknown kind of file"),
        (b"hello, world, this is a text of more than a few bytes".to_vec(), "unknown kind of file"),
        (b"ftrt".to_vec(), "too few for a plan"),
        (short_rtx, "the header gives 200 bytes, but the plan has 104"),
        (prefixed(7), "reading it as ONNX failed"),
        (prefixed(i32::MAX), "reading it as ONNX failed"),
        (cut("best.onnx"), "reading it as ONNX failed"),
        (cut("best.pt"), "odd"),
        (cut("best.safetensors"), "odd"),
    ] {
        fs::write(files.at("odd"), &bytes).unwrap();
        let said = refusal(&["inspect", &files.text("odd")]);
        assert!(said.contains("odd") && said.contains(part), "{said}");
        let out = files.text("out.engine");
        refusal(&["inspect", &files.text("odd"), "--unwrap", &out]);
        refusal(&["engine", "--weights", &files.text("odd"), "-o", &out]);
        assert!(!Path::new(&out).exists());
    }
    assert!(misuse(&["inspect", &files.text("gone")]).contains("gone"));
}

#[test]
fn engines_go_from_bare_to_ultralytics_and_back() {
    let files = Files::new();
    let said = files.build("raw.engine", &[]);
    assert!(said.contains("TensorRT 10.16.0 engine, fp16") && said.contains("204 bytes"), "{said}");
    let words = fs::read_to_string(files.at("raw.engine.log")).unwrap();
    assert!(words.contains("--fp16"), "{words}");
    files.build("raw.engine", &["--strongly-typed", "--no-timing", "--extra=--verbose"]);
    let words = fs::read_to_string(files.at("raw.engine.log")).unwrap();
    assert!(words.contains("--stronglyTyped --skipInference --verbose"), "{words}");

    files.build("built.engine", &["--ultralytics"]);
    let [raw, onnx, added] = ["raw.engine", "best.onnx", "added.engine"].map(|name| files.text(name));
    let words = ["engine", "--weights", &raw, "-o", &added];
    assert!(refusal(&words).contains("--metadata-from"));
    answer(&[words.as_slice(), &["--ultralytics", "--metadata-from", &onnx]].concat());
    assert_eq!(fs::read(files.at("built.engine")).unwrap(), fs::read(&added).unwrap());

    // Ultralytics reads a length, JSON with its own types of numbers and names, and the plan.
    let bytes = fs::read(&added).unwrap();
    let length = i32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let metadata: Value = serde_json::from_slice(&bytes[4..4 + length]).unwrap();
    assert_eq!(metadata["names"], json!({"0": "leaf", "1": "twig", "2": "große Wurzel"}));
    assert_eq!((&metadata["imgsz"], &metadata["stride"]), (&json!([64, 64]), &json!(32)));
    assert_eq!((&metadata["task"], &metadata["batch"]), (&json!("detect"), &json!(1)));
    assert_eq!(bytes[4 + length..], fs::read(&raw).unwrap());
    assert_eq!(files.inspect("added.engine")["metadata"], metadata);

    let back = files.text("back.engine");
    assert!(answer(&["inspect", &added, "--unwrap", &back]).contains("204 bytes"));
    assert_eq!(fs::read(&back).unwrap(), fs::read(&raw).unwrap());
    assert!(refusal(&["inspect", &raw, "--unwrap", &files.text("no")]).contains("bare plan already"));
    let left: Vec<_> = fs::read_dir(files.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn a_checkpoint_is_exported_first_where_a_builder_is_named() {
    let files = Files::new();
    let [checkpoint, trtexec, out] = ["best.safetensors", "trtexec", "m.engine"].map(|name| files.text(name));
    let words = ["engine", "--weights", &checkpoint, "-o", &out, "--imgsz", "64"];
    let build = [&words[..], &["--backend", "trtexec", "--trtexec", &trtexec]].concat();
    let said = answer(&build);
    assert!(said.contains("TensorRT 10.16.0 engine"), "{said}");
    assert_eq!(files.inspect("m.engine")["runtime"], "tensor_rt");
    answer(&[&build[..], &["--ultralytics"]].concat());
    assert_eq!(files.inspect("m.engine")["metadata"]["imgsz"], json!([64, 64]));
    let gone =
        ["engine", "--weights", &checkpoint, "-o", &out, "--backend", "trtexec", "--trtexec", "gone/trtexec"];
    assert!(refusal_of(&gone).contains("the engine was not built, because "));
    let left: Vec<_> = fs::read_dir(files.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");

    // Options for a builder are refused, not ignored, if no builder is used.
    let plain = ["engine", "--weights", &checkpoint, "-o", &out];
    let int8 = [&build[..], &["--precision", "int8"]].concat();
    assert!(misuse(&int8).contains("--int8"));
    for more in
        [&["--precision", "fp16"][..], &["--workspace", "64"], &["--no-timing"], &["--extra=--verbose"]]
    {
        let said = misuse(&[&plain[..], more].concat());
        assert!(said.contains("applies only to a builder"), "{more:?}: {said}");
    }
    let onnx = files.text("best.onnx");
    let said = misuse(&[&build[..], &["--ultralytics", "--metadata-from", &onnx]].concat());
    assert!(said.contains("--metadata-from"), "{said}");
}

fn refusal_of(words: &[&str]) -> String {
    let output = xtask(words);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_engine_that_cannot_be_built_has_a_reason() {
    let files = Files::new();
    let [onnx, out, gone] = ["best.onnx", "m.engine", "gone"].map(|name| files.text(name));
    let build = ["engine", "--weights", &onnx, "-o", &out];
    let not_run = |more: &[&str]| {
        let output = xtask(&[build.as_slice(), more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("the engine was not built, because "), "{said}");
        said
    };
    assert!(not_run(&["--trtexec", &gone]).contains("gone"));
    let rtx = not_run(&["--backend", "rtx", "--rtx-dir", &gone]);
    assert!(rtx.contains("--features rtx") || rtx.contains("install-tensorrt-rtx.sh"), "{rtx}");
    for (more, part) in [
        (["--ultralytics", "--backend=rtx"], "not of TensorRT-RTX"),
        (["--profile", "image:1x3x64x64"], "the inputs of"),
        (["--precision", "int8"], "quantise"),
    ] {
        let trtexec = files.text("trtexec");
        let words = [build.as_slice(), &more, &["--trtexec", &trtexec]].concat();
        let said = refusal(&words);
        assert!(said.contains(part), "{said}");
    }
    assert!(!Path::new(&out).exists());
}

#[test]
fn an_engine_in_codes_is_calibrated_on_a_dataset() {
    let files = Files::new();
    let data = files.at("drawn");
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (4, 2, 2, 64);
    let yaml = draw_dataset(&shapes, &data).unwrap();
    let [checkpoint, out, cpu] =
        ["best.safetensors", "codes.safetensors", "cpu.safetensors"].map(|name| files.text(name));
    let yaml = yaml.to_str().unwrap();
    let refused = misuse(&["engine", "--int8", "--weights", &checkpoint, "-o", &out]);
    assert!(refused.contains("int8 is calibrated on images"), "{refused}");

    answer(&["engine", "--int8", "--weights", &checkpoint, "--data", yaml, "--imgsz", "64", "-o", &out]);
    assert_eq!(files.inspect("codes.safetensors")["form"], json!("cpu_engine_int8"));
    let size = |file: &str| fs::metadata(file).unwrap().len();
    assert!(size(&out) < size(&cpu), "{} and {} bytes", size(&out), size(&cpu));
    // It runs, and is refused where values are needed.
    let bench: Value = serde_json::from_str(&answer(&[
        "bench",
        "infer",
        "--weights",
        &out,
        "--imgsz",
        "64",
        "--runs",
        "2",
        "--json",
    ]))
    .unwrap();
    assert!(bench["latency_ms_median"].as_f64().unwrap() > 0.0);
    let image = data.join("images/val");
    let image = image.to_str().unwrap();
    let results = files.text("found");
    answer(&["predict", "--weights", &out, "--source", image, "--imgsz", "64", "--out", &results]);
    let onnx = files.text("codes.onnx");
    let parity = answer(&["export", "--weights", &out, "--imgsz", "64", "-o", &onnx]);
    assert!(parity.contains("codes.onnx"), "{parity}");
    assert!(files.inspect("codes.onnx")["nodes"]["QuantizeLinear"].as_u64().unwrap() > 10);
    let refused = refusal(&["prune", "--weights", &out, "--dry-run"]);
    assert!(refused.contains("8-bit codes"), "{refused}");
    // The codes are kept, so no images are needed.
    let again = files.text("again.safetensors");
    answer(&["engine", "--int8", "--weights", &out, "-o", &again]);
    assert!(fs::read(&again).unwrap() == fs::read(&out).unwrap());
    let refused = refusal(&["predict", "--weights", &out, "--source", image, "--executor", "candle"]);
    assert!(refused.contains("8-bit codes"), "{refused}");
}
