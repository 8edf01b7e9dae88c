#!/usr/bin/env bash
# The kernels' tests under AddressSanitizer, on every instruction set of this machine: portable, AVX2 and AVX-512.
#
# Usage: scripts/kernels-under-asan.sh [TEST FILTER...]
#
# What tests do not think of, the fuzz target `program` does (fuzz/README.md).
#
# The sanitizer's runtime comes with the stable toolchain, but only an unstable flag links it: hence RUSTC_BOOTSTRAP.
# `--target` keeps build scripts and procedural macros out of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

host=$(rustc --print host-tuple)
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
# Tests ask for memory that nobody has, and want the answer.
export ASAN_OPTIONS="allocator_may_return_null=1:${ASAN_OPTIONS:-}"
# A folder of its own: other flags would rebuild everything, there and back.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan
cargo test --release --locked -p bonsai-kernels --target "$host" --lib --test it -- "$@"
