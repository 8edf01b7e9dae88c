#!/usr/bin/env bash
# Tries a wheel of scripts/build-wheel.sh: installs it in a clean virtual environment, without network and without Rust
# on the PATH, and finds objects there. Prints the times, and fails if the first objects take longer than 10 s.
#
# Usage: scripts/try-wheel.sh WHEEL [ROOT]
#   ROOT    new or earlier folder of a Debian 11 (glibc 2.31) in which to try the wheel too; needs root and debootstrap
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "usage: $0 WHEEL [ROOT]" >&2
    exit 2
fi
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wheel=$(realpath "$1")
root=${2:+$(realpath -m "$2")}
readonly MOST_SECONDS=10

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
step() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }

step "a network, by the program in the wheel"
python3 -m zipfile --extract "$wheel" "$scratch/unpacked"
program=$(echo "$scratch"/unpacked/*.data/scripts/bonsai)
chmod +x "$program"
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
    env --ignore-environment PATH=/usr/bin:/bin "$scratch/venv/bin/bonsai" "$command" | sed -n '1,3p'
done

if [ -n "$root" ]; then
    step "Debian 11 in $root"
    if [ ! -e "$root/bootstrapped" ]; then
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n 1p)
        debootstrap --variant=minbase --include=python3,python3-venv bullseye "$root" "$mirror" > "$scratch/log" \
            || { tail -n 20 "$scratch/log" >&2; exit 1; }
        touch "$root/bootstrapped"
    fi
    inside() { unshare --net -- chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin LANG=C.UTF-8 HOME=/root "$@"; }
    rm -rf "$root/srv/bonsai"
    mkdir -p "$root/srv/bonsai"
    cp "$wheel" "$network" "$picture" "$repository/scripts/check_wheel.py" "$root/srv/bonsai"
    inside ldd --version | sed -n 1p
    inside python3 --version
    inside python3 -m venv /srv/bonsai/venv
    started=$(date +%s.%N)
    inside /srv/bonsai/venv/bin/pip install --quiet --no-index "/srv/bonsai/$(basename "$wheel")"
    inside /srv/bonsai/venv/bin/python /srv/bonsai/check_wheel.py /srv/bonsai/best.safetensors /srv/bonsai/000000.png \
        "$started" "$MOST_SECONDS"
fi
step "done"
