#!/usr/bin/env bash
# Builds the wheel for Python: the program `bonsai` and the module bonsai_yolo, for Linux on x86-64 with glibc 2.17 or
# newer. Then tries it (scripts/try-wheel.sh).
#
# Needs Rust, Python 3.9 or newer with venv, and PyPI, from which maturin and zig come; zig links with the old glibc.
#
# Usage: scripts/build-wheel.sh FOLDER [ROOT]
#   FOLDER  where to write the wheel
#   ROOT    new or earlier folder of a Debian 11 (glibc 2.31) in which to try the wheel too; needs root and debootstrap
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "usage: $0 FOLDER [ROOT]" >&2
    exit 2
fi
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
readonly MATURIN=1.16.0 ZIG=0.17.1
readonly MOST_BYTES=12000000

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
step() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }
fail() {
    echo "$0: $1" >&2
    exit 1
}

step "maturin $MATURIN and zig $ZIG"
tools=${XDG_CACHE_HOME:-$HOME/.cache}/bonsai/wheel-$MATURIN-$ZIG
if [ ! -x "$tools/bin/maturin" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet "maturin==$MATURIN" "ziglang==$ZIG"
fi

step "build"
(cd "$repository/python" && PATH="$tools/bin:$PATH" "$tools/bin/maturin" build --zig \
    --compatibility manylinux2014 --out "$scratch/wheel")
wheel=$(echo "$scratch"/wheel/bonsai_yolo-*.whl)
bytes=$(stat --format %s "$wheel")
echo "$wheel: $bytes bytes"
[ "$bytes" -lt "$MOST_BYTES" ] || fail "the wheel has $bytes bytes, more than $MOST_BYTES"
python3 -m zipfile --extract "$wheel" "$scratch/unpacked"
program=$(echo "$scratch"/unpacked/*.data/scripts/bonsai)
echo "the program in it: $(stat --format %s "$program") bytes"

mv "$wheel" "$out/"
"$repository/scripts/try-wheel.sh" "$out/${wheel##*/}" ${2:+"$2"}
