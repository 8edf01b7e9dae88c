#!/usr/bin/env bash
# Compiles the kernels of CudaExecutor with NVIDIA's compiler, for several GPUs, and prints the registers of each kernel.
# Fails if a kernel does not compile or keeps local values in memory (spills or a stack frame). Needs no GPU.
#
# Usage: scripts/compile-kernels.sh
#
# The compiler is the one on the path, or else NVIDIA's wheels from PyPI, which are deleted at the end.
set -euo pipefail

# T4 and GeForce of the 20 series (without TF32), A100, GeForce of the 30 series, H100.
readonly GPUS=(sm_75 sm_80 sm_86 sm_90)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# shellcheck source=scripts/nvidia-compiler.sh
source "$root/scripts/nvidia-compiler.sh"
toolkit=$(nvidia_compiler "$scratch/nvidia")
nvcc=$toolkit/bin/nvcc

for gpu in "${GPUS[@]}"; do
    log=$scratch/$gpu.log
    "$nvcc" -std=c++17 -O3 -arch="$gpu" -cubin -Xptxas -v -o "$scratch/$gpu.cubin" "$root/crates/exec/cuda/kernels.cu" \
        2> "$log" || {
        cat "$log" >&2
        exit 1
    }
    # The name of a kernel, its spills and its registers are on lines of their own.
    awk -v gpu="$gpu" '
        /Compiling entry function/ { split($0, part, "\047"); name = part[2] }
        /bytes spill stores/ { spilled = $0 !~ / 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads/ }
        /Used [0-9]+ registers/ {
            match($0, /Used [0-9]+/)
            printf "%s %-32s %3d registers%s\n", gpu, name, substr($0, RSTART + 5, RLENGTH - 5), spilled ? ", MEMORY" : ""
            kernels++
            failed = failed || spilled
        }
        END {
            printf "%s: %d kernels\n", gpu, kernels
            exit failed || kernels == 0
        }' "$log"
done
