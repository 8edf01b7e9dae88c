#!/usr/bin/env bash
# Trainings of several processes on this machine, with a program that was built with feature mpi:
#   - two processes give the same bits twice;
#   - a process that is killed at a random moment ends the others within half a minute, with an error that names it, and the
#     training resumes to the bits of one that was never killed;
#   - the pipeline runs with two processes.
#
# Usage: scripts/mpi-trials.sh PROGRAM [KILLS]    KILLS: number of killed trainings, 10 if left out
set -euo pipefail

program=$(realpath "$1")
kills=${2:-10}
# Containers run as root, and CI machines have fewer cores than processes.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
together=(mpirun -n 2 --oversubscribe --bind-to none "$program")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$program" -q pipeline --until dataset --project drawn --set shapes.train=48 --set shapes.val=8 --imgsz 96 > /dev/null
data=$work/drawn/dataset/shapes/data.yaml
training=(train --data "$data" --epochs 6 --imgsz 96 --batch 8 --threads 1 --set plots=false --project runs)

same() {
    cmp "runs/$1/weights/best.safetensors" "runs/$2/weights/best.safetensors"
    cmp "runs/$1/weights/last.safetensors" "runs/$2/weights/last.safetensors"
}

echo "two trainings of two processes"
start=$(date +%s%N)
"${together[@]}" -q "${training[@]}" --name whole > whole.log
seconds=$((($(date +%s%N) - start) / 1000000))
"${together[@]}" -q "${training[@]}" --name again > again.log
same whole again

command -v pgrep > /dev/null || { echo "$0: missing pgrep (Debian: procps)" >&2; exit 1; }
number=0 most=$((kills * 3 + 5))
while [ "$number" -lt "$kills" ]; do
    [ "$number" -lt "$most" ] || { echo "$0: of $number trainings, too many ended before they were killed" >&2; exit 1; }
    number=$((number + 1))
    name=killed$number
    "${together[@]}" -q "${training[@]}" --name "$name" > "$name.log" 2>&1 &
    launcher=$!
    # Any moment of the training, its start and its last pictures included.
    moment=$((RANDOM * seconds / 32768))
    sleep "$((moment / 1000)).$(printf '%03d' $((moment % 1000)))"
    rank=$((RANDOM % 2))
    victim=$(grep -lz "OMPI_COMM_WORLD_RANK=$rank" $(pgrep -P "$launcher" -f "$name" | sed 's|.*|/proc/&/environ|') /dev/null 2> /dev/null |
        cut -d/ -f3) || true
    killed=$(date +%s)
    [ -z "$victim" ] || kill -KILL "$victim" 2> /dev/null || victim=
    if wait "$launcher"; then
        [ -z "$victim" ] || { echo "the launcher did not notice that rank $rank was killed" >&2; exit 1; }
        # The process was not there yet, or not any more.
        kills=$((kills + 1))
    else
        took=$(($(date +%s) - killed))
        [ "$took" -le 30 ] || { echo "the others ended only after $took s" >&2; exit 1; }
        grep -q "rank $rank" "$name.log" || { cat "$name.log" >&2; echo "no error names rank $rank" >&2; exit 1; }
        ! pgrep -f -- "--name $name" > /dev/null || { echo "a process of $name is left" >&2; exit 1; }
        if [ -f "runs/$name/weights/last.safetensors" ]; then
            "${together[@]}" -q train --resume "runs/$name" > resumed.log
        else
            # No epoch had ended.
            rm -rf "runs/$name"
            "${together[@]}" -q "${training[@]}" --name "$name" > resumed.log
        fi
    fi
    same whole "$name"
    echo "kill $number: rank $rank after $moment ms${victim:+, the others ended after $took s}: same bits"
done

echo "a failure of the first process ends the others"
if "${together[@]}" -q train --data missing.yaml 2> missing.log; then
    echo "a missing dataset was no error" >&2
    exit 1
fi
grep -q "rank 0 of 2: .*missing.yaml" missing.log || { cat missing.log >&2; exit 1; }

echo "the pipeline with two processes"
"${together[@]}" -q pipeline --project run --imgsz 64 --batch 8 --epochs 1 --threads 1 > run.log
ls -l run/report/report.html
