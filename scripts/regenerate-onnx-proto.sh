#!/usr/bin/env bash
# Regenerates crates/onnx/src/proto.rs from ONNX's schema. Only needed after a change of the schema, because the
# result is checked in.
#
# Usage: scripts/regenerate-onnx-proto.sh PATH/onnx.proto [--check]
#   PATH     folder with onnx.proto, from https://github.com/onnx/onnx or the Python package onnx (last: 1.23)
#   --check  write nothing; fail if the checked-in file differs
set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 2 ] || { [ $# -eq 2 ] && [ "$2" != --check ]; }; then
    echo "usage: $0 PATH/onnx.proto [--check]" >&2
    exit 2
fi
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=$repository/crates/onnx/src/proto.rs
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$repository/target/onnx-proto}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cargo run --quiet --manifest-path "$repository/scripts/onnx-proto/Cargo.toml" -- "$1" "$scratch/proto.rs"
rustfmt --edition 2024 --config-path "$repository" "$scratch/proto.rs"
if [ $# -eq 2 ]; then
    diff "$target" "$scratch/proto.rs"
else
    cp "$scratch/proto.rs" "$target"
fi
