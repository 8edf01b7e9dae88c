#!/usr/bin/env bash
# Installs the libraries of TensorRT-RTX into a folder, from NVIDIA's wheel on PyPI. For CI and for users without the
# SDK.
#
# The script only unpacks shared libraries from the wheel; they do not need Python. NVIDIA's licence (its path is
# printed at the end) forbids redistribution: keep the libraries out of the repository and of your releases.
#
# Usage: scripts/install-tensorrt-rtx.sh DIR      then: export TENSORRT_RTX_DIR=DIR
set -euo pipefail

# The version for which the bindings (crate trtx) are made.
readonly WHEEL=tensorrt-rtx-cu12-libs VERSION=1.7.1.116
readonly CORE=libtensorrt_rtx.so.1 PARSER=libtensorrt_onnxparser_rtx.so.1

if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n 's/^# \(Usage: .*\)/\1/p' "$0" >&2
    exit 2
fi
folder=$1
marker=$folder/$WHEEL-$VERSION

if [ -e "$marker" ] && [ -e "$folder/$CORE" ] && [ -e "$folder/$PARSER" ]; then
    echo "TensorRT-RTX $VERSION is already in $folder"
    exit 0
fi
if ! python3 -m pip --version > /dev/null 2>&1; then
    echo "$0: pip is needed to fetch the wheel; install Python's pip, or download TensorRT-RTX from NVIDIA and set" \
        "TENSORRT_RTX_DIR to where it is" >&2
    exit 1
fi

mkdir -p "$folder"
# In the same file system as the target, so that the last steps are renames: the folder never contains a partial
# library.
scratch=$(mktemp -d "$folder/.partial-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
python3 -m pip download --quiet --no-deps --disable-pip-version-check --only-binary :all: \
    --dest "$scratch" "$WHEEL==$VERSION"
python3 -m zipfile -e "$scratch"/*.whl "$scratch/unpacked"
for library in "$CORE" "$PARSER"; do
    mv "$scratch/unpacked/tensorrt_rtx_libs/$library" "$folder/$library"
done
find "$scratch/unpacked" -name 'LICENSE*' -exec cp {} "$folder/LICENSE-NVIDIA.txt" \;
touch "$marker"
echo "TensorRT-RTX $VERSION is in $folder, under NVIDIA's licence ($folder/LICENSE-NVIDIA.txt)"
echo "export TENSORRT_RTX_DIR=$folder"
