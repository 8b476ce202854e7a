#!/bin/bash
# What one CUDA device with 16 cores can show in nine minutes, without ROS (docs/gpu.md): its tests, the forward pass of
# ResNet-101 against the roofline, training throughput, and with what is left a continued training of the default
# network on rooms rendered there. A stage that is done is skipped when this is run again with the same STATE.
#
#   OUT=folder scripts/gpu_run.sh               # logs and JSON go there
#   REHEARSE=1 OUT=folder scripts/gpu_run.sh    # the same on the CPU at tiny sizes: shows that every stage runs
#
# Packages that the machine lacks are taken from wheels in .whl/ beside this checkout's files, if there are any.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

REHEARSE=${REHEARSE:-}
OUT=${OUT:-runs/gpu}
STATE=${STATE:-runs/gpu_state${REHEARSE:+_rehearsed}}
SECONDS_ALLOWED=${SECONDS_ALLOWED:-${REHEARSE:+170}}
SECONDS_ALLOWED=${SECONDS_ALLOWED:-540}
PYTHON=${PYTHON:-python3}
mkdir -p "$OUT" "$STATE"
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" CINET_QUIET=1
if compgen -G '.whl/*.whl' >/dev/null; then
  [ -d "$STATE/site" ] || "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --target "$STATE/site" .whl/*.whl
  export PYTHONPATH="$PYTHONPATH:$PWD/$STATE/site"
fi

failed=0
# stage NAME LIMIT COMMAND...: at most LIMIT seconds, and at most what is left; its log is in $OUT, also when it fails.
stage() {
  local name=$1 limit=$2 left=$((SECONDS_ALLOWED - SECONDS)) status begun=$SECONDS
  shift 2
  if [ -e "$STATE/$name.done" ]; then
    echo "[gpu] $name: done before"
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
  cp "$STATE/$name".* "$OUT/" 2>/dev/null || true
}

device=cuda quick=() workers=12 accelerator=gpu
tests=(-m gpu test/core)
rooms='{length: 4000, validation_length: 200, test_length: 200, width: 320, height: 240, device: cuda}'
training=(optimizer.batch_size=32 data.samples_per_epoch=3200 stages.consistency.epochs=40 run.precision=bf16-mixed)
shape=validation_length=200
score=(--limit 200)
if [ -n "$REHEARSE" ]; then
  device=cpu quick=(--quick) workers=0 accelerator=cpu
  tests=(-m gpu test/core/test_gpu.py)
  rooms='{length: 4, validation_length: 2, test_length: 2, width: 64, height: 48, shadows: false}'
  training=(optimizer.batch_size=2 data.samples_per_epoch=4 data.width=64 data.height=48 data.validation_limit=2
    stages.consistency.epochs=1 optimizer.warmup_steps=1)
  shape=validation_length=2 score=(--limit 2)
fi
measure() { stage "$1" "$2" "$PYTHON" -m scripts.benchmarks.device "${@:3}" --device "$device" "${quick[@]}" --output "$STATE/$1.json"; }
scored() {
  stage "$1" "$2" "$PYTHON" -m cinet_core.cli eval "$3" --data synthetic --kind synthetic_rooms --split validation \
    --option "${4}" "${score[@]}" --device "$device" --output "$STATE/$1.json"
}

stage setup 30 "$PYTHON" -m scripts.gpu_setup "$device" "$STATE/setup.json"
stage tests 120 "$PYTHON" -m pytest -q -p no:cacheprovider "${tests[@]}"
measure forward_eager 40 forward --way eager
measure forward_graph 40 forward --way graph
measure train_resnet101 60 train --config "$([ -n "$REHEARSE" ] && echo lite || echo resnet101)" --workers "$workers"
measure train_lite 60 train --config lite --workers "$workers"
measure forward_tensorrt 60 forward --way tensorrt
measure forward_compile 120 forward --way compile
# Whether it gained is told by the next two: the weights ship only if the second is better (docs/model_card.md).
stage continued "${CONTINUED_SECONDS:-150}" "$PYTHON" -m cinet_core.cli train --config config/train/weights.yaml --resume \
  data.kind=synthetic_rooms data.root=synthetic "data.options=$rooms" model.checkpoint=default "${training[@]}" \
  run.accelerator="$accelerator" run.output="$STATE/continued" run.pictures=0
cp "$STATE/continued/"*.safetensors "$OUT/" 2>/dev/null || true
scored score_before 30 default "$shape"
if [ -e "$STATE/continued/last.safetensors" ]; then scored score_after 30 "$STATE/continued/last.safetensors" "$shape"; fi
echo "[gpu] $SECONDS s in all; logs and JSON are in $OUT"
exit "$failed"
