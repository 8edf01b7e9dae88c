#!/usr/bin/env bash
# Type-checks `bonsai-exec` with candle's CUDA code, on a machine without a GPU or a CUDA toolkit. No other crate has
# code for CUDA; the script also checks that feature `cuda` of the command line reaches `bonsai-exec`.
#
# candle's build script compiles its kernels with nvcc. This script puts a stand-in first on PATH, which answers the
# queries of the build scripts and writes empty files. So all Rust code is checked, but nothing can be linked or run.
# This is a type check only; it does not test kernels.
#
# Usage: scripts/typecheck-cuda.sh [additional arguments of cargo check]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

toolkit=$(mktemp -d)
trap 'rm -rf "$toolkit"' EXIT
mkdir -p "$toolkit/bin" "$toolkit/include" "$toolkit/lib64"

cat > "$toolkit/bin/nvcc" <<'NVCC'
#!/bin/sh
# Stand-in for nvcc: answers queries, writes empty outputs.
case "$1" in
--version)
    # Build scripts read the version from the fourth line.
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

# Build scripts would prefer a real toolkit, or settings for one.
unset NVCC CUDA_HOME CUDA_PATH CUDA_ROOT CUDA_TOOLKIT_ROOT_DIR CUDARC_CUDA_VERSION CUDNN_LIB
export PATH="$toolkit/bin:$PATH" CUDA_COMPUTE_CAP=80

# A separate target folder, so that no later build links the empty kernels.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/typecheck-cuda \
    cargo check --release --locked --package bonsai-exec --features cuda "$@"

# Not piped to grep -q, because grep would close the pipe and cargo would fail.
features=$(cargo tree --quiet --locked --package xtask --features cuda --edges normal --prefix none --format '{p} {f}')
if ! grep -Eq '^bonsai-exec .*[ ,]cuda(,|$)' <<< "$features"; then
    echo "$0: feature cuda of xtask does not switch on feature cuda of bonsai-exec" >&2
    exit 1
fi
