#!/usr/bin/env bash
# Breaks the kernels of CudaExecutor in one place at a time, and checks that the tests on the host driver notice.
#
# Usage: mutate.sh [STEP [FILE...]]
#   STEP: tests every STEPth mutant; 1, the default, tests all of them, which takes an hour on two cores.
#   FILE: the files of crates/exec/cuda whose mutants are tested; all, if none is named.
#
# A mutant removes a barrier, or takes the height for the width, one pitch for another, one index for another, or bf16 for
# f32.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
step=${1:-1}
files=("${@:2}")
if [ ${#files[@]} -eq 0 ]; then
    files=("$root"/crates/exec/cuda/*.cuh)
    files=("${files[@]##*/}")
fi

built=$("$here/run.sh" test --quiet --release --locked --package bonsai-exec --features cuda --lib --test it --no-run \
    --message-format json)
binary() {
    grep -oE "\"executable\":\"[^\"]*/$1-[^\"]*\"" <<< "$built" | tail -n 1 | cut -d '"' -f 4
}
steps=$(binary bonsai_exec) integration=$(binary it)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is replaced, and by what. Windows of the graph are square, so their sides cannot be told apart.
swaps=('__syncthreads();|;' 'p % plane|p / plane' '2 * k + 1|2 * k' '2 * i + 1|2 * i' '2 * column + 1|2 * column' 's.ih|s.iw' 's.iw|s.ih' 's.oh|s.ow' 's.ow|s.oh'
    'x.place(|y.place(' 'y.place(|x.place(' 'y.place(|z.place(' 'z.place(|y.place(' 'if (half)|if (!half)' 'if (!half)|if (half)' '0x7fffu|0x8000u'
    'first_row()|first_column()' 'part() + r|group() + r' 'm0 + row|n0 + row' 'n0 + column|m0 + column')

# These mutants compute the same: a warp adds only what it wrote itself (sums.cuh) or writes again what is there (norm.cuh).
skipped='^(sums.cuh:22|norm.cuh:35)$'

# Runs the tests of a file on the kernels in a folder; fails if a test fails.
passes() {
    local binary=$steps tests=every_
    case $2 in
    head.cuh) binary=$integration tests=head_pass ;;
    layout.cuh | optimiser.cuh) tests=every_update ;;
    esac
    "$here/kernels/build.sh" "$work/kernels.so" "$1/kernels.cu" 2> "$work/errors" || return 2
    LD_LIBRARY_PATH="$target/cuda-on-host/lib64" CUDA_ON_HOST_KERNELS="$work/kernels.so" BONSAI_TEST_DEVICE=cuda:0 \
        timeout 600 "$binary" "$tests" > "$work/log" 2>&1 && grep -qE ' [1-9][0-9]* passed' "$work/log"
}

for file in conv_forward.cuh head.cuh optimiser.cuh; do
    passes "$root/crates/exec/cuda" "$file" || {
        echo "$0: the tests fail on the kernels as they are:" >&2
        cat "$work/errors" "$work/log" >&2 || true
        exit 1
    }
done
number=0 caught=0 missed=0 invalid=0
for swap in "${swaps[@]}"; do
    from=${swap%|*} to=${swap#*|}
    for name in "${files[@]}"; do
        file=$root/crates/exec/cuda/$name
        # Lines of signatures only name arguments.
        for line in $(grep -nF "$from" "$file" | grep -vE '__global__|^[0-9]+://' | cut -d : -f 1); do
            [[ "$name:$line" =~ $skipped ]] && continue
            number=$((number + 1))
            [ $((number % step)) -eq 0 ] || continue
            rm -rf "$work/cuda"
            cp -r "$root/crates/exec/cuda" "$work/cuda"
            FROM=$from TO=$to LINE=$line awk '
                NR == ENVIRON["LINE"] {
                    at = index($0, ENVIRON["FROM"])
                    $0 = substr($0, 1, at - 1) ENVIRON["TO"] substr($0, at + length(ENVIRON["FROM"]))
                }
                { print }' "$file" > "$work/cuda/$name"
            place="$name:$line, $from -> $to"
            code=0
            passes "$work/cuda" "$name" || code=$?
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
