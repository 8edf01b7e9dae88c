#!/usr/bin/env bash
# Breaks the kernels of CudaExecutor in one place at a time, and checks that the tests on the host driver notice.
#
# Usage: mutate.sh [STEP]
#   STEP: tests every STEPth mutant; 1, the default, tests all of them, which takes half an hour on two cores.
#
# A mutant removes a barrier, or takes the height for the width, one pitch for another, or one index for another.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
step=${1:-1}

binary=$("$here/run.sh" test --quiet --release --locked --package bonsai-exec --features cuda --lib --no-run \
    --message-format json | grep -oE '"executable":"[^"]*bonsai_exec-[^"]*"' | tail -n 1 | cut -d '"' -f 4)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is replaced, and by what. Windows of the graph are square, so their sides cannot be told apart.
swaps=('__syncthreads();|;' 's.ih|s.iw' 's.iw|s.ih' 's.oh|s.ow' 's.ow|s.oh' 'ldx|ldy' 'ldy|ldx' 'ldz|ldy'
    'first_row()|first_column()' 'part() + r|group() + r' 'm0 + row|n0 + row' 'n0 + column|m0 + column')

# These mutants compute the same: a warp adds only what it wrote itself (sums.cuh) or writes again what is there (norm.cuh).
# The test does not run the optimiser.
skipped='^(sums.cuh:22|norm.cuh:35|optimiser.cuh:[0-9]+)$'

# Runs the tests on the kernels in a folder; fails if a test fails.
passes() {
    "$here/kernels/build.sh" "$work/kernels.so" "$1/kernels.cu" 2> "$work/errors" || return 2
    LD_LIBRARY_PATH="$target/cuda-on-host/lib64" CUDA_ON_HOST_KERNELS="$work/kernels.so" BONSAI_TEST_DEVICE=cuda:0 \
        timeout 600 "$binary" every_step_equals > "$work/log" 2>&1 && grep -q ' 1 passed' "$work/log"
}

passes "$root/crates/exec/cuda" || {
    echo "$0: the tests fail on the kernels as they are:" >&2
    cat "$work/errors" "$work/log" >&2 || true
    exit 1
}
number=0 caught=0 missed=0 invalid=0
for swap in "${swaps[@]}"; do
    from=${swap%|*} to=${swap#*|}
    for file in "$root"/crates/exec/cuda/*.cuh; do
        # Lines of signatures only name arguments.
        for line in $(grep -nF "$from" "$file" | grep -vE '__global__|^[0-9]+://' | cut -d : -f 1); do
            [[ "$(basename "$file"):$line" =~ $skipped ]] && continue
            number=$((number + 1))
            [ $((number % step)) -eq 0 ] || continue
            rm -rf "$work/cuda"
            cp -r "$root/crates/exec/cuda" "$work/cuda"
            FROM=$from TO=$to LINE=$line awk '
                NR == ENVIRON["LINE"] {
                    at = index($0, ENVIRON["FROM"])
                    $0 = substr($0, 1, at - 1) ENVIRON["TO"] substr($0, at + length(ENVIRON["FROM"]))
                }
                { print }' "$file" > "$work/cuda/$(basename "$file")"
            place="$(basename "$file"):$line, $from -> $to"
            code=0
            passes "$work/cuda" || code=$?
            case $code in
            0) missed=$((missed + 1)) && echo "MISSED $place" ;;
            2) invalid=$((invalid + 1)) ;;
            *) caught=$((caught + 1)) ;;
            esac
        done
    done
done
echo "$caught mutants caught, $missed missed, $invalid did not compile"
[ "$missed" -eq 0 ]
