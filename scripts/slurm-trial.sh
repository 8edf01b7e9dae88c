#!/usr/bin/env bash
# Runs Bonsai under Slurm on one node: a training of two tasks (`srun`), whose weights are compared with those of `mpirun`, and the
# script of `pipeline sweep --slurm`. It installs Slurm and starts its daemons, so use it as root on a machine that you throw away,
# with a program that was built with feature mpi.
#
# Usage: scripts/slurm-trial.sh PROGRAM
set -euo pipefail

program=$(realpath "$1")
host=$(hostname -s)
work=$(mktemp -d)
chmod 755 "$work"
cd "$work"

DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --no-install-recommends \
    slurmd slurmctld slurm-client slurm-wlm-basic-plugins libpmix2 munge openmpi-bin
export SLURM_CONF=$work/slurm.conf
cat > "$SLURM_CONF" << END
ClusterName=trial
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmdSpoolDir=$work/slurmd
StateSaveLocation=$work/slurmctld
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
mkdir -p slurmd slurmctld /run/munge
chown munge /run/munge
pgrep -x munged > /dev/null || su -s /bin/sh munge -c munged
trap 'kill $(cat "$work"/*.pid) 2> /dev/null || true; cat "$work"/slurm*.log >&2' ERR
slurmctld
slurmd
for ((second = 0; second < 30; second++)); do
    sinfo --noheader --format %T | grep -qx idle && break
    sleep 1
done

tiny=(--imgsz 64 --batch 8 --epochs 1 --threads 1 --set shapes.train=16 --set shapes.val=8 --set shapes.test=8
    --set control.dense=false)
"$program" -q pipeline --until dataset --project drawn "${tiny[@]}" > /dev/null
training=(-q train --data drawn/dataset/shapes/data.yaml --epochs 3 --imgsz 64 --batch 8 --threads 1 --set plots=false
    --project runs)
srun --mpi=pmix --kill-on-bad-exit=1 --ntasks 2 "$program" "${training[@]}" --name srun
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    mpirun -n 2 --oversubscribe --bind-to none "$program" "${training[@]}" --name mpirun > /dev/null
cmp runs/srun/weights/last.safetensors runs/mpirun/weights/last.safetensors
echo "srun and mpirun: the same bits"

"$program" pipeline sweep --ratios 0.3,0.5 --seeds 0 --project sweep --slurm sweep.sh "${tiny[@]}"
BONSAI=$program bash sweep.sh
while [ -n "$(squeue --noheader)" ]; do
    sleep 2
done
"$program" pipeline sweep --gather sweep
[ "$(ls sweep/*/report/report.html | wc -l)" -eq 2 ]
kill $(cat "$work"/*.pid)
rm -rf "$work"
