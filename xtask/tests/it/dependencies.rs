//! Which crate may know which.
//!
//! [`ALLOWED`] is the picture in ARCHITECTURE.md as a table; a new edge is a decision, written here with its reason.
//! Development dependencies are free: a test may use an executor that the crate itself never sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::tree::{assert_none, root, texts};

/// For each crate, the crates of the workspace that its normal code may use.
const ALLOWED: &[(&str, &[&str])] = &[
    // A vocabulary of three box types, so that crates which otherwise do not know each other agree on coordinates.
    ("bonsai-boxes", &[]),
    ("bonsai-graph", &[]),
    ("bonsai-kernels", &[]),
    ("bonsai-checkpoint", &["bonsai-graph"]),
    ("bonsai-exec", &["bonsai-checkpoint", "bonsai-graph", "bonsai-kernels"]),
    ("bonsai-yolov8", &["bonsai-boxes", "bonsai-checkpoint", "bonsai-graph"]),
    // Stage crates: none knows another; what one needs of another comes as a closure from the pipeline.
    ("bonsai-data", &["bonsai-boxes"]),
    ("bonsai-metrics", &["bonsai-boxes"]),
    ("bonsai-plots", &["bonsai-boxes"]),
    ("bonsai-train", &["bonsai-boxes", "bonsai-checkpoint", "bonsai-exec", "bonsai-graph", "bonsai-yolov8"]),
    ("bonsai-sparsity", &["bonsai-checkpoint", "bonsai-graph"]),
    ("bonsai-prune", &["bonsai-checkpoint", "bonsai-graph"]),
    ("bonsai-onnx", &["bonsai-checkpoint", "bonsai-graph"]),
    ("bonsai-tensorrt", &[]),
    // The detector composes: it letterboxes an image exactly as training did, so it uses data's letterbox; and what an ONNX
    // file says about itself is read by the one reader that takes files of any origin, which is the exporter's.
    (
        "bonsai-detector",
        &[
            "bonsai-boxes",
            "bonsai-checkpoint",
            "bonsai-data",
            "bonsai-exec",
            "bonsai-graph",
            "bonsai-onnx",
            "bonsai-yolov8",
        ],
    ),
    // The stages meet here, as functions from values to values; no run directory is known.
    (
        "bonsai-stages",
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
            "bonsai-sparsity",
            "bonsai-tensorrt",
            "bonsai-train",
            "bonsai-yolov8",
        ],
    ),
    // A report is written from its model alone; the model holds metrics, epochs and stages.
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
    // Compares whole runs, so it stands above the pipeline.
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
            "bonsai-prune",
            "bonsai-stages",
            "bonsai-train",
            "bonsai-yolov8",
        ],
    ),
    ("bonsai-testkit", &["bonsai-checkpoint", "bonsai-graph"]),
    // Files of any origin are predicted and inspected by the commands themselves.
    (
        "bonsai-cli",
        &[
            "bonsai-bench",
            "bonsai-boxes",
            "bonsai-checkpoint",
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

/// Stage crates, which must stay strangers to each other.
const STAGES: &[&str] = &[
    "bonsai-data",
    "bonsai-metrics",
    "bonsai-onnx",
    "bonsai-plots",
    "bonsai-prune",
    "bonsai-sparsity",
    "bonsai-tensorrt",
    "bonsai-train",
];

/// Crates that name candle themselves, each as a feature: the executor, and sparsity for other people's training loops.
const CANDLE_OPTIONAL: &[&str] = &["bonsai-exec", "bonsai-sparsity"];

/// Crates under which no candle stands, however deep, with default features.
const WITHOUT_CANDLE: &[&str] = &[
    "bonsai-boxes",
    "bonsai-checkpoint",
    "bonsai-data",
    "bonsai-graph",
    "bonsai-kernels",
    "bonsai-metrics",
    "bonsai-onnx",
    "bonsai-plots",
    "bonsai-prune",
    "bonsai-sparsity",
    "bonsai-tensorrt",
    "bonsai-yolov8",
];

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        // For this platform alone: every crate that it names was fetched to build this test.
        .other_options(["--locked", "--filter-platform", "host-tuple"].map(str::to_owned))
        .exec()
        .expect("cargo metadata reads the workspace")
});

#[test]
fn every_crate_uses_only_what_the_table_allows() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut found = Vec::new();
    for package in METADATA.workspace_packages() {
        let Some(allowed) = allowed.get(package.name.as_str()) else {
            found.push(format!("{} has no row in ALLOWED", package.name));
            continue;
        };
        for name in internal(package) {
            if !allowed.contains(&name) {
                found.push(format!("{} depends on {name}", package.name));
            }
        }
    }
    assert_none("crates may depend only on what ALLOWED lists for them (pass a closure instead?):", &found);
}

#[test]
fn the_table_has_no_row_for_a_crate_that_is_gone() {
    let members: BTreeSet<&str> =
        METADATA.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let found: Vec<String> = ALLOWED
        .iter()
        .flat_map(|(name, allowed)| std::iter::once(name).chain(allowed.iter()))
        .filter(|name| !members.contains(*name))
        .map(|name| (*name).to_owned())
        .collect();
    assert_none("ALLOWED names crates that the workspace does not have:", &found);
}

#[test]
fn stage_crates_do_not_depend_on_each_other() {
    let mut found = Vec::new();
    for package in METADATA.workspace_packages() {
        if STAGES.contains(&package.name.as_str()) {
            found.extend(
                internal(package)
                    .filter(|name| STAGES.contains(name))
                    .map(|name| format!("{} depends on {name}", package.name)),
            );
        }
    }
    assert_none("a stage takes another stage's service as a closure from the pipeline:", &found);
}

#[test]
fn every_crate_that_others_may_use_has_a_throw_away_consumer() {
    let alone = ["bonsai-checkpoint", "bonsai-detector", "bonsai-exec", "bonsai-graph", "bonsai-yolov8"];
    let found: Vec<String> = STAGES
        .iter()
        .chain(&alone)
        .map(|name| format!("scripts/consumers/{}.rs", name.trim_start_matches("bonsai-")))
        .filter(|path| !root().join(path).is_file())
        .collect();
    assert_none("scripts/consumer-crates.sh has nothing to build for these:", &found);
}

#[test]
fn the_testkit_is_for_tests_only() {
    let found: Vec<String> = METADATA
        .workspace_packages()
        .into_iter()
        .filter(|package| internal(package).any(|name| name == "bonsai-testkit"))
        .map(|package| package.name.to_string())
        .collect();
    assert_none("bonsai-testkit belongs under [dev-dependencies] of:", &found);
}

#[test]
fn candle_is_named_by_the_executor_and_sparsity_as_an_option() {
    let mut found = Vec::new();
    for package in METADATA.workspace_packages() {
        let name = package.name.as_str();
        for dependency in &package.dependencies {
            if dependency.kind == DependencyKind::Development || !is_candle(&dependency.name) {
                continue;
            }
            if !(CANDLE_OPTIONAL.contains(&name) && dependency.optional) {
                found.push(format!("{name} depends on {}", dependency.name));
            }
        }
    }
    assert_none("only bonsai-exec and bonsai-sparsity may name candle, and only as an option:", &found);
}

#[test]
fn no_candle_stands_under_the_crates_that_do_without() {
    let mut found = Vec::new();
    for package in METADATA.workspace_packages() {
        if WITHOUT_CANDLE.contains(&package.name.as_str())
            && let Some(path) = path_to(&package.id, is_candle)
        {
            found.push(path.join(" -> "));
        }
    }
    assert_none("these crates must not pull in candle:", &found);
}

#[test]
fn the_search_for_candle_can_find_it() {
    let exec = METADATA
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == "bonsai-exec")
        .expect("bonsai-exec is a member");
    assert!(path_to(&exec.id, is_candle).is_some(), "candle is under bonsai-exec, so the search must see it");
}

#[test]
fn versions_and_lints_are_written_once_in_the_root_manifest() {
    let mut found = Vec::new();
    let manifests = texts(&["/Cargo.toml"]).into_iter();
    // A workspace of its own under scripts/ is no member and has nothing to inherit.
    for manifest in manifests.filter(|file| !file.path.starts_with("scripts/")) {
        let mut section = "";
        let mut lints = false;
        let mut inherited = BTreeSet::new();
        for (number, line) in manifest.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && !line.contains("workspace = true") {
                found.push(format!("{}:{number}: {line}", manifest.path));
            } else if section == "[lints]" && line == "workspace = true" {
                lints = true;
            } else if section == "[package]"
                && let Some(key) = line.strip_suffix(".workspace = true")
            {
                inherited.insert(key);
            }
        }
        if !lints {
            found.push(format!("{}: no `workspace = true` under [lints]", manifest.path));
        }
        for key in ["version", "edition", "rust-version", "license"] {
            if !inherited.contains(key) {
                found.push(format!("{}: no `{key}.workspace = true`", manifest.path));
            }
        }
    }
    assert_none("crates inherit versions, metadata and lints from the workspace:", &found);
}

/// Names of the workspace's crates that `package` uses outside its tests.
fn internal(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development && dependency.path.is_some())
        .map(|dependency| dependency.name.as_str())
}

fn is_candle(name: &str) -> bool {
    name == "candle" || name.starts_with("candle-")
}

/// The first chain of normal and build dependencies from `start` to a package whose name `wanted` takes.
fn path_to(start: &PackageId, wanted: fn(&str) -> bool) -> Option<Vec<String>> {
    let resolve = METADATA.resolve.as_ref().expect("cargo metadata resolved the workspace");
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let uses = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|info| info.kind != DependencyKind::Development))
                .map(|dep| &dep.pkg)
                .collect();
            (&node.id, uses)
        })
        .collect();
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![vec![start]];
    while let Some(path) = open.pop() {
        let last = path.last()?;
        if wanted(&METADATA[*last].name) {
            return Some(path.iter().map(|id| METADATA[*id].name.to_string()).collect());
        }
        for next in edges.get(*last).into_iter().flatten() {
            if seen.insert(next) {
                let mut longer = path.clone();
                longer.push(next);
                open.push(longer);
            }
        }
    }
    None
}
