#!/usr/bin/env bash
# Checks the crates as they would be published.
#
# Packs every crate but those with `publish = false`, unpacks the files into a folder outside the repository, and checks
# the libraries, programs and examples there: a package that misses a file or a dependency fails. Then checks each crate
# alone, because in a workspace a crate can use a feature that only another crate switches on. At the end, `cargo tree`
# shows that crates that must not depend on candle or rten do not.
#
# Usage: scripts/packages.sh [FOLDER]
#   FOLDER  instead of the checks, installs the program from its package into FOLDER/bin, with `cargo install`
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"

# Crates whose normal dependencies must not include candle, as the documentation promises.
readonly WITHOUT_CANDLE=(boxes checkpoint collective data graph kernels metrics onnx plots prune sparsity tensorrt text yolov8)
# Crates and the dependency that they must not have without their default features, but have with them.
readonly OPTIONAL=(detector:candle-core exec:candle-core train:candle-core detector:rten)

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "$0: $1" >&2
    exit 1
}

# The files are packed as they are in the working tree.
rm -rf "$target/package"
cargo package --quiet --workspace --exclude xtask --exclude bonsai-testkit --no-verify --allow-dirty --locked
for crate in "$target"/package/*.crate; do
    tar -xzf "$crate" -C "$scratch"
done
for folder in "$scratch"/*/; do
    for file in README.md LICENSE-MIT LICENSE-APACHE; do
        [ -s "$folder/$file" ] || fail "$(basename "$folder") has no $file"
    done
done
{
    printf '[workspace]\nresolver = "3"\nmembers = ["*"]\nexclude = ["target"]\n\n[patch.crates-io]\n'
    for folder in "$scratch"/*/; do
        name=$(basename "$folder")
        printf '%s = { path = "%s" }\n' "${name%-*}" "$name"
    done
} > "$scratch/Cargo.toml"
cp Cargo.lock "$scratch/Cargo.lock"
if [ $# -gt 0 ]; then
    CARGO_TARGET_DIR=$target cargo install --quiet --locked --path "$(echo "$scratch"/bonsai-cli-*)" --root "$1"
    "$1/bin/bonsai" summary yolov8n --imgsz 64 > "$scratch/summary"
    grep -q "3157184 params" "$scratch/summary" || fail "the installed program does not count as it should"
    echo "installed from $(basename "$(echo "$scratch"/bonsai-cli-*)"): $1/bin/bonsai"
    exit
fi
CARGO_TARGET_DIR=$target cargo check --quiet --release --workspace --lib --bins --examples \
    --manifest-path "$scratch/Cargo.toml"

for folder in crates/*/; do
    cargo check --quiet --release --locked -p "bonsai-$(basename "$folder")"
done

# depends CRATE DEPENDENCY [OPTION...]: whether the crate has the dependency
depends() {
    # Not piped to grep -q, because grep would close the pipe and cargo would fail.
    local tree
    tree=$(cargo tree --quiet --locked -p "bonsai-$1" --edges normal --prefix none --format '{p}' "${@:3}")
    grep -q "^$2 " <<< "$tree"
}
for name in "${WITHOUT_CANDLE[@]}"; do
    if depends "$name" candle-core; then fail "bonsai-$name depends on candle, but must not"; fi
done
for pair in "${OPTIONAL[@]}"; do
    name=${pair%:*} dependency=${pair#*:}
    if depends "$name" "$dependency" --no-default-features; then
        fail "bonsai-$name depends on $dependency without its default features, but must not"
    fi
    # The check must be able to fail.
    depends "$name" "$dependency" || fail "bonsai-$name does not depend on $dependency: the check is broken"
    cargo check --quiet --release --locked -p "bonsai-$name" --no-default-features
done
echo "packages are complete; no candle under: ${WITHOUT_CANDLE[*]}; optional: ${OPTIONAL[*]}"
