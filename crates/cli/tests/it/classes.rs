//! Datasets whose classes differ from the network's: messages and results.

use std::fs;
use std::path::{Path, PathBuf};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use serde_json::{Value, json};

use crate::program::{answer, misuse, xtask};

/// Drawn images of 64 px, a network that was trained on them, and copies with other class names and numbers.
struct Renumbered {
    folder: tempfile::TempDir,
    weights: PathBuf,
}

const DRAWN: [&str; 4] = ["circle", "square", "triangle", "star"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Arguments of a validation.
fn val<'a>(weights: &'a Path, yaml: &'a Path) -> Vec<&'a str> {
    vec!["val", "--weights", text(weights), "--data", text(yaml), "--imgsz", "64"]
}

impl Renumbered {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut shapes = PipelineConfig::drawn().shapes;
        (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (8, 6, 0, 64);
        let drawn = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
        let made = Self { weights: folder.path().join("runs/first/weights/best.safetensors"), folder };
        made.train(&["train"], &drawn, "first");
        made
    }

    fn drawn(&self) -> PathBuf {
        self.folder.path().join("shapes/data.yaml")
    }

    fn train(&self, command: &[&str], yaml: &Path, name: &str) -> String {
        let runs = self.folder.path().join("runs");
        let words = ["--data", text(yaml), "--project", text(&runs), "--name", name, "--epochs", "1"];
        let plain = ["--imgsz", "64", "--batch", "4", "--plots", "false"];
        let output = xtask(&[command, &words, &plain].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    }

    /// A copy of the dataset with the classes `names`; objects of other classes are left out.
    fn called(&self, names: &[&str]) -> PathBuf {
        let root = self.folder.path().join(names.join("-"));
        for split in ["train", "val"] {
            for kind in ["images", "labels"] {
                fs::create_dir_all(root.join(kind).join(split)).unwrap();
                for entry in fs::read_dir(self.folder.path().join("shapes").join(kind).join(split)).unwrap() {
                    let from = entry.unwrap().path();
                    let to = root.join(kind).join(split).join(from.file_name().unwrap());
                    if kind == "images" {
                        fs::copy(from, to).unwrap();
                        continue;
                    }
                    let rows = fs::read_to_string(from).unwrap();
                    let row = |row: &str| {
                        let (class, bbox) = row.split_once(' ')?;
                        let class =
                            names.iter().position(|name| *name == DRAWN[class.parse::<usize>().unwrap()])?;
                        Some(format!("{class} {bbox}\n"))
                    };
                    fs::write(to, rows.lines().filter_map(row).collect::<String>()).unwrap();
                }
            }
        }
        let yaml = root.join("data.yaml");
        let list = serde_json::to_string(names).unwrap();
        fs::write(&yaml, format!("train: images/train\nval: images/val\nnames: {list}\n")).unwrap();
        yaml
    }

    fn figures(weights: &Path, yaml: &Path) -> Value {
        serde_json::from_str(&answer(&[val(weights, yaml), vec!["--json"]].concat())).unwrap()
    }
}

#[test]
fn val_matches_classes_by_name_and_reports_it_even_if_quiet() {
    let made = Renumbered::new();
    let drawn = made.drawn();
    let turned = made.called(&["star", "circle", "triangle", "square"]);
    let straight = Renumbered::figures(&made.weights, &drawn);
    let other = Renumbered::figures(&made.weights, &turned);
    assert_eq!(straight["classes"]["network_classes"], json!([0, 1, 2, 3]));
    assert_eq!(
        (&other["classes"]["network_classes"], &other["left_out"]),
        (&json!([3, 0, 2, 1]), &json!([0, 0, 0, 0]))
    );
    for (place, class) in [3, 0, 2, 1].into_iter().enumerate() {
        let [ours, theirs] = [&other["per_class"][place], &straight["per_class"][class]];
        assert_eq!((&ours["instances"], &ours["ap50"]), (&theirs["instances"], &theirs["ap50"]));
    }
    let output = xtask(&[val(&made.weights, &turned), vec!["-q"]].concat());
    let table = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("another order: `star` 0 from 3"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let rows: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(rows, ["class", "all", "star", "circle", "triangle", "square"]);
    assert!(xtask(&[val(&made.weights, &drawn), vec!["-q"]].concat()).stderr.is_empty());

    // An exported file has its class names in its metadata.
    let onnx = made.folder.path().join("best.onnx");
    answer(&["export", "--weights", text(&made.weights), "--imgsz", "64", "-o", text(&onnx)]);
    assert_eq!(Renumbered::figures(&onnx, &turned)["classes"]["network_classes"], json!([3, 0, 2, 1]));

    // Some of the network's classes, and one that the network lacks.
    let some = made.called(&["square", "hexagon", "star"]);
    let output = xtask(&[val(&made.weights, &some), vec!["-q"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    for part in ["2 in both", "only in the dataset: `hexagon`", "only in the network: `circle`, `triangle`"] {
        assert!(said.contains(part), "{said}");
    }
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("all (2 of 3)") && table.contains("n/a"), "{table}");

    // Classes named by numbers are matched by number, with a message. A dataset with only other names is
    // refused.
    let numbers = made.called(&["0", "1", "2", "3"]);
    let output = xtask(&[val(&made.weights, &numbers), vec!["-q"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("by number") && said.contains("`0` is `circle`"),
        "{said}"
    );
    let translated = made.called(&["Kreis", "Quadrat", "Dreieck", "Stern"]);
    let output = xtask(&[val(&made.weights, &translated), vec!["-q"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("`Kreis` is `circle`"), "{said}");
    let others = made.called(&["ant", "bee", "cow", "dog", "elk"]);
    let said = misuse(&val(&made.weights, &others));
    for part in ["best.safetensors", "data.yaml", "`ant`, `bee`", "`circle`, `square`"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn trainings_use_the_datasets_class_order_and_resume_with_no_other() {
    let made = Renumbered::new();
    let turned = made.called(&["star", "circle", "triangle", "square"]);
    for command in ["finetune", "sparsify"] {
        let said = made.train(&[command, "--model", text(&made.weights)], &turned, command);
        assert!(said.contains("another order") && said.contains("their weights are kept"), "{said}");
        let last = made.folder.path().join("runs").join(command).join("weights/last.safetensors");
        let told: Value = serde_json::from_str(&answer(&["inspect", text(&last), "--json"])).unwrap();
        assert_eq!(told["class_names"], json!(["star", "circle", "triangle", "square"]));
        assert_eq!(
            Renumbered::figures(&last, &made.drawn())["classes"]["network_classes"],
            json!([1, 3, 2, 0])
        );
    }
    let others = made.called(&["ant", "circle", "cow"]);
    let said = made.train(&["finetune", "--model", text(&made.weights)], &others, "others");
    assert!(said.contains("only in the dataset: `ant`, `cow`") && said.contains("start anew"), "{said}");

    // The order of the classes changes before the training resumes.
    fs::write(&turned, fs::read_to_string(made.drawn()).unwrap()).unwrap();
    let folder = made.folder.path().join("runs/finetune");
    let said = misuse(&["finetune", "-q", "--resume", text(&folder)]);
    assert!(said.contains("is not the data that this training began with"), "{said}");
}

#[test]
fn val_writes_detections_in_the_format_of_coco() {
    let made = Renumbered::new();
    let yaml = made.drawn();
    let file = made.folder.path().join("results.json");
    let words = val(&made.weights, &yaml);
    let more = ["--json", "--conf", "0", "--max-det", "3", "--save-json", text(&file)];
    let said: Value = serde_json::from_str(&answer(&[&words[..], &more].concat())).unwrap();
    assert_eq!(said["images"], 6);
    assert!(said["seconds"].as_f64().unwrap() > 0.0);
    let results: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(results.len(), 6 * 3);
    for result in &results {
        let name = result["file_name"].as_str().unwrap();
        assert!(yaml.with_file_name("images/val").join(name).is_file(), "{name}");
        let stem = name.rsplit_once('.').unwrap().0;
        let id = stem.parse::<u64>().map_or_else(|_| json!(stem), |number| json!(number));
        assert_eq!(result["image_id"], id);
        assert!((1..=4).contains(&result["category_id"].as_u64().unwrap()), "{result}");
        let sides: Vec<f64> =
            result["bbox"].as_array().unwrap().iter().map(|side| side.as_f64().unwrap()).collect();
        let inside = |low: f64, length: f64| low >= 0.0 && length >= 0.0 && low + length <= 64.001;
        assert!(inside(sides[0], sides[2]) && inside(sides[1], sides[3]), "{result}");
    }
    // A file of the command is not overwritten.
    let refused = misuse(&[&words[..], &["--save-json", text(&made.weights)]].concat());
    assert!(refused.contains("would be overwritten"), "{refused}");
}

#[test]
fn val_draws_pictures_and_both_commands_suppress_across_classes() {
    let made = Renumbered::new();
    let drawn = made.drawn();
    let plots = made.folder.path().join("plots");
    let evaluated = answer(&[&val(&made.weights, &drawn)[..], &["--json", "--plots", text(&plots)]].concat());
    for name in ["val_batch0_labels.jpg", "val_batch0_pred.jpg", "confusion_matrix.png", "PR_curve.png"] {
        assert!(image::open(plots.join(name)).is_ok_and(|picture| picture.width() > 64), "{name}");
    }
    let plain: Value =
        serde_json::from_str(&answer(&[&val(&made.weights, &drawn)[..], &["--json"]].concat())).unwrap();
    let evaluated: Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(evaluated["map50_95"], plain["map50_95"], "pictures change no metric");

    let images = made.folder.path().join("shapes/images/val");
    let out = made.folder.path().join("out");
    let found = |more: &[&str]| -> usize {
        let words = ["predict", "--weights", text(&made.weights), "--source", text(&images), "--imgsz", "64"];
        let lines = answer(&[&words[..], &["--conf", "0", "--json"], more].concat());
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| row["detections"].as_array().unwrap().len()).sum()
    };
    let results = made.folder.path().join("results.json");
    // Each anchor gives a detection for every class, so suppression across classes leaves one of them.
    let kept = |more: &[&str]| -> usize {
        answer(&[&val(&made.weights, &drawn)[..], &["--save-json", text(&results)], more].concat());
        serde_json::from_slice::<Vec<Value>>(&fs::read(&results).unwrap()).unwrap().len()
    };
    let (all, fewer) = (kept(&[]), kept(&["--agnostic-nms"]));
    assert!(fewer > 0 && fewer < all, "{fewer} of {all}");
    let picture = |more: &[&str]| {
        found(&[&["--out", text(&out), "--max-det", "2"], more].concat());
        let first = fs::read_dir(&images).unwrap().next().unwrap().unwrap().path();
        fs::read(out.join(first.file_name().unwrap())).unwrap()
    };
    let pictures = [
        picture(&[]),
        picture(&["--line-width", "9"]),
        picture(&["--show-labels", "false"]),
        picture(&["--show-conf", "false"]),
    ];
    for (at, picture) in pictures.iter().enumerate() {
        assert!(!pictures[..at].contains(picture), "picture {at} equals an earlier one");
    }
    misuse(&["predict", "--weights", "w", "--source", "s", "--line-width", "9"]);
}
