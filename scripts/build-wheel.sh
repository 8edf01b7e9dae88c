#!/usr/bin/env bash
# Builds the wheel for Python: the program `bonsai` and the module bonsai_yolo, for Linux on x86-64 with glibc 2.17 or
# newer. Then installs it in a clean virtual environment without network, and finds objects there.
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
root=${2:+$(realpath -m "$2")}
readonly MATURIN=1.16.0 ZIG=0.17.1
readonly MOST_BYTES=12000000 MOST_SECONDS=10

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
rm -f "$out"/bonsai_yolo-*.whl
(cd "$repository/python" && PATH="$tools/bin:$PATH" "$tools/bin/maturin" build --zig \
    --compatibility manylinux2014 --out "$out")
wheel=$(echo "$out"/bonsai_yolo-*.whl)
bytes=$(stat --format %s "$wheel")
echo "$wheel: $bytes bytes"
[ "$bytes" -lt "$MOST_BYTES" ] || fail "the wheel has $bytes bytes, more than $MOST_BYTES"
python3 -m zipfile --extract "$wheel" "$scratch/unpacked"
program=$(echo "$scratch"/unpacked/*.data/scripts/bonsai)
chmod +x "$program"
echo "the program in it: $(stat --format %s "$program") bytes"

step "a network, by the program in the wheel"
"$program" pipeline --quiet --imgsz 64 --batch 4 --epochs 1 --until baseline --project "$scratch/run" \
    --set shapes.train=8 --set shapes.val=4 --set shapes.test=2 > /dev/null
network=$scratch/run/baseline/best.safetensors
picture=$scratch/run/dataset/shapes/images/test/000000.png

step "install in a clean environment, and find objects"
python3 -m venv "$scratch/venv"
# Without the path of cargo.
started=$(date +%s.%N)
env --ignore-environment PATH=/usr/bin:/bin "$scratch/venv/bin/pip" install --quiet --no-index "$wheel"
(cd "$scratch" && env --ignore-environment PATH=/usr/bin:/bin "$scratch/venv/bin/python" \
    "$repository/scripts/check_wheel.py" "$network" "$picture" "$started" "$MOST_SECONDS")
for command in "--version" "doctor"; do
    env --ignore-environment PATH=/usr/bin:/bin "$scratch/venv/bin/bonsai" "$command" | head -n 3
done

if [ -n "$root" ]; then
    step "Debian 11 in $root"
    if [ ! -e "$root/bootstrapped" ]; then
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
        debootstrap --variant=minbase --include=python3,python3-venv bullseye "$root" "$mirror" > "$scratch/log" \
            || { tail -n 20 "$scratch/log" >&2; exit 1; }
        touch "$root/bootstrapped"
    fi
    inside() { unshare --net -- chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin LANG=C.UTF-8 HOME=/root "$@"; }
    rm -rf "$root/srv/bonsai"
    mkdir -p "$root/srv/bonsai"
    cp "$wheel" "$network" "$picture" "$repository/scripts/check_wheel.py" "$root/srv/bonsai"
    inside ldd --version | head -n 1
    inside python3 --version
    inside python3 -m venv /srv/bonsai/venv
    started=$(date +%s.%N)
    inside /srv/bonsai/venv/bin/pip install --quiet --no-index "/srv/bonsai/$(basename "$wheel")"
    inside /srv/bonsai/venv/bin/python /srv/bonsai/check_wheel.py /srv/bonsai/best.safetensors /srv/bonsai/000000.png \
        "$started" "$MOST_SECONDS"
fi
step "done"
