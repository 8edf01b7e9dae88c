#!/usr/bin/env bash
# Runs the tests of the kernels of CudaExecutor on the host driver, with kernels that AddressSanitizer checks. The driver
# itself finds accesses beyond a buffer; AddressSanitizer also finds those beyond shared memory and local arrays.
#
# Usage: sanitise.sh [TEST...]    names of tests of exec's library, or parts of them; every_, if none is given
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")

built=$("$here/run.sh" test --quiet --release --locked --package bonsai-exec --features cuda --lib --test it --no-run \
    --message-format json)
tests=$(grep -oE '"executable":"[^"]*/bonsai_exec-[^"]*"' <<< "$built" | tail -n 1 | cut -d '"' -f 4)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CUDA_ON_HOST_FLAGS='-fsanitize=address -g1' "$here/kernels/build.sh" "$work/kernels.so" "$root/crates/exec/cuda/kernels.cu"

# The program itself is not instrumented, so its sanitizer must be loaded first. Leaks are the program's, not the kernels'.
cd "$root/crates/exec"
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \
    LD_LIBRARY_PATH="$target/cuda-on-host/lib64" CUDA_ON_HOST_KERNELS="$work/kernels.so" BONSAI_TEST_DEVICE=cuda:0 \
    "$tests" "${@:-every_}"
