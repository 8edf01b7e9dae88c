#!/usr/bin/env bash
# Runs the kernels' tests under AddressSanitizer, with each instruction set of this machine: portable, AVX2, AVX-512.
#
# Usage: scripts/kernels-under-asan.sh [TEST FILTER...]
#
# The fuzz target `program` covers inputs that these tests lack (fuzz/README.md).
#
# The stable toolchain includes the sanitizer's runtime, but only an unstable flag links it, so the script sets
# RUSTC_BOOTSTRAP. `--target` excludes build scripts and procedural macros from the sanitizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

host=$(rustc --print host-tuple)
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
# Some tests allocate more memory than exists, and expect an error instead of an abort.
export ASAN_OPTIONS="allocator_may_return_null=1:${ASAN_OPTIONS:-}"
# A separate folder, because other flags would rebuild everything in the shared one.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan
cargo test --release --locked -p bonsai-kernels --target "$host" --lib --test it -- "$@"
