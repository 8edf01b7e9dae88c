# Finds NVIDIA's compiler, for other scripts: the one on the path, or else NVIDIA's wheels from PyPI. NVIDIA's licence
# forbids redistribution.
# shellcheck shell=bash

# Version 13.0, because a driver for CUDA 13.0 refuses what later compilers write.
readonly NVIDIA_WHEELS=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85)

# Prints the folder with bin/nvcc. A substitution of commands drops `set -e`, so each command returns its failure. Unpacks wheels into the folder $1 if nvcc is not on the path.
nvidia_compiler() {
    local folder=$1 nvcc wheel
    nvcc=$(command -v nvcc || true)
    if [ -n "$nvcc" ]; then
        dirname "$(dirname "$(realpath "$nvcc")")"
        return
    fi
    python3 -m pip download --quiet --no-deps --disable-pip-version-check --only-binary :all: \
        --dest "$folder/wheels" "${NVIDIA_WHEELS[@]}" >&2 || return
    for wheel in "$folder"/wheels/*.whl; do
        python3 -m zipfile -e "$wheel" "$folder/unpacked" || return
    done
    rm -r "$folder/wheels"
    # Python's zipfile drops permissions.
    chmod +x "$folder"/unpacked/nvidia/cu13/bin/* "$folder"/unpacked/nvidia/cu13/nvvm/bin/* || return
    echo "$folder/unpacked/nvidia/cu13"
}
