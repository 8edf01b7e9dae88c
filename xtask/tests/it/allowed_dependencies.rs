//! [`ALLOWED`]: the dependencies that each crate may have.
//!
//! The table contains the diagram in ARCHITECTURE.md. A new dependency is a decision, which needs an entry with
//! its reason here.

/// For each crate, the crates of the workspace that its normal code uses.
pub(crate) const ALLOWED: &[(&str, &[&str])] = &[
    // Box types for crates that otherwise do not depend on each other.
    ("bonsai-boxes", &[]),
    ("bonsai-graph", &[]),
    ("bonsai-kernels", &[]),
    // Between processes; a crate of its own, because MPI and NCCL need libraries that nothing else needs.
    ("bonsai-collective", &[]),
    ("bonsai-checkpoint", &["bonsai-graph"]),
    ("bonsai-exec", &["bonsai-checkpoint", "bonsai-graph", "bonsai-kernels"]),
    ("bonsai-yolov8", &["bonsai-boxes", "bonsai-checkpoint", "bonsai-graph"]),
    // Stage crates: none depends on another; it gets the functions of another as closures from `stages`.
    ("bonsai-data", &["bonsai-boxes"]),
    ("bonsai-metrics", &["bonsai-boxes"]),
    // Text in pictures, for plots and for the detector.
    ("bonsai-text", &[]),
    ("bonsai-plots", &["bonsai-boxes", "bonsai-text"]),
    (
        "bonsai-train",
        &["bonsai-checkpoint", "bonsai-collective", "bonsai-exec", "bonsai-graph", "bonsai-yolov8"],
    ),
    ("bonsai-sparsity", &["bonsai-checkpoint", "bonsai-graph"]),
    ("bonsai-prune", &["bonsai-checkpoint", "bonsai-graph"]),
    ("bonsai-onnx", &["bonsai-checkpoint", "bonsai-graph"]),
    ("bonsai-tensorrt", &[]),
    // The detector letterboxes images exactly like training, so it uses the letterbox of bonsai-data. It
    // reads the metadata of ONNX files with the reader of bonsai-onnx, which accepts files of any origin.
    (
        "bonsai-detector",
        &[
            "bonsai-boxes",
            "bonsai-checkpoint",
            "bonsai-data",
            "bonsai-exec",
            "bonsai-graph",
            "bonsai-onnx",
            "bonsai-text",
            "bonsai-yolov8",
        ],
    ),
    // Composes the stage crates to stages, as functions from values to values, without a run directory.
    (
        "bonsai-stages",
        &[
            "bonsai-boxes",
            "bonsai-checkpoint",
            "bonsai-collective",
            "bonsai-data",
            "bonsai-detector",
            "bonsai-exec",
            "bonsai-graph",
            "bonsai-metrics",
            "bonsai-onnx",
            "bonsai-plots",
            "bonsai-prune",
            "bonsai-sparsity",
            "bonsai-tensorrt",
            "bonsai-train",
            "bonsai-yolov8",
        ],
    ),
    // A report is written from a model that contains metrics, epochs and stages.
    (
        "bonsai-report",
        &[
            "bonsai-boxes",
            "bonsai-data",
            "bonsai-detector",
            "bonsai-exec",
            "bonsai-graph",
            "bonsai-metrics",
            "bonsai-prune",
            "bonsai-sparsity",
            "bonsai-stages",
            "bonsai-tensorrt",
            "bonsai-train",
        ],
    ),
    // Composes the stages over a run directory.
    (
        "bonsai-pipeline",
        &[
            "bonsai-boxes",
            "bonsai-checkpoint",
            "bonsai-data",
            "bonsai-detector",
            "bonsai-exec",
            "bonsai-graph",
            "bonsai-metrics",
            "bonsai-onnx",
            "bonsai-plots",
            "bonsai-prune",
            "bonsai-report",
            "bonsai-sparsity",
            "bonsai-stages",
            "bonsai-tensorrt",
            "bonsai-train",
            "bonsai-yolov8",
        ],
    ),
    // Compares whole runs, so it uses the pipeline.
    (
        "bonsai-bench",
        &[
            "bonsai-boxes",
            "bonsai-checkpoint",
            "bonsai-data",
            "bonsai-detector",
            "bonsai-exec",
            "bonsai-graph",
            "bonsai-metrics",
            "bonsai-pipeline",
            "bonsai-plots",
            "bonsai-prune",
            "bonsai-stages",
            "bonsai-train",
            "bonsai-yolov8",
        ],
    ),
    // Composes runs of the pipeline to meet a budget.
    (
        "bonsai-compress",
        &[
            "bonsai-checkpoint",
            "bonsai-detector",
            "bonsai-exec",
            "bonsai-graph",
            "bonsai-pipeline",
            "bonsai-prune",
            "bonsai-stages",
            "bonsai-tensorrt",
        ],
    ),
    ("bonsai-testkit", &["bonsai-checkpoint", "bonsai-graph"]),
    // The commands `predict` and `inspect` read files of any origin themselves.
    (
        "bonsai-cli",
        &[
            "bonsai-bench",
            "bonsai-boxes",
            "bonsai-checkpoint",
            // Which of several processes this is.
            "bonsai-collective",
            "bonsai-compress",
            "bonsai-data",
            "bonsai-detector",
            "bonsai-graph",
            "bonsai-onnx",
            "bonsai-pipeline",
            "bonsai-stages",
            "bonsai-tensorrt",
        ],
    ),
    ("xtask", &["bonsai-cli"]),
];
