#!/usr/bin/env bash
# Runs everything of Bonsai that needs a GPU on the host driver: the tests of exec, the training test of train, and a small
# pipeline.
#
# Usage: check.sh
#
# A process of the driver uses one core, so two run at the same time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ -z "${CUDA_ON_HOST_KERNELS:-}" ]; then
    exec "$here/run.sh" --exec "$here/check.sh"
fi
cd "$root"

# shellcheck source=scripts/cuda-on-host/programs.sh
source "$here/programs.sh"
build_programs
lib=$(program crates/exec lib)
it=$(program crates/exec test)
train=$(program crates/train test)
xtask=$(program xtask bin)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

export BONSAI_TEST_DEVICE=cuda:0
(
    cd "$root/crates/exec"
    "$it" --quiet
) > "$scratch/it.log" 2>&1 &
other=$!
code=0
(cd "$root/crates/exec" && "$lib" --quiet) || code=$?
(cd "$root/crates/train" && "$train" --quiet the_gpu_agrees_in_the_loss) || code=$?
"$xtask" pipeline --device cuda:0 --imgsz 64 --batch 8 --epochs 1 --set control.dense=false \
    --set score.importance=taylor --set shapes.train=16 --set shapes.val=8 --set shapes.test=8 --project "$scratch/run" ||
    code=$?
wait "$other" || code=$?
cat "$scratch/it.log"
exit "$code"
