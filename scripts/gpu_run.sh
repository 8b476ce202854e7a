#!/bin/bash
# What one CUDA device with 16 cores can show in nine minutes, without ROS (docs/gpu.md): its tests, the forward pass of
# ResNet-101 against the roofline, training throughput, and a continued training of the default network on rooms made
# there. A stage that is done is skipped when this is run again with the same STATE.
#
#   OUT=folder scripts/gpu_run.sh               # results.tar.gz (logs, JSON) and the trained weights go there
#   REHEARSE=1 OUT=folder scripts/gpu_run.sh    # the same on the CPU at tiny sizes: shows that every stage runs
#   scripts/gpu_run.sh --weigh                  # what has to be carried to another machine, and whether it may be
#
# Packages that the machine lacks are taken from wheels in .whl/ beside this checkout's files, if there are any; a stage
# that lacks one nevertheless is left out, and says so. LACKING="open3d jsonargparse" plays a machine that lacks these.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

CARRIED_MIB=64
# Seconds of each stage, in their order: together no more than nine minutes.
declare -A LIMIT=(
  [setup]=20 [tests]=90 [forward_eager]=25 [forward_graph]=25 [train_resnet101]=45 [train_lite]=35
  [forward_tensorrt]=40 [forward_compile]=70 [continued]=140 [score_before]=25 [score_after]=25
)
MOST=540

# Tracked files and those that git does not ignore, and the wheels, which may be ignored.
weigh() {
  local bytes
  bytes=$({
    git ls-files -z -co --exclude-standard
    [ -d .whl ] && find .whl -type f -print0
  } | sort -zu | xargs -0 stat -c %s 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }')
  echo "[gpu] to be carried: $(awk "BEGIN { printf \"%.1f\", $bytes / 1048576 }") MiB of $CARRIED_MIB"
  [ "$bytes" -le $((CARRIED_MIB * 1048576)) ] || {
    echo "[gpu] that is too much: the largest files are" >&2
    git ls-files -z -co --exclude-standard | xargs -0 stat -c '%s %n' 2>/dev/null | sort -rn | head -n 5 >&2
    return 1
  }
}

sum=0
for seconds in "${LIMIT[@]}"; do sum=$((sum + seconds)); done
if [ "$sum" -gt "$MOST" ]; then
  echo "[gpu] the stages' limits are $sum s together: they must be at most $MOST" >&2
  exit 2
fi
# Where the files were carried to there is no repository.
if git rev-parse --git-dir >/dev/null 2>&1; then weigh || exit 2; fi
if [ "${1:-}" = --weigh ]; then exit 0; fi

REHEARSE=${REHEARSE:-}
OUT=${OUT:-runs/gpu}
STATE=${STATE:-runs/gpu_state${REHEARSE:+_rehearsed}}
SECONDS_ALLOWED=${SECONDS_ALLOWED:-$MOST}
PYTHON=${PYTHON:-python3}
mkdir -p "$OUT" "$STATE"
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" CINET_QUIET=1
if compgen -G '.whl/*.whl' >/dev/null; then
  [ -d "$STATE/site" ] || "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --target "$STATE/site" .whl/*.whl
  export PYTHONPATH="$PYTHONPATH:$PWD/$STATE/site"
fi
if [ -n "${LACKING:-}" ]; then
  mkdir -p "$STATE/lacking"
  cat >"$STATE/lacking/sitecustomize.py" <<'PLAYED'
import os, sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["LACKING"].split():
            raise ModuleNotFoundError(f"No module named {name!r} (played)", name=name)
sys.meta_path.insert(0, Lacking())
PLAYED
  export LACKING PYTHONPATH="$PWD/$STATE/lacking:$PYTHONPATH"
fi

failed=0
# stage NAME COMMAND...: at most its limit, and at most what is left. Logs come back when it fails, too, in one file.
stage() {
  local name=$1 limit=${LIMIT[$1]} left=$((SECONDS_ALLOWED - SECONDS)) status begun=$SECONDS lacking
  shift
  lacking=$(grep "^$name " "$STATE/left_out.txt" 2>/dev/null)
  if [ -e "$STATE/$name.done" ]; then
    echo "[gpu] $name: done before"
  elif [ -n "$lacking" ]; then
    echo "[gpu] $name: left out, ${lacking#* } (carry wheels in .whl/)"
  elif [ "$left" -lt 5 ]; then
    echo "[gpu] $name: no time left"
    failed=1
  else
    # A rehearsal shares its few cores with others.
    [ -z "$REHEARSE" ] && [ "$limit" -lt "$left" ] || limit=$left
    timeout --kill-after=5 "$limit" "$@" >"$STATE/$name.log" 2>&1
    status=$?
    if [ "$status" = 0 ]; then touch "$STATE/$name.done"; else failed=1; fi
    echo "[gpu] $name: status $status after $((SECONDS - begun)) s (limit $limit)"
    [ "$status" = 0 ] || tail -n 15 "$STATE/$name.log"
  fi
  (cd "$STATE" && tar -czf results.tar.gz.new ./*.log ./*.json ./*.txt 2>/dev/null) && mv "$STATE/results.tar.gz.new" "$OUT/results.tar.gz"
}

device=cuda quick=() workers=12 accelerator=gpu precision=bf16-mixed
mapfile -t tests < <(grep -rlE 'mark\.gpu' test/core --include='*.py')
rooms='{"length": 20000, "validation_length": 200, "test_length": 200, "width": 320, "height": 240}'
training=(optimizer.batch_size=32 stages.attention.epochs=10 data.statistics_samples=64 data.validation_limit=200)
shape=(--option validation_length=200 --option device=cuda --limit 200)
seconds=$((LIMIT[continued] - 10))
if [ -n "$REHEARSE" ]; then
  device=cpu quick=(--quick) workers=0 accelerator=cpu precision=32-true seconds=12
  rooms='{"length": 4, "validation_length": 2, "test_length": 2, "width": 64, "height": 48, "shadows": false}'
  training=(optimizer.batch_size=2 data.width=64 data.height=48 data.validation_limit=2 data.statistics_samples=2
    stages.attention.epochs=1)
  shape=(--option validation_length=2 --option width=64 --option height=48 --limit 2)
fi
measure() { stage "$1" "$PYTHON" -m scripts.benchmarks.device "${@:2}" --device "$device" "${quick[@]}" --output "$STATE/$1.json"; }
scored() {
  stage "$1" "$PYTHON" -m cinet_core.cli eval "$2" --data synthetic --kind synthetic_rooms --split validation \
    "${shape[@]}" --device "$device" --output "$STATE/$1.json"
}

stage setup "$PYTHON" -m scripts.gpu_setup "$device" "$STATE"
# What compiles takes most of a minute: four at a time, where that is possible.
side_by_side=()
[ -z "$REHEARSE" ] && "$PYTHON" -c 'import xdist' 2>/dev/null && side_by_side=(-n 4)
stage tests "$PYTHON" -m pytest -q -p no:cacheprovider "${side_by_side[@]}" -m gpu "${tests[@]}"
measure forward_eager forward --way eager
measure forward_graph forward --way graph
measure train_resnet101 train --config "$([ -n "$REHEARSE" ] && echo lite || echo resnet101)" --workers "$workers"
measure train_lite train --config lite --workers "$workers"
measure forward_tensorrt forward --way tensorrt
measure forward_compile forward --way compile
# Whether it gained is told by the next two: the weights ship only if the second is better (docs/model_card.md).
stage continued "$PYTHON" -m scripts.gpu_continue "$seconds" "$STATE/continued" data.kind=synthetic_rooms data.root=synthetic \
  data.on_device=true "data.mix=[]" "data.workers=$workers" "data.options=$rooms" data.cache=false model.checkpoint=default "${training[@]}" \
  run.accelerator="$accelerator" run.precision="$precision" run.pictures=0 run.loggers='["csv"]' run.checkpoint_minutes=0.5
cp "$STATE/continued/"*.safetensors "$OUT/" 2>/dev/null || true
scored score_before default
if [ -e "$STATE/continued/last.safetensors" ]; then scored score_after "$STATE/continued/last.safetensors"; fi
echo "[gpu] $SECONDS s in all; logs and JSON are in $OUT/results.tar.gz"
exit "$failed"
