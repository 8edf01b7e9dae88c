//! [`Topic`] and [`topic`]: examples and notes for the help of each command. A test parses the examples.

mod detection;
mod runs;

use detection::DETECTION;
use runs::RUNS;

/// The help of a command, besides its options.
pub(crate) struct Topic {
    /// The command, such as `bench step`.
    path: &'static str,
    /// The options that `-h` shows; empty for all.
    pub(crate) short: &'static [&'static str],
    /// Command lines without the program's name, and their descriptions.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    /// Paragraphs before the examples.
    pub(crate) notes: &'static [&'static str],
}

/// The help of the command at `path`.
pub(crate) fn topic(path: &str) -> Option<&'static Topic> {
    RUNS.iter().chain(DETECTION).chain(TOPICS).find(|topic| topic.path == path)
}

const SETTINGS: &str = "Later settings override earlier ones: defaults, then --config, then options, then --set. \
    The defaults of augmentation, losses and learning are those of Ultralytics 8; `config.toml` in a run directory \
    lists all settings.";
const TRAINING: &str = "Later settings override earlier ones: defaults, then --config, then options, then --set. \
    The defaults are those of Ultralytics 8, except for `--optimizer` (there: chosen by the number of steps), \
    `--workers` (there: 8), `--patience` (50, as in 8.0) and `--cache-mib`, which Ultralytics does not have.";
const TRAINING_SHORT: &[&str] = &[
    "data", "model", "imgsz", "epochs", "batch", "patience", "lr0", "freeze", "project", "name", "seed",
    "device", "threads", "config", "set", "resume",
];

const TOPICS: &[Topic] = &[
    Topic {
        path: "train",
        short: TRAINING_SHORT,
        examples: &[
            ("train --data D/data.yaml --imgsz 320 --project runs --name base", "YOLOv8n from new weights"),
            (
                "train --data D/data.yaml --model best.pt --epochs 20 --freeze 10",
                "From a checkpoint, with frozen backbone",
            ),
            (
                "train --data D/data.yaml --config tuned.toml --set lr0=0.02",
                "Settings from a file, with one change",
            ),
            ("train --resume runs/base", "Resume an interrupted training"),
        ],
        notes: &[TRAINING],
    },
    Topic {
        path: "sparsify",
        short: TRAINING_SHORT,
        examples: &[
            (
                "sparsify --data D/data.yaml --imgsz 320 --model runs/base/weights/best.safetensors",
                "With L1 on gamma",
            ),
            (
                "sparsify --data D/data.yaml --model runs/base/weights/best.safetensors --set l1.gamma.travel=2",
                "With L1 that can move a gamma by 2",
            ),
            (
                "sparsify --data D/data.yaml --model best.pt --set l1.preset=original",
                "With the L1 of the hand-patched trainers",
            ),
        ],
        notes: &[
            TRAINING,
            "L1 on gamma is as strong as possible while the loss stays at most a tenth above the loss without L1. The \
             default of `--patience` is 0 here.",
        ],
    },
    Topic {
        path: "finetune",
        short: TRAINING_SHORT,
        examples: &[
            (
                "finetune --data D/data.yaml --imgsz 320 --model runs/pruned.safetensors --name fine",
                "A pruned network",
            ),
            ("finetune --resume", "Resume the latest training in runs/detect"),
        ],
        notes: &[TRAINING],
    },
    Topic {
        path: "val",
        short: &[
            "weights",
            "data",
            "split",
            "imgsz",
            "rect",
            "conf",
            "iou",
            "runtime",
            "min-map50",
            "min-map50-95",
            "set",
        ],
        examples: &[
            (
                "val --weights runs/fine/weights/best.safetensors --data D/data.yaml --split test",
                "Metrics of each class",
            ),
            (
                "val --weights best.pt --data D/data.yaml --rect",
                "With the image shapes of Ultralytics' validation",
            ),
            ("val --weights best.onnx --data D/data.yaml --min-map50-95 0.4", "Exit code 3 below 0.4"),
            ("val --weights best.onnx --data D/data.yaml --json", "As JSON"),
        ],
        notes: &[
            "By default, the image size is that of the training; lowest score and overlap are those of Ultralytics' \
             validation.",
        ],
    },
    Topic {
        path: "data check",
        short: &[],
        examples: &[
            ("data check D/data.yaml", "Images, objects of each class, sizes and flaws"),
            ("data check D -o seen.jpg", "A folder without data.yaml, with a picture of its labels"),
            (
                "data check D/annotations/instances_val2017.json --json",
                "A COCO file and those beside it, as JSON",
            ),
        ],
        notes: &[
            "The dataset is a data.yaml, a folder or a COCO file, as for --data. The exit code is 1 if a split cannot be \
             used.",
        ],
    },
    Topic {
        path: "data convert",
        short: &[],
        examples: &[
            ("data convert D --to yolo -o E", "From COCO or Pascal VOC, for other programs"),
            ("data convert D/data.yaml --to coco -o E", "To COCO"),
        ],
        notes: &["Images and labels that cannot be used are left out and counted."],
    },
    Topic {
        path: "import",
        short: &[],
        examples: &[
            ("import best.pt --out best.safetensors", "An Ultralytics checkpoint"),
            ("import state.safetensors -o best.safetensors", "A state dict"),
        ],
        notes: &["Import needs no Python, and runs no code from the file."],
    },
    Topic {
        path: "prune",
        short: &[
            "weights",
            "out",
            "dry-run",
            "prune-ratio",
            "keep",
            "target-macs",
            "target-params",
            "target-latency",
            "plan",
            "preset",
            "importance",
            "protect",
            "steps",
            "data",
            "imgsz",
            "set",
        ],
        examples: &[
            ("prune --weights W --prune-ratio 0.4 --dry-run", "Only print what would be removed"),
            ("prune --weights W --target-macs 0.25 -o small.safetensors", "Keep a quarter of the MACs"),
            ("prune --weights W --plan small.plan.json -o again.safetensors", "Apply a plan"),
            (
                "prune --weights W --target-macs 0.25 --steps 5 --data D/data.yaml -o s.safetensors",
                "In five steps",
            ),
        ],
        notes: &["The defaults of --max-map-drop and --step-epochs are those of Torch-Pruning's example."],
    },
    Topic {
        path: "export",
        short: &[
            "weights", "out", "format", "imgsz", "batch", "opset", "half", "int8", "dynamic", "layout",
            "nms", "data", "set",
        ],
        examples: &[
            ("export --weights W -o w.onnx", "32 bits, opset 13, one image of a fixed size"),
            ("export --weights W -o q.onnx --int8 --data D/data.yaml", "8 bits, ranges from training images"),
            (
                "export --weights W -o d.onnx --half --dynamic shape --nms onnx",
                "16 bits, any batch and size, with suppression in the file",
            ),
            ("export --weights W -o w.pt --format ultralytics", "`YOLO(\"w.pt\")` loads it, pruned or not"),
        ],
        notes: &["By default, the image size is that of the training."],
    },
    Topic {
        path: "engine",
        short: &[
            "weights",
            "out",
            "backend",
            "precision",
            "profile",
            "trtexec",
            "rtx-dir",
            "ultralytics",
            "no-timing",
            "set",
        ],
        examples: &[
            ("engine --weights W --out w.cpu.safetensors", "For the CPU, from a checkpoint"),
            ("engine --weights w.onnx --out w.engine", "For TensorRT, from ONNX"),
            (
                "engine --weights d.onnx -o d.engine --profile images:1x3x640x640,4x3x640x640,16x3x640x640",
                "For a range of batch sizes",
            ),
        ],
        notes: &[
            "Builders are searched in their environment variables, PATH and the usual folders, in this order.",
        ],
    },
    Topic {
        path: "inspect",
        short: &[],
        examples: &[
            ("inspect w.onnx", "Inputs, outputs, operators"),
            ("inspect w.engine --json", "An engine, as JSON"),
            ("inspect w.engine --unwrap bare.plan", "Remove Ultralytics' metadata"),
        ],
        notes: &[],
    },
    Topic {
        path: "summary",
        short: &[],
        examples: &[
            ("summary yolov8n --imgsz 640", "A model by name, for 80 classes"),
            ("summary W --json", "A file, as JSON"),
        ],
        notes: &[],
    },
    Topic {
        path: "bench step",
        short: &[],
        examples: &[
            ("bench step --model yolov8n --imgsz 320 --batch 8", "A training step"),
            ("bench step --weights W --layers", "The time of each layer"),
        ],
        notes: &[],
    },
    Topic {
        path: "bench infer",
        short: &[],
        examples: &[
            ("bench infer --model yolov8n --imgsz 640", "One image"),
            ("bench infer --weights w.onnx --beside W --json", "An ONNX file compared with a checkpoint"),
        ],
        notes: &[],
    },
    Topic {
        path: "bench recipe",
        short: &[],
        examples: &[
            (
                "bench recipe --datasets cells=D/data.yaml,crowd --seeds 0,1,2 --jobs 2",
                "The default recipe against random channels, on two datasets",
            ),
            (
                "bench recipe --recipes taylor,mine.toml --datasets clutter --macs 0.25 --gather",
                "The table of the finished runs",
            ),
        ],
        notes: &[],
    },
    Topic {
        path: "bench compare",
        short: &[],
        examples: &[
            (
                "bench compare --weights base.safetensors small.safetensors",
                "How much faster the second network is",
            ),
            (
                "bench compare --weights base.safetensors small.safetensors --imgsz 320 640 --json",
                "At two sizes",
            ),
        ],
        notes: &[],
    },
    Topic {
        path: "doctor",
        short: &[],
        examples: &[("doctor", "As text"), ("doctor --json", "As JSON")],
        notes: &[],
    },
    Topic {
        path: "test",
        short: &[],
        examples: &[("test", "All tests"), ("test -p bonsai-prune", "The tests of one crate")],
        notes: &["The current folder must be in a checkout of Bonsai."],
    },
    Topic {
        path: "completions",
        short: &[],
        examples: &[
            ("completions bash", "For bash; write the output to where bash looks for completions"),
            ("completions zsh", "For zsh; write the output to `_bonsai` in a folder of fpath"),
        ],
        notes: &["Completions are for the installed program `bonsai`: `cargo install --path crates/cli`."],
    },
    Topic {
        path: "man",
        short: &[],
        examples: &[
            ("man", "The page of the whole program, to standard output"),
            ("man --out man1", "A page for each command, in a folder"),
        ],
        notes: &[],
    },
];
