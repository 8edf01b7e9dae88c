#!/usr/bin/env bash
# Builds Bonsai for NVIDIA GPUs on a machine without one, and packs it with the tests and scripts/gpu-first-minutes.sh, so
# that a borrowed GPU needs no compiler.
#
# Usage: scripts/build-cuda.sh OUT.tar.xz
#
# The compiler is the one on the path, or else NVIDIA's wheels from PyPI. The libraries that the program links are
# empty ones of the right names, because they are on the machine with the GPU: its driver (CUDA 13.0 or later), and
# libcublas.so.13, libcublasLt.so.13, libcurand.so.10 and libnvrtc.so.13.
# CUDA_COMPUTE_CAP is the oldest GPU that can run the result: 80 (A100) by default.
set -euo pipefail

readonly LIMIT_MB=40

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
archive=$(realpath -m "${1:?the archive to write}")
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset NVCC CUDA_HOME CUDA_PATH CUDA_ROOT CUDA_TOOLKIT_ROOT_DIR CUDNN_LIB

# shellcheck source=scripts/nvidia-compiler.sh
source "$root/scripts/nvidia-compiler.sh"
toolkit=$(nvidia_compiler "$scratch/nvidia")

# NVIDIA's compiler for kernels; the stand-in for candle's kernels of quantised language models, which Bonsai never calls.
mkdir -p "$scratch/bin" "$scratch/lib64" "$scratch/include"
cat > "$scratch/bin/nvcc" <<EOF
#!/usr/bin/env bash
case " \$* " in
*' --ptx '*) exec '$toolkit/bin/nvcc' "\$@" ;;
*) exec '$root/scripts/cuda-on-host/toolkit/nvcc' "\$@" ;;
esac
EOF
chmod +x "$scratch/bin/nvcc"

# The functions of NVIDIA's libraries, as cudarc declares them.
bindings=$(cargo metadata --quiet --locked --format-version 1 --filter-platform host-tuple \
    --manifest-path "$root/Cargo.toml" --features xtask/cuda |
    grep -oE '"[^"]*/cudarc-[^"/]*/Cargo.toml"' | head -n 1 | tr -d '"')
bindings=$(dirname "$bindings")/src
stub() {
    local name=$1 soname=$2 folder=$3
    {
        echo 'void bonsai_stub(void) {}'
        if [ -n "$folder" ]; then
            grep -oE '\bfn (cu|nvrtc)[A-Za-z0-9_]*\(' "$bindings/$folder/sys/mod.rs" |
                sed -E 's/fn (.*)\(/void \1(void) {}/' | sort -u
        fi
    } > "$scratch/$name.c"
    cc -w -fPIC -shared -fno-builtin -Wl,-soname,"$soname" -o "$scratch/lib64/lib$name.so" "$scratch/$name.c"
}
stub cuda libcuda.so.1 driver
stub nvrtc libnvrtc.so.13 nvrtc
stub curand libcurand.so.10 curand
stub cublas libcublas.so.13 cublas
stub cublasLt libcublasLt.so.13 cublaslt
stub cudart libcudart.so.13 ''

export PATH="$scratch/bin:$PATH" CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80} CUDARC_CUDA_VERSION=13000
export LIBRARY_PATH="$scratch/lib64${LIBRARY_PATH:+:$LIBRARY_PATH}" CARGO_TARGET_DIR=$target
cd "$root"
# shellcheck source=scripts/cuda-on-host/programs.sh
source "$root/scripts/cuda-on-host/programs.sh"
build_programs
packed=$scratch/bonsai-cuda
mkdir -p "$packed"
cp "$(program xtask bin)" "$packed/bonsai"
cp "$(program crates/exec lib)" "$packed/exec-steps"
cp "$(program crates/exec test)" "$packed/exec-tests"
cp "$(program crates/train test)" "$packed/train-tests"
cp scripts/gpu-first-minutes.sh "$packed/"
# The program must ask for NVIDIA's libraries by their real names.
needed=$(readelf --dynamic "$packed/bonsai" | grep NEEDED)
for soname in libcuda.so.1 libcublas.so.13 libcurand.so.10; do
    grep -qF "[$soname]" <<< "$needed" || {
        echo "$0: the program does not link $soname: $needed" >&2
        exit 1
    }
done
strip "$packed"/bonsai "$packed"/exec-* "$packed"/train-tests
tar -C "$scratch" --owner=0 --group=0 -cJf "$archive" bonsai-cuda
size=$(stat -c %s "$archive")
echo "$archive: $((size / 1000000)) MB"
[ "$size" -le $((LIMIT_MB * 1000000)) ] || {
    echo "$0: the archive is larger than $LIMIT_MB MB" >&2
    exit 1
}
