//! What help says of each command beside its options: examples, which a test parses, and where defaults come from.

/// A command's help.
pub(crate) struct Topic {
    /// The command, such as `bench step`.
    path: &'static str,
    /// The options that `-h` shows; none for all.
    pub(crate) short: &'static [&'static str],
    /// Lines without the program's name, and what they do.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    /// Paragraphs before the examples.
    pub(crate) notes: &'static [&'static str],
}

/// What is known of a command.
pub(crate) fn topic(path: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.path == path)
}

const SETTINGS: &str = "Settings are laid over each other: defaults, then --config, then options, then --set. \
    The defaults of augmentation, losses and learning are those of Ultralytics 8; of everything they are listed in \
    `config.toml` of a run.";
const TRAINING: &str = "Settings are laid over each other: defaults, then --config, then options, then --set. \
    The defaults are those of Ultralytics 8, but for `--optimizer` (there: chosen by the number of steps), `--workers` \
    (there: 8), `--patience` (50, that of 8.0) and `--cache-mib`, which it does not have.";
const TRAINING_SHORT: &[&str] = &[
    "data", "model", "imgsz", "epochs", "batch", "patience", "lr0", "freeze", "project", "name", "seed",
    "device", "threads", "config", "set", "resume",
];

const TOPICS: &[Topic] = &[
    Topic {
        path: "pipeline",
        short: &[],
        examples: &[
            ("pipeline", "Every stage on a drawn dataset, in a minute or two"),
            ("pipeline --data D/data.yaml --model yolov8n --imgsz 320 --epochs 50", "On your own data"),
            (
                "pipeline --model best.pt --data D/data.yaml --set prune.prune_ratio=0.3",
                "From your own checkpoint",
            ),
            (
                "pipeline --data D/data.yaml --max-drop 0.01",
                "In continuous integration: ends with 3 if more than 0.01 mAP50-95 was lost",
            ),
        ],
        notes: &[SETTINGS],
    },
    Topic {
        path: "pipeline sweep",
        short: &[
            "ratios", "seeds", "presets", "project", "commands", "slurm", "gather", "data", "model", "imgsz",
            "epochs", "batch", "config", "set",
        ],
        examples: &[
            (
                "pipeline sweep --ratios 0.3,0.5,0.7 --seeds 0,1 --project runs/sweep",
                "Six runs, one after another",
            ),
            (
                "pipeline sweep --ratios 0.3,0.5 --seeds 0,1 --commands",
                "Commands for a shell or GNU parallel",
            ),
            ("pipeline sweep --ratios 0.3,0.5 --seeds 0,1 --slurm sweep.sh", "A script for Slurm"),
            ("pipeline sweep --gather runs/sweep", "The table of what is there"),
        ],
        notes: &[
            SETTINGS,
            "Runs of one seed share dataset, baseline and sparsity training: the first makes them, the others take them \
             over. A second call does what is missing.",
        ],
    },
    Topic {
        path: "train",
        short: TRAINING_SHORT,
        examples: &[
            ("train --data D/data.yaml --imgsz 320 --project runs --name base", "YOLOv8n from fresh weights"),
            (
                "train --data D/data.yaml --model best.pt --epochs 20 --freeze 10",
                "From a checkpoint, backbone kept",
            ),
            (
                "train --data D/data.yaml --config tuned.toml --set lr0=0.02",
                "Settings from a file, one of them changed",
            ),
            ("train --resume runs/base", "Go on with an interrupted training"),
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
                "So strong that a gamma may move by 2",
            ),
            (
                "sparsify --data D/data.yaml --model best.pt --set l1.preset=original",
                "As the hand-patched trainers do",
            ),
        ],
        notes: &[
            TRAINING,
            "L1 on gamma is as strong as the detector bears: the loss stays within a tenth above that without L1. `--patience` is 0 here.",
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
            ("finetune --resume", "Go on with the latest in runs/detect"),
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
                "Table of classes",
            ),
            ("val --weights best.pt --data D/data.yaml --rect", "Ultralytics' own figures"),
            ("val --weights best.onnx --data D/data.yaml --min-map50-95 0.4", "Ends with 3 below 0.4"),
            ("val --weights best.onnx --data D/data.yaml --json", "As JSON"),
        ],
        notes: &[
            "The size is that of the training, and scores and overlaps are those of Ultralytics' validation.",
        ],
    },
    Topic {
        path: "import",
        short: &[],
        examples: &[
            ("import best.pt --out best.safetensors", "An Ultralytics checkpoint"),
            ("import state.safetensors -o best.safetensors", "A state dict"),
        ],
        notes: &["No Python is needed, and nothing in the file is run."],
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
            ("prune --weights W --prune-ratio 0.4 --dry-run", "Only say what would go"),
            ("prune --weights W --target-macs 0.25 -o small.safetensors", "Leave a quarter of the MACs"),
            ("prune --weights W --plan small.plan.json -o again.safetensors", "Do what a plan says"),
            (
                "prune --weights W --target-macs 0.25 --steps 5 --data D/data.yaml -o s.safetensors",
                "In steps",
            ),
        ],
        notes: &["The limit of a step's loss and its epochs are those of Torch-Pruning's example."],
    },
    Topic {
        path: "export",
        short: &[
            "weights", "out", "format", "imgsz", "batch", "opset", "half", "int8", "dynamic", "layout",
            "nms", "data", "set",
        ],
        examples: &[
            ("export --weights W -o w.onnx", "32 bits, opset 13, one image of one size"),
            ("export --weights W -o h.onnx --half --io fp16", "16 bits"),
            ("export --weights W -o q.onnx --int8 --data D/data.yaml", "8 bits, ranges from training images"),
            (
                "export --weights W -o d.onnx --dynamic shape --nms onnx",
                "Any batch and size, suppression inside",
            ),
        ],
        notes: &["The size is that of the training."],
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
                "For a range of batches",
            ),
        ],
        notes: &[
            "Builders are looked for where their variables, PATH and the usual places say, in this order.",
        ],
    },
    Topic {
        path: "inspect",
        short: &[],
        examples: &[
            ("inspect w.onnx", "Inputs, outputs, operators"),
            ("inspect w.engine --json", "An engine, as JSON"),
            ("inspect w.engine --unwrap bare.plan", "Take Ultralytics' metadata off"),
        ],
        notes: &[],
    },
    Topic {
        path: "predict",
        short: &[],
        examples: &[
            ("predict --weights W --source picture.jpg --out seen", "Draw what is found"),
            (
                "predict --weights W --source 'photos/*.jpg' --out seen --save-txt",
                "Labels beside the pictures",
            ),
            ("predict --weights w.onnx --source photos --json", "One JSON object per image"),
        ],
        notes: &["Score 0.25 and overlap 0.7 are Ultralytics' defaults."],
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
            ("bench step --weights W --layers", "Where its time goes"),
        ],
        notes: &[],
    },
    Topic {
        path: "bench infer",
        short: &[],
        examples: &[
            ("bench infer --model yolov8n --imgsz 640", "One image"),
            ("bench infer --weights w.onnx --beside W --json", "An ONNX file in turns with a checkpoint"),
        ],
        notes: &[],
    },
    Topic {
        path: "bench recipe",
        short: &[],
        examples: &[
            (
                "bench recipe --datasets cells=D/data.yaml,crowd --seeds 0,1,2 --jobs 2",
                "The default against channels drawn at random, on two datasets",
            ),
            (
                "bench recipe --recipes taylor,mine.toml --datasets clutter --macs 0.25 --gather",
                "The table of what is there",
            ),
        ],
        notes: &[],
    },
    Topic {
        path: "bench compare",
        short: &[],
        examples: &[
            ("bench compare --weights base.safetensors small.safetensors", "How much faster the second is"),
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
        examples: &[("doctor", "What works here"), ("doctor --json", "As JSON")],
        notes: &[],
    },
    Topic {
        path: "test",
        short: &[],
        examples: &[("test", "Every test"), ("test -p bonsai-prune", "Those of one crate")],
        notes: &["Needs a checkout of Bonsai around the current folder."],
    },
    Topic {
        path: "completions",
        short: &[],
        examples: &[
            ("completions bash", "To standard output: write it where your shell looks for completions"),
            ("completions zsh", "For zsh, a file `_bonsai` in a folder of its fpath"),
        ],
        notes: &["Completions are for a program called `bonsai`: `cargo install --path crates/cli`."],
    },
    Topic {
        path: "man",
        short: &[],
        examples: &[
            ("man", "The page of the whole program, to standard output"),
            ("man --out man1", "A page for each command, into a folder"),
        ],
        notes: &[],
    },
];
