#!/usr/bin/env bash
# Checks on a borrowed GPU that everything is right, and measures how fast it is. Prints one JSON object per line, and keeps
# the whole output of each step. A step that would begin after ten minutes (or MINUTES) is left out.
#
# Usage: gpu-first-minutes.sh [OUT]
#   OUT: a new folder for the outputs; gpu-first-minutes by default
#
# It runs beside the programs that scripts/build-cuda.sh packs, or with BONSAI_PROGRAMS as the folder of these programs.
# PYTHON and STEP_TIME name an interpreter with PyTorch and a script that times PyTorch's training step on the GPU, for the
# comparison; without them, it is left out. BONSAI_DEVICE is cuda:0 by default. QUICK=1 uses the smallest sizes.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=$(realpath "${BONSAI_PROGRAMS:-$here}")
out=${1:-gpu-first-minutes}
device=${BONSAI_DEVICE:-cuda:0}
mkdir "$out" || exit 2
out=$(realpath "$out")
until=$((${MINUTES:-10} * 60))
bonsai=$programs/bonsai
export BONSAI_TEST_DEVICE=$device
failed=0

# A string as JSON.
quoted() {
    printf '"'
    printf '%s' "$1" | tr -d '\000-\010\013-\037' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/ /g' | awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }'
    printf '"'
}

# skip NAME REASON
skip() {
    printf '{"step": "%s", "skipped": %s}\n' "$1" "$(quoted "$2")"
}

# Whether there is time for a step; otherwise says so.
has_time() {
    [ "$SECONDS" -lt "$until" ] || {
        skip "$1" 'no time was left'
        return 1
    }
}

# step NAME SECONDS COMMAND...: runs a command with a time limit, and prints how it ended and its last lines.
step() {
    local name=$1 limit=$2 code=0 began=$SECONDS
    has_time "$name" || return 0
    shift 2
    timeout --kill-after=5 "$limit" "$@" > "$out/$name.txt" 2>&1 || code=$?
    [ "$code" -eq 0 ] || failed=$((failed + 1))
    printf '{"step": "%s", "code": %d, "seconds": %d, "last": %s}\n' "$name" "$code" $((SECONDS - began)) \
        "$(quoted "$(tail -n 3 "$out/$name.txt")")"
}

# bench NAME SECONDS ARGUMENTS...: a measurement, whose last line is already JSON.
bench() {
    local name=$1 limit=$2 code=0 began=$SECONDS
    has_time "$name" || return 0
    shift 2
    timeout --kill-after=5 "$limit" "$bonsai" bench "$@" --device "$device" --json > "$out/$name.txt" 2>&1 || code=$?
    [ "$code" -eq 0 ] || failed=$((failed + 1))
    local last
    last=$(grep -E '^\{' "$out/$name.txt" | tail -n 1)
    [ "$code" -eq 0 ] && [ -n "$last" ] || last=$(quoted "$(tail -n 3 "$out/$name.txt")")
    printf '{"step": "%s", "code": %d, "seconds": %d, "result": %s}\n' "$name" "$code" $((SECONDS - began)) "$last"
}

imgsz=640 batch=16 models=(yolov8n yolov8s yolov8x) steps=20
if [ "${QUICK:-0}" = 1 ]; then
    imgsz=32 batch=2 models=(yolov8n) steps=1
fi

# Facts.
if command -v nvidia-smi > /dev/null; then
    step facts 20 nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit \
        --format=csv
else
    skip facts 'nvidia-smi is not on the path'
fi
step doctor 30 "$bonsai" doctor

# Every kernel against the CPU, then whole steps, then the same step again and again.
step kernels 90 "$programs/exec-steps" every_
# Without the tests that read files of the repository.
step executors 120 "$programs/exec-tests" --skip golden
step training 60 "$programs/train-tests" the_gpu_agrees_in_the_loss
for again in 1 2 3; do
    step "same_bits_$again" 30 "$programs/exec-tests" cuda::the_same_start_gives_the_same_bits
done

# Wrong addresses, and races inside a block.
if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck; do
        step "$tool" 120 compute-sanitizer --tool "$tool" --error-exitcode 9 "$programs/exec-steps" \
            every_update_equals_the_cpu
    done
else
    skip memcheck_and_racecheck 'compute-sanitizer is not on the path'
fi

# Speed.
for model in "${models[@]}"; do
    for precision in f32 tf32 bf16; do
        bench "step_${model}_$precision" 60 step --model "$model" --imgsz "$imgsz" --batch "$batch" --steps "$steps" \
            --compute-precision "$precision"
    done
    BONSAI_CUDA_GRAPHS=1 bench "step_${model}_tf32_graphs" 60 step --model "$model" --imgsz "$imgsz" --batch "$batch" \
        --steps "$steps"
    bench "infer_${model}_tf32" 60 infer --model "$model" --imgsz "$imgsz" --runs "$steps"
done
if [ -n "${PYTHON:-}" ] && [ -n "${STEP_TIME:-}" ]; then
    for model in "${models[@]}"; do
        for layout in '' --channels-last; do
            step "pytorch_${model}$layout" 90 "$PYTHON" "$STEP_TIME" --model "$model" --imgsz "$imgsz" --batch "$batch" \
                --steps "$steps" $layout
        done
    done
else
    skip pytorch 'PYTHON and STEP_TIME are not set'
fi

# From a dataset to a report.
step pipeline 120 "$bonsai" pipeline --device "$device" --imgsz 64 --batch 8 --epochs 1 --set control.dense=false \
    --project "$out/run"

# The slowest kernels.
if command -v ncu > /dev/null; then
    step ncu 120 ncu --launch-count 700 --section SpeedOfLight "$bonsai" bench step --device "$device" --steps 1
else
    skip ncu 'ncu is not on the path'
fi
printf '{"step": "end", "seconds": %d, "failed": %d}\n' "$SECONDS" "$failed"
[ "$failed" -eq 0 ]
