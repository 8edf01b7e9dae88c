#!/usr/bin/env bash
# Builds the program `bonsai` as one file that needs no library of the system, and runs it in a folder that holds nothing
# else.
#
# It is linked with musl. A static program cannot load libraries, so onnxruntime and TensorRT-RTX's library cannot be used
# in it; ONNX files run in rten.
#
# Needs Rust with rustup, and root for the run in the empty folder.
#
# Usage: scripts/build-static.sh FOLDER
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly TARGET=x86_64-unknown-linux-musl

rustup target list --installed | grep --quiet --line-regexp "$TARGET" || rustup target add "$TARGET"
cargo build --quiet --locked --profile dist --target "$TARGET" --package bonsai-cli --bin bonsai
cp "${CARGO_TARGET_DIR:-target}/$TARGET/dist/bonsai" "$out/bonsai"
if readelf --program-headers "$out/bonsai" | grep --quiet INTERP; then
    echo "$0: the program asks for a loader, so it is not static" >&2
    exit 1
fi
echo "$out/bonsai: $(stat --format %s "$out/bonsai") bytes, $(gzip --stdout "$out/bonsai" | wc --bytes) compressed"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp "$out/bonsai" "$root/bonsai"
inside() { unshare --net -- chroot "$root" /bonsai "$@"; }
inside --version
# A network, then objects; /proc is missing here, so no step may need it.
inside pipeline --quiet --imgsz 64 --batch 4 --epochs 1 --until baseline --project /run \
    --set shapes.train=8 --set shapes.val=4 --set shapes.test=2
found=$(inside predict --weights /run/baseline/best.safetensors --source /run/dataset/shapes/images/test/000000.png \
    --conf 0 --max-det 3 --json)
echo "$found"
[ "$(grep --only-matching class_id <<< "$found" | wc --lines)" -eq 3 ] || {
    echo "$0: expected 3 objects" >&2
    exit 1
}
