#!/bin/bash
# One task of an array of SLURM's: its share of the recordings that a list names (docs/fleet.md).
#   find /fleet -name '*.mcap' > bags.txt
#   sbatch --array=1-50 scripts/slurm/fleet.sh extract bags.txt OUT -- --every 10
# What is done is not done again: submit it anew after a failure. A task that ends with status 1 names, at the end of its
# log, the recordings that it could not read; the others are done. CINET: the command, where it is not on the path.
#SBATCH --job-name=cinet-fleet
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=3G
#SBATCH --time=08:00:00
#SBATCH --requeue
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: sbatch --array=1-N $0 STEP LIST OUT [-- OPTIONS OF THE STEP]" >&2
    exit 2
fi
: "${SLURM_ARRAY_TASK_ID:?is not set: submit this with sbatch --array=1-N}"
step=$1 list=$2 output=$3
shift 3
# An array may begin anywhere, and leave numbers out by a step (--array=0-98:2).
shard=$(((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN) / ${SLURM_ARRAY_TASK_STEP:-1} + 1))
read -ra command <<<"${CINET:-cinet}"
exec "${command[@]}" fleet "$step" - --output "$output" --shard "$shard/$SLURM_ARRAY_TASK_COUNT" \
    --workers "${SLURM_CPUS_PER_TASK:-1}" "$@" <"$list"
