//! Resumed trainings: the dataset may be moved but not changed, the folder is locked, and temporary files are
//! removed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;

use crate::program::{answer, xtask};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Standard error of a command that must end with `code`.
fn ends_with(code: i32, words: &[&str]) -> String {
    let output = xtask(words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    said
}

#[test]
fn a_dataset_may_be_moved_but_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (4, 2, 0, 32);
    let yaml = draw_dataset(&shapes, &at("here")).unwrap();
    let (runs, whole, run) = (at("runs"), at("runs/whole"), at("runs/parts"));
    let words = ["train", "--data", text(&yaml), "--project", text(&runs), "--epochs", "3", "--imgsz", "32"];
    let words = [&words[..], &["--batch", "4", "--plots", "false", "--patience", "0", "--name"]].concat();
    answer(&[&words[..], &["whole"]].concat());

    let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
    command.args(&words).arg("parts").stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let last = run.join("weights/last.safetensors");
    let begun = Instant::now();
    while !last.exists() {
        assert!(begun.elapsed() < Duration::from_mins(2), "nothing happened for two minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for place in ["", "weights"] {
        fs::write(run.join(place).join(".bonsai-dead.partial"), "half a file").unwrap();
    }
    fs::rename(at("here"), at("there")).unwrap();
    let moved = at("there/data.yaml");
    let resume = ["train", "--resume", text(&run)];
    let said = ends_with(1, &resume);
    assert!(said.contains(text(&yaml)) && said.contains("hint: if the dataset was moved"), "{said}");

    // A training holds a lock on its folder, so that no other can use it.
    let lock = File::options().write(true).create(true).truncate(false).open(run.join("run.lock")).unwrap();
    lock.lock().unwrap();
    let named = [&resume[..], &["--data", text(&moved)]].concat();
    assert!(ends_with(1, &named).contains("another run is at work"));
    let begin = ["train", "--data", text(&moved), "--project", text(&runs), "--name", "parts", "--exist-ok"];
    let before = fs::read(&last).unwrap();
    assert!(ends_with(1, &begin).contains("another run is at work"));
    assert_eq!(fs::read(&last).unwrap(), before);
    drop(lock);

    answer(&named);
    for name in ["best", "last"] {
        let of = |run: &Path| fs::read(run.join(format!("weights/{name}.safetensors"))).unwrap();
        assert!(of(&run) == of(&whole), "{name} is another than without interruption and removal");
    }
    let left = |place: &str| {
        let names =
            fs::read_dir(run.join(place)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".partial")).collect::<Vec<_>>()
    };
    assert_eq!([left(""), left("weights")], [const { Vec::<String>::new() }; 2]);
    let saved = fs::read_to_string(run.join("args.toml")).unwrap();
    assert!(saved.contains(text(&moved)), "{saved}");

    // With a label missing, the dataset differs: refused, unless --data names it.
    let labels = fs::read_dir(at("there/labels/train")).unwrap().next().unwrap().unwrap().path();
    fs::write(&labels, "").unwrap();
    let said = ends_with(2, &resume);
    assert!(
        said.contains("is not the data that this training began with") && said.contains("--data"),
        "{said}"
    );
    let output = xtask(&named);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("warning: ") && said.contains("began with"), "{said}");

    // A training that would overwrite the folder of its own start weights is refused.
    let best = run.join("weights/best.safetensors");
    let over = [&begin[..], &["--model", text(&best), "--imgsz", "32"]].concat();
    let said = ends_with(2, &over);
    assert!(said.contains("would be overwritten") && best.exists(), "{said}");
    assert!(ends_with(2, &[&resume[..], &["--project", text(&runs)]].concat()).contains("--project"));
}
