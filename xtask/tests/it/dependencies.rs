//! Tests of the dependencies between crates, which [`ALLOWED`] lists.
//!
//! Development dependencies are not restricted: a test may use an executor that the crate itself does not use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::allowed_dependencies::ALLOWED;
use crate::tree::{assert_none, root};

/// Stage crates, which must not depend on each other.
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

/// Crates with a direct dependency on candle, each as a feature: the executor, and sparsity for users' training loops.
const CANDLE_OPTIONAL: &[&str] = &["bonsai-exec", "bonsai-sparsity"];

/// Crates that must not depend on candle, directly or indirectly, with default features.
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
    "bonsai-collective",
    "bonsai-text",
    "bonsai-yolov8",
];

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        // Only for this platform, because all its crates were fetched to build this test.
        .other_options(["--locked", "--filter-platform", "host-tuple"].map(str::to_owned))
        .exec()
        .expect("cargo metadata reads the workspace")
});

#[test]
fn every_crate_uses_exactly_what_the_table_allows() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut found = Vec::new();
    for package in METADATA.workspace_packages() {
        let Some(allowed) = allowed.get(package.name.as_str()) else {
            found.push(format!("{} has no row in ALLOWED", package.name));
            continue;
        };
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let used: BTreeSet<&str> = internal(package).collect();
        for name in used.symmetric_difference(&allowed) {
            let verb = if used.contains(name) { "uses" } else { "does not use" };
            found.push(format!("{} {verb} {name}", package.name));
        }
    }
    assert_none(
        "crates use exactly what ALLOWED lists; remove a dependency, pass a closure, or correct the table:",
        &found,
    );
}

#[test]
fn the_table_has_no_row_for_a_missing_crate() {
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
    assert_none("stage crates must not depend on each other; take a closure from `stages` instead:", &found);
}

#[test]
fn every_crate_that_others_may_use_has_an_example() {
    let alone = ["bonsai-checkpoint", "bonsai-detector", "bonsai-exec", "bonsai-graph", "bonsai-yolov8"];
    let found: Vec<String> = STAGES
        .iter()
        .chain(&alone)
        .map(|name| format!("crates/{}/examples", name.trim_start_matches("bonsai-")))
        .filter(|folder| {
            !std::fs::read_dir(root().join(folder)).is_ok_and(|mut files| files.next().is_some())
        })
        .collect();
    assert_none("these folders need an example of how to use their crate alone:", &found);
}

#[test]
fn the_testkit_is_for_tests_only() {
    let found: Vec<String> = METADATA
        .workspace_packages()
        .into_iter()
        .filter(|package| internal(package).any(|name| name == "bonsai-testkit"))
        .map(|package| package.name.to_string())
        .collect();
    assert_none("bonsai-testkit must be under [dev-dependencies] of:", &found);
}

#[test]
fn only_exec_and_sparsity_depend_on_candle_and_only_as_a_feature() {
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
    assert_none("only bonsai-exec and bonsai-sparsity may depend on candle, and only as a feature:", &found);
}

#[test]
fn crates_without_candle_do_not_depend_on_it_indirectly() {
    let mut found = Vec::new();
    for package in METADATA.workspace_packages() {
        if WITHOUT_CANDLE.contains(&package.name.as_str())
            && let Some(path) = path_to(&package.id, is_candle)
        {
            found.push(path.join(" -> "));
        }
    }
    assert_none("these crates must not depend on candle:", &found);
}

#[test]
fn the_search_for_candle_can_find_it() {
    let exec = METADATA
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == "bonsai-exec")
        .expect("bonsai-exec is a member");
    assert!(
        path_to(&exec.id, is_candle).is_some(),
        "bonsai-exec depends on candle, so the search must find it"
    );
}

/// Names of the workspace's crates on which `package` depends outside its tests.
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

/// A chain of normal and build dependencies from `start` to a package for whose name `wanted` is true.
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
