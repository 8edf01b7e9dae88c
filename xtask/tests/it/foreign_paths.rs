//! Paths that are not Unicode: every command takes them, and no code can forget them.

use crate::tree::{assert_none, sources};

/// What in `json!` is a path; as a value it would end the program where it is not Unicode.
const PATHS: [&str; 9] = ["path", "file", "folder", "out", "dir", "root", "yaml", "display", "data"];

/// serde ends with an error for a path that is not Unicode, after the work is done, and `json!` with a panic.
#[test]
fn paths_become_text_by_path_text() {
    let mut found = Vec::new();
    let own = ["crates/pipeline/src/", "xtask/src/"];
    for source in sources().iter().filter(|source| own.iter().any(|own| source.path.starts_with(own))) {
        // Tests of a module stand at its end.
        let code = source.content.split("#[cfg(test)]").next().unwrap_or_default();
        for (index, _) in code.match_indices("json!(") {
            let line = 1 + code[..index].matches('\n').count();
            for value in values(&code[index + "json!(".len()..]) {
                let is_path = value.split(|c: char| !c.is_alphanumeric()).any(|word| PATHS.contains(&word));
                if is_path && !value.contains("path_text") {
                    found.push(format!("{}:{line}: `{value}` in json!", source.path));
                }
            }
        }
        for (number, line) in code.lines().enumerate() {
            let is_field = line.starts_with("    ") && line.trim_end().ends_with("PathBuf>,")
                || line.trim_end().ends_with(": PathBuf,");
            let before: Vec<&str> = code.lines().take(number).collect();
            let is_serialised = || {
                let head = before.iter().rposition(|line| line.contains("struct ") && line.ends_with('{'));
                head.is_some_and(|head| {
                    let attributes = before[..head]
                        .iter()
                        .rev()
                        .take_while(|line| line.starts_with('#') || line.starts_with("///"));
                    attributes.clone().any(|line| line.contains("derive") && line.contains("Serialize"))
                })
            };
            let is_marked = before.last().is_some_and(|line| line.contains("path_text"));
            if is_field && !is_marked && is_serialised() {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    assert_none(
        "a path goes into JSON and TOML as `path_text(path)`, in a struct by `#[serde(with = \"crate::path_text\")]`:",
        &found,
    );
}

/// The values of an object that `json!` makes, up to its end.
fn values(text: &str) -> Vec<&str> {
    let mut depth = 1;
    let end = text.find(|letter| {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let inside = &text[..end.unwrap_or(text.len())];
    inside
        .split(',')
        .filter_map(|entry| Some(entry.split_once("\":")?.1.trim_matches([' ', '\n', '}', '{'])))
        .collect()
}

#[cfg(unix)]
mod commands {
    use std::ffi::{OsStr, OsString};
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use bonsai_pipeline::{PipelineConfig, stages::draw_dataset};
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
        // Of the images too.
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
            "engine --weights @w.safetensors -o @w.cpu.safetensors --json",
            "inspect @w.onnx --json",
            "inspect @w.safetensors --json",
            "summary @w.safetensors --json --imgsz 64",
            "prune --weights @w.safetensors -o @pruned.safetensors --imgsz 64 --prune-ratio 0.1 --json",
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
}
