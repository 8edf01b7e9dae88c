#!/usr/bin/env bash
# Compiles CUDA sources for the host, as a library that the host driver loads.
#
# Usage: build.sh OUT.so FILE.cu...
#
# CUDA_ON_HOST_FLAGS: more options of the compiler for the kernels, such as -fsanitize=address.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=$1
shift

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

# Without contraction, because results should not depend on what the compiler fuses. Versions, because candle asks for
# them.
flags=(-std=c++20 -O2 -w -fPIC -ffp-contract=off -fno-strict-aliasing -fstack-clash-protection -I"$here/include" -I"$here"
    -D__CUDACC_VER_MAJOR__=13 -D__CUDACC_VER_MINOR__=0)

compile() {
    local source=$1 name
    name=$(basename "$source" .cu)
    local here_flags=("${flags[@]}" -I"$(dirname "$source")" -include "$here/device.h")
    read -ra more <<< "${CUDA_ON_HOST_FLAGS:-}"
    here_flags+=("${more[@]}")
    # Macros make many kernels, so their names are read after the preprocessor.
    g++ "${here_flags[@]}" -x c++ -E -P "$source" > "$objects/$name.ii"
    {
        printf '#include "%s"\n' "$source"
        grep -oE 'extern "C" +void +[A-Za-z0-9_]+ *\(' "$objects/$name.ii" |
            sed -E 's/.*void +([A-Za-z0-9_]+).*/HOST_KERNEL(\1)/' | sort -u
    } > "$objects/$name.cpp" || {
        echo "$0: $source has no \`extern \"C\" void name(\` on one line" >&2
        exit 1
    }
    g++ "${here_flags[@]}" -c "$objects/$name.cpp" -o "$objects/$name.o"
}

for source in "$@"; do
    compile "$(realpath "$source")"
done
g++ "${flags[@]}" -c "$here/fibers.cpp" -o "$objects/fibers.o"
# Sources may define the same functions of a common header.
g++ -shared -Wl,-z,muldefs -o "$library" "$objects"/*.o
