#!/usr/bin/env bash
# Shows that Bonsai needs Rust and a C linker, and nothing else.
#
# Makes a minimal Debian root (once), copies the current Rust toolchain, a fresh clone of HEAD and the dependencies'
# sources into it, and runs the commands inside, without network. The script checks that Python, protoc, cmake, make,
# pkg-config and a C++ compiler are absent.
#
# Usage, as root, with debootstrap installed: scripts/minimal-root.sh FOLDER [COMMAND...]
#   FOLDER   folder of the root, new or from an earlier run (about 4 GB after the build)
#   COMMAND  replaces the README's two commands, for example: cargo test --package bonsai-graph
# Environment: MIRROR and SUITE; by default the mirror and the release of this Debian.
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "usage: $0 FOLDER [COMMAND...]" >&2
    exit 2
fi
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
root=$folder/root

step() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }

for tool in debootstrap unshare git cargo rustc; do
    if ! command -v "$tool" > /dev/null; then
        echo "$0: $tool is missing; install it first" >&2
        exit 1
    fi
done

if [ ! -e "$folder/bootstrapped" ]; then
    suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
    mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' \
        | awk -v suite="$suite" '$2 == suite { print $1; exit }')}
    step "debootstrap: $suite, minimal, with gcc as linker and git"
    rm -rf "$root"
    debootstrap --variant=minbase --include=gcc,libc6-dev,git,ca-certificates "$suite" "$root" "$mirror" \
        > "$folder/debootstrap.log" || { tail -n 20 "$folder/debootstrap.log" >&2; exit 1; }
    touch "$folder/bootstrapped"
fi

step "copy Rust, a fresh clone and the dependencies' sources"
rm -rf "$root/opt/rust" "$root/opt/vendor" "$root/opt/cargo" "$root/srv/bonsai"
mkdir -p "$root/opt/rust" "$root/opt/cargo"
toolchain=$(rustc --print sysroot)
cp -a "$toolchain/bin" "$toolchain/lib" "$root/opt/rust/"
git clone --quiet --no-hardlinks "$repository" "$root/srv/bonsai"
# Run in the clone, so that a lock file that was not committed is noticed.
(cd "$root/srv/bonsai" && cargo vendor --quiet --locked --versioned-dirs "$root/opt/vendor" > /dev/null)
cat > "$root/opt/cargo/config.toml" <<'CONFIG'
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "/opt/vendor"

[net]
offline = true
CONFIG

inside() {
    unshare --mount --net --pid --fork --kill-child -- chroot "$root" /usr/bin/env -i \
        HOME=/root USER=root LANG=C.UTF-8 PATH=/opt/rust/bin:/usr/bin:/bin CARGO_HOME=/opt/cargo \
        /bin/sh -c 'mount -t proc proc /proc; cd /srv/bonsai; exec "$@"' sh "$@"
}

step "tools in the root"
for tool in python python3 protoc cmake make pkg-config c++ g++ clang; do
    if inside which "$tool"; then
        echo "$0: $tool is in the root, so this run would prove nothing; remove $folder and run again" >&2
        exit 1
    fi
done
inside rustc --version
inside cc --version | head -n 1

if [ $# -gt 0 ]; then
    step "$*"
    inside "$@"
else
    step "cargo build --release --package xtask"
    inside cargo build --quiet --release --locked --package xtask
    step "cargo xtask pipeline"
    started=$SECONDS
    inside cargo xtask pipeline
    echo "the pipeline took $((SECONDS - started)) s after the build"
    step "cargo xtask test"
    started=$SECONDS
    inside cargo xtask test
    echo "the tests took $((SECONDS - started)) s, including their build"
fi
step "done"
