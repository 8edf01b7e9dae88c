//! Paths that are not Unicode: every command accepts them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use bonsai_testkit::imported;

/// Runs a command in which `@` stands for a folder whose name is not Unicode.
struct Case(PathBuf);

impl Case {
    fn run(&self, line: &str) -> String {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.0.join(name).into_os_string(),
            None => OsString::from(word),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
        let output = command.args(line.split(' ').map(word)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn has(&self, name: &[u8]) -> bool {
        self.0.join(OsStr::from_bytes(name)).exists()
    }
}

#[test]
fn every_command_takes_paths_that_are_not_unicode() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(OsStr::from_bytes(b"b\xff\xe9d"));
    fs::create_dir(&odd).unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (4, 2, 1, 32);
    draw_dataset(&shapes, &odd.join("shapes")).unwrap();
    // An image and its label file also get such names.
    let images = odd.join("shapes/images/val");
    let image = fs::read_dir(&images).unwrap().next().unwrap().unwrap().path();
    let labels = odd.join("shapes/labels/val").join(image.file_name().unwrap()).with_extension("txt");
    let renamed = |path: &Path| {
        let ending = path.extension().unwrap().as_bytes();
        path.with_file_name(OsStr::from_bytes(&[b"p\xfe.", ending].concat()))
    };
    fs::rename(&image, renamed(&image)).unwrap();
    fs::rename(&labels, renamed(&labels)).unwrap();
    fs::write(odd.join("w.pt"), imported("old")).unwrap();

    let case = Case(odd);
    for line in [
        "import @w.pt -o @w.safetensors --json",
        "export --weights @w.safetensors -o @w.onnx --imgsz 64 --json",
        "export --weights @w.safetensors -o @state.safetensors --format pt-state",
        "export --weights @w.safetensors -o @again.pt --format ultralytics --json",
        "engine --weights @w.safetensors -o @w.cpu.safetensors --json",
        "inspect @w.onnx --json",
        "inspect @w.safetensors --json",
        "summary @w.safetensors --json --imgsz 64",
        "prune --weights @w.safetensors -o @pruned.safetensors --imgsz 64 --prune-ratio 0.1 --importance l2 --json",
        "predict --weights @w.safetensors --source @shapes/images/val --out @seen --save-txt --json --imgsz 64",
        "predict --weights @w.onnx --source @shapes/images/val --json",
        "bench infer --weights @w.onnx --runs 1 --runtime rten --json",
        "bench compare --weights @w.safetensors @w.cpu.safetensors --rounds 1 --imgsz 64 --json",
        "train --data @shapes/data.yaml --project @runs --epochs 1 --imgsz 32 --batch 4 --json",
        "train --resume @runs/train",
        "finetune --data @shapes/data.yaml --model @runs/train/weights/best.safetensors --project @runs --epochs 1 --imgsz 32 --batch 4",
        "val --weights @runs/train/weights/best.safetensors --data @shapes/data.yaml --json",
        "pipeline --data @shapes/data.yaml --project @run --until dataset --imgsz 32 --json",
        "pipeline --data @shapes/data.yaml --project @run --until dataset --imgsz 32 --dry-run --json",
        "pipeline --model @runs/train/weights/best.safetensors --data @shapes/data.yaml --project @run --imgsz 32 --until dataset",
    ] {
        let said = case.run(line);
        if line.ends_with("--json") {
            assert!(said.lines().count() > 0, "{line} says nothing");
        }
    }
    assert!(
        case.has(b"seen/labels/p\xfe.txt")
            && case.has(b"seen/p\xfe.png")
            && case.has(b"runs/finetune/args.toml")
    );
}
