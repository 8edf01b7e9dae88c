#!/usr/bin/env bash
# Runs a cargo command with feature `cuda` on the host driver, on a machine without a GPU or anything from NVIDIA.
#
# Usage: run.sh ARGUMENTS OF CARGO...
#        run.sh --exec PROGRAM ARGUMENTS...    runs another program in the same environment
#   run.sh test --release --package bonsai-exec --features cuda
#   run.sh run --release --package xtask --features cuda -- pipeline --device cuda:0 --imgsz 64
#
# CUDA_ON_HOST_STREAMS and CUDA_ON_HOST_REPORT are explained in src/lib.rs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
built=$target/cuda-on-host

# Build scripts would prefer a real toolkit, or settings for one.
unset NVCC CUDA_HOME CUDA_PATH CUDA_ROOT CUDA_TOOLKIT_ROOT_DIR CUDARC_CUDA_VERSION CUDNN_LIB

CARGO_TARGET_DIR=$target/cuda-driver env -u CARGO_BUILD_TARGET cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml"

rm -rf "$built"
mkdir -p "$built/lib64" "$built/include" "$built/bin"
cp "$here/toolkit/nvcc" "$built/bin/"
driver=$built/lib64/libcuda_on_host.so
cp "$target/cuda-driver/release/libcuda_on_host.so" "$driver"

# Sources of candle and cudarc, in the versions of Cargo.lock.
manifests=$(cargo metadata --quiet --locked --format-version 1 --filter-platform host-tuple \
    --manifest-path "$root/Cargo.toml" --features xtask/cuda |
    grep -oE '"[^"]*/(candle-kernels|cudarc)-[^"/]*/Cargo.toml"' | tr -d '"' | sort -u)
source_of() {
    local manifest
    manifest=$(grep "/$1-[0-9]" <<< "$manifests" | head -n 1) || {
        echo "$0: cargo has no sources of $1 in a folder of that name; vendored sources are not supported" >&2
        return 1
    }
    dirname "$manifest"
}

# candle's kernels, without `sort.cu` and the quantised ones, which are not used, and ours.
folder=$(source_of candle-kernels)/src
kernels=()
for name in affine binary cast conv fill indexing reduce ternary unary; do
    kernels+=("$folder/$name.cu")
done
kernels+=("$root/crates/exec/cuda/kernels.cu")
"$here/kernels/build.sh" "$built/kernels.so" "${kernels[@]}"

# cudarc refers to every function of NVIDIA's libraries. Those that the driver does not have end the program with their
# name.
bindings=$(source_of cudarc)/src
has=$(nm --dynamic --defined-only --format=posix "$driver" | cut -d ' ' -f 1)
{
    printf '%s\n' 'int dprintf(int, const char *, ...);' 'void abort(void);' \
        'static int missing(const char *name) { dprintf(2, "cuda-on-host: %s is not implemented\n", name); abort(); }'
    for library in driver nvrtc curand cublas cublaslt; do
        grep -oE '\bfn (cu|nvrtc)[A-Za-z0-9_]*\(' "$bindings/$library/sys/mod.rs" | sed -E 's/fn (.*)\(/\1/'
    done | sort -u | grep -vxF "$has" | sed -E 's/.*/int &(void) { return missing("&"); }/'
} > "$built/missing.c"
cc -w -fPIC -shared -fno-builtin -o "$built/lib64/libcuda_missing.so" "$built/missing.c"

# The names under which programs link NVIDIA's driver, compiler, cuRAND, cuBLAS and run time.
for name in cuda nvrtc curand cublas cublasLt cudart; do
    echo 'INPUT(libcuda_on_host.so libcuda_missing.so)' > "$built/lib64/lib$name.so"
done

# candle's build script keeps its outputs by this number. No real build has 61, because candle's kernels need 70 or
# later, so a real build never takes the outputs of the stand-in.
export PATH="$built/bin:$PATH" CUDA_COMPUTE_CAP=61 CUDARC_CUDA_VERSION=13000
export CARGO_TARGET_DIR="$target"
export LD_LIBRARY_PATH="$built/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export CUDA_ON_HOST_KERNELS="$built/kernels.so"
# Not through RUSTFLAGS, with which cargo would build every dependency again.
export LIBRARY_PATH="$built/lib64${LIBRARY_PATH:+:$LIBRARY_PATH}"
cd "$root"
if [ "${1:-}" = --exec ]; then
    exec "${@:2}"
fi
exec cargo "$@"
