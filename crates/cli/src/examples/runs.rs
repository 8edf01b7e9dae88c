//! [`RUNS`]: examples and notes of the commands that make whole runs.

use super::{SETTINGS, Topic};

/// The help of `pipeline`, `compress` and `pipeline sweep`.
pub(super) const RUNS: &[Topic] = &[
    Topic {
        path: "pipeline",
        short: &[],
        examples: &[
            ("pipeline", "All stages on a drawn dataset, in two or three minutes"),
            ("pipeline --data D/data.yaml --model yolov8n --imgsz 320 --epochs 50", "On your own data"),
            (
                "pipeline --model best.pt --data D/data.yaml --set prune.prune_ratio=0.3",
                "From your own checkpoint",
            ),
            (
                "pipeline --data D/data.yaml --max-drop 0.01",
                "In continuous integration: exit code 3 if more than 0.01 mAP50-95 is lost",
            ),
        ],
        notes: &[SETTINGS],
    },
    Topic {
        path: "compress",
        short: &[
            "max-latency",
            "max-macs",
            "max-size",
            "max-drop",
            "precision",
            "project",
            "data",
            "imgsz",
            "epochs",
            "batch",
            "threads",
            "config",
            "set",
        ],
        examples: &[
            (
                "compress best.pt --data D/data.yaml --max-latency 8ms",
                "At most 8 ms for an image on this machine",
            ),
            (
                "compress best.pt --data D/data.yaml --max-size 2MB --max-drop 0.01 --epochs 50",
                "At most 2 MB; exit code 3 if more than 0.01 mAP50-95 is lost",
            ),
            (
                "compress best.pt --data D/data.yaml --max-macs 0.5 --precision fp32",
                "Half of the MACs, in fp32",
            ),
            ("compress best.pt --data D/data.yaml --max-drop 0.005", "The fastest network that loses little"),
        ],
        notes: &[
            "The given network is the baseline and is not trained. Every candidate is a run of `pipeline` in the \
             folder of --project, with its report; the same command continues after an interruption.",
            SETTINGS,
        ],
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
            ("pipeline sweep --gather runs/sweep", "The table of the finished runs"),
        ],
        notes: &[
            SETTINGS,
            "Runs with the same seed share dataset, baseline and sparsity training: the first run makes them, the others \
             use them. A second call of the command runs what is missing.",
        ],
    },
];
