#!/usr/bin/env bash
# Type-checks `bonsai-exec` with candle's CUDA and cuDNN code switched on, on a machine without a GPU or a CUDA toolkit.
#
# candle's build script compiles its kernels with nvcc. This script puts a stand-in first on PATH that answers what the
# build scripts ask and writes empty results, so the Rust side is checked in full and nothing can be linked or run.
# It is a type-check only: it says nothing about whether a kernel is right.
#
# Usage: scripts/typecheck-cuda.sh [further arguments of cargo check]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

toolkit=$(mktemp -d)
trap 'rm -rf "$toolkit"' EXIT
mkdir -p "$toolkit/bin" "$toolkit/include" "$toolkit/lib64"

cat > "$toolkit/bin/nvcc" <<'NVCC'
#!/bin/sh
# Stand-in for nvcc: answers questions, writes empty outputs.
case "$1" in
--version)
    # The version is read from the fourth line.
    printf '%s\n' 'nvcc: NVIDIA (R) Cuda compiler driver' '(stand-in: no code is generated)' \
        'Built for type checks' 'Cuda compilation tools, release 13.0, V13.0.0'
    exit 0 ;;
--list-gpu-code)
    printf '%s\n' sm_75 sm_80 sm_86 sm_89 sm_90 sm_100 sm_120
    exit 0 ;;
esac
ptx='' folder='' output='' source=''
while [ $# -gt 0 ]; do
    case "$1" in
    --ptx) ptx=1 ;;
    --output-directory) folder=$2; shift ;;
    -o) output=$2; shift ;;
    *.cu) source=$1 ;;
    esac
    shift
done
if [ -n "$ptx" ]; then
    name=${source##*/}
    : > "$folder/${name%.cu}.ptx"
elif [ "${output%.a}" != "$output" ]; then
    printf '!<arch>\n' > "$output"
elif [ -n "$output" ]; then
    : > "$output"
else
    echo "stand-in nvcc: nothing to write" >&2
    exit 1
fi
NVCC
chmod +x "$toolkit/bin/nvcc"

# A real toolkit, or settings for one, would be preferred by the build scripts.
unset NVCC CUDA_HOME CUDA_PATH CUDA_ROOT CUDA_TOOLKIT_ROOT_DIR CUDARC_CUDA_VERSION CUDNN_LIB
export PATH="$toolkit/bin:$PATH" CUDA_COMPUTE_CAP=80

# A target folder of its own, so that no later build links the empty kernels.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/typecheck-cuda \
    cargo check --release --locked --package bonsai-exec --features cuda,cudnn "$@"
