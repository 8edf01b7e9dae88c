//! Invalid values and files on the command line: refused with code 2 before any work.

use std::fs;
use std::path::Path;

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use bonsai_testkit::imported;

use crate::program::{answer, misuse, refusal, xtask};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn settings_of_every_stage_are_checked_before_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");
    for setting in [
        "finetune.lr0=nan",
        "finetune.epochs=0",
        "sparse.gains.cls=-1",
        "sparse.momentum=1",
        "loader.workers=100000",
        "loader.augment.mosaic=2",
        "shapes.train=0",
        "export.calibration_images=0",
        "engine.optimization_level=9",
        "prune.protect=[\"model.99.*\"]",
        "finetune.freeze=[\"model.99\"]",
        "latency_runs=0",
    ] {
        let key = setting.split('=').next().unwrap().rsplit('.').next().unwrap();
        for dry in [false, true] {
            let mut words = vec!["pipeline", "--project", text(&project), "--set", setting];
            words.extend(dry.then_some("--dry-run"));
            let said = misuse(&words);
            assert!(said.contains(key) || said.contains("model.99"), "{setting}: {said}");
            assert!(!project.exists(), "{setting} is refused too late");
        }
    }
    // More threads than the machine has are reduced to one per core.
    answer(&["pipeline", "--project", text(&project), "--threads", "100000", "--until", "dataset"]);
}

#[test]
fn numbers_of_single_commands_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (1, 1, 0, 64);
    let data = draw_dataset(&shapes, &at("shapes")).unwrap();
    fs::write(at("w.pt"), imported("old")).unwrap();
    let weights = at("w.pt");
    let images = at("shapes/images/val");
    let out = at("out");
    for (command, lines) in [
        (
            "val",
            &[
                "--conf nan",
                "--conf=2",
                "--conf=-0.1",
                "--iou=nan",
                "--iou inf",
                "--imgsz 0",
                "--imgsz 33",
                "--batch 0",
            ][..],
        ),
        (
            "predict",
            &["--conf nan", "--iou 1.5", "--max-det 0", "--imgsz 33", "--classes 99", "--runtime rten"],
        ),
        (
            "prune",
            &["--prune-ratio nan", "--keep -1", "--target-macs 2", "--round-to 0", "--recalibrate 99999999"],
        ),
        (
            "export",
            &[
                "--imgsz 31",
                "--batch 0",
                "--opset 18",
                "--nms onnx --conf nan",
                "--nms onnx --max-det 0",
                "--int8 --calibration-images 0",
            ],
        ),
        (
            "engine",
            &[
                "--workspace 0 --backend trtexec",
                "--optimization-level 6 --backend trtexec",
                "--time-limit 0 --backend trtexec",
            ],
        ),
        (
            "train",
            &["--box -1", "--cls nan", "--lr0 inf", "--epochs 0", "--workers 100000", "--batch 99999999"],
        ),
        ("bench infer", &["--runs 0", "--batch 0", "--imgsz 33"]),
        ("summary", &["--imgsz 0"]),
    ] {
        for line in lines {
            let mut words: Vec<&str> = command.split(' ').collect();
            match command {
                "summary" => words.push(text(&weights)),
                "train" => words.extend(["--data", text(&data), "--project", text(&out)]),
                _ => words.extend(["--weights", text(&weights)]),
            }
            match command {
                "val" => words.extend(["--data", text(&data)]),
                "predict" => words.extend(["--source", text(&images), "--out", text(&out)]),
                "prune" | "export" | "engine" => words.extend(["--out", text(&out)]),
                _ => {}
            }
            words.extend(line.split(' '));
            let output = xtask(&words);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command} {line}: {said}");
            assert!(!out.exists(), "{command} {line} leaves a file behind");
        }
    }
}

#[test]
fn options_without_effect_are_refused() {
    for (line, part) in [
        ("val --weights w --data d --epochs 3", "--epochs has no effect on `val`"),
        ("val --weights w --data d --set finetune.lr0=1", "--set finetune.lr0=1"),
        ("export --weights w -o x --data d", "--data has no effect on `export`"),
        ("export --weights w -o x --format pt-state --half", "pt-state"),
        ("export --weights w -o x --format ultralytics --opset 13", "--format ultralytics"),
        ("export --weights w -o x --format pt-state --imgsz 64", "--imgsz"),
        ("engine --weights w -o x --batch 4", "--batch"),
        ("engine --weights w -o x --imgsz 64", "--imgsz"),
        ("prune --weights w --model yolov8n", "--model"),
        ("prune --weights w --step-epochs 3", "--steps"),
        ("prune --weights w --plan p --scope global --protect a", "--scope, --protect"),
        ("prune --weights w --plan p --set extras.reconstruct=4", "extras.reconstruct"),
        ("bench recipe --datasets crowd --set seed=5", "--seeds"),
        ("bench recipe --datasets crowd --set data=d.yaml", "--datasets"),
        ("bench recipe --datasets crowd --set prune.target.macs=0.3", "--macs"),
        ("bench recipe --datasets crowd --imgsz 64", "--imgsz"),
        ("pipeline --data d --set shapes.train=3", "shapes"),
        ("pipeline sweep --gather d --ratios 0.5", "--ratios"),
        ("pipeline sweep --ratios 0.5 --seeds 1 --seed 2", "--seeds"),
        ("train --resume d --name x", "--name"),
    ] {
        let said = misuse(&line.split(' ').collect::<Vec<_>>());
        assert!(said.contains(part), "{line}: {said}");
    }
}

#[test]
fn hints_name_files_for_options_that_take_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "k1", "w.pt"] {
        fs::write(folder.path().join(name), imported("old")).unwrap();
    }
    let said = |line: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bonsai"));
        let output = command.args(line.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(!output.status.success(), "{line}");
        String::from_utf8(output.stderr).unwrap()
    };
    for line in
        ["export --weights w.pt --opset 18 -o x.onnx", "pipeline --imgsz 0", "train --data 1 --imgsz 32"]
    {
        assert!(!said(line).contains("does not exist; did you mean"), "{line}: {}", said(line));
    }
    assert!(
        said("export --weights v.pt -o x.onnx").contains("hint: `v.pt` does not exist; did you mean `w.pt`?")
    );
}

#[test]
fn inputs_are_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("w.pt"), imported("old")).unwrap();
    fs::hard_link(at("w.pt"), at("same.pt")).unwrap();
    let photos = at("photos");
    fs::create_dir(&photos).unwrap();
    for name in ["photo.2021.jpg", "photo.2022.jpg", "x.png", "x.jpg"] {
        image::RgbImage::from_pixel(40, 30, image::Rgb([9, 90, 200])).save(photos.join(name)).unwrap();
    }
    let before = |path: &Path| fs::read(path).unwrap();
    let weights = before(&at("w.pt"));
    let picture = before(&photos.join("x.png"));
    let w = at("w.pt");
    let same = at("same.pt");
    for out in [&w, &same, &folder.path().join("photos/../w.pt")] {
        let w = text(&w);
        let out = text(out);
        for words in [
            &["import", w, "-o", out][..],
            &["prune", "--weights", w, "-o", out],
            &["export", "--weights", w, "-o", out],
            &["export", "--format", "pt-state", "--weights", w, "-o", out],
            &["export", "--format", "ultralytics", "--weights", w, "-o", out],
            &["engine", "--weights", w, "-o", out],
            &["inspect", w, "--unwrap", out],
        ] {
            let said = misuse(words);
            assert!(said.contains("would be overwritten"), "{words:?}: {said}");
        }
    }
    let see = ["predict", "--weights", text(&w), "--source", text(&photos), "--imgsz", "32", "--out"];
    assert!(misuse(&[&see[..], &[text(&photos)]].concat()).contains("would be overwritten"));
    assert!(before(&at("w.pt")) == weights && before(&photos.join("x.png")) == picture);

    let seen = at("seen");
    let output = xtask(&[&see[..], &[text(&seen), "--save-txt"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("x-2.png"), "{said}");
    for name in ["photo.2021", "photo.2022", "x", "x-2"] {
        let labels = seen.join("labels").join(format!("{name}.txt"));
        assert!(labels.is_file(), "{}", labels.display());
    }
    for name in ["photo.2021.jpg", "photo.2022.jpg", "x.jpg", "x-2.png"] {
        assert_eq!(image::open(seen.join(name)).unwrap().width(), 40, "{name}");
    }
    // A folder instead of a file, and a file instead of a folder.
    assert!(misuse(&["import", text(&w), "-o", text(&photos)]).contains("is a folder"));
    assert!(refusal(&[&see[..], &[text(&w)]].concat()).contains("w.pt"));
}

#[test]
fn class_names_do_not_control_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (2, 1, 0, 32);
    let data = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    let yaml = "train: images/train\nval: images/val\nnames: [\"\\e[2Jcat\", \"a\\nb|c\", c, \"d\\rd\"]\n";
    fs::write(&data, yaml).unwrap();
    let runs = folder.path().join("runs");
    let words = ["train", "--data", text(&data), "--project", text(&runs), "--epochs", "1", "--imgsz", "32"];
    let said = answer(&[&words[..], &["--batch", "2", "--plots", "false"]].concat());
    assert!(
        said.contains("\\u001b[2Jcat") && said.contains("a\\nb|c") && said.contains("d\\u000dd"),
        "{said}"
    );
    assert!(!said.contains(['\x1b', '\r']), "{said:?}");
    let best = runs.join("train/weights/best.safetensors");
    let told = answer(&["inspect", text(&best)]);
    assert!(told.contains("\\u001b[2Jcat") && !told.contains('\x1b'), "{told:?}");
    let json: serde_json::Value = serde_json::from_str(&answer(&["inspect", text(&best), "--json"])).unwrap();
    assert_eq!(json["class_names"][0], "\x1b[2Jcat");
}
