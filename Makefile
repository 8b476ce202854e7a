# Two commands do everything on a machine without ROS: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3

# The ROS 2 distribution, jazzy or kilted, each in folders of its own (.venv and .ros, .venv-kilted and .ros-kilted);
# NUMPY=1.26 is that of Ubuntu 24.04. scripts/bootstrap names the folders by the same rule.
ROS ?= jazzy
NUMPY ?=
# LIGHT=light is the set without PyTorch, LIGHT=light-test with what the tests of it need.
LIGHT ?=
export CINET_ENVIRONMENT := $(if $(filter-out jazzy,$(ROS)),-$(ROS))$(if $(NUMPY),-$(NUMPY))$(if $(LIGHT),-$(LIGHT))

# Fast DDS profile, own domain, localhost only, and the built package on every path. What it takes out of the caller's
# environment `setup` has said.
IN_ENV := CINET_QUIET=1 && source scripts/env.sh &&

.PHONY: help setup demo run-demo test test-light light-size test-gpu smoke test-all faults soak lint format bench bench-gpu weights docs docs-site constraints clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup:  ## virtual environment with torch and ROS 2 (ROS=jazzy or kilted), and the colcon build
	@source scripts/neutral.sh && $(PYTHON) -m scripts.bootstrap --ros "$(ROS)" --numpy "$(NUMPY)" --light "$(LIGHT)"

# In the light set, unless everything is there already.
demo:  ## camera player -> node -> every topic, into demo_output/ (SOURCE=folder|video|bag)
	@$(MAKE) --no-print-directory run-demo LIGHT="$(or $(LIGHT),$(if $(wildcard .venv$(CINET_ENVIRONMENT)/stamps/workspace),,light))"
run-demo: setup
	@$(IN_ENV) python -m scripts.demo $(if $(SOURCE),--source "$(SOURCE)") $(DEMO_ARGS)

# One file a process, side by side. Tests that start nodes are two at a time: each has a ROS domain of its own.
# In the order of collection: xdist's own puts files with few tests last, and those that take longest are among them.
# A test that hangs (the longest takes a minute) says where and fails, and does not hold up the others; its process is
# not replaced, as the new one would begin with that test.
UNHANGING := -o faulthandler_timeout=400 -o faulthandler_exit_on_timeout=true --max-worker-restart 0
SIDE_BY_SIDE := OMP_NUM_THREADS=1 pytest --dist loadfile --no-loadscope-reorder $(UNHANGING) -n auto
# Types are those of the pinned NumPy's stubs: with another one there is no lint, and no site, as the viewer is not there.
# The two side by side: mypy is one process, and so is the notebook of the tutorial.
test: setup  ## lint, types, the documentation and the test suite (PYTEST_ARGS=... runs what these say instead)
ifdef PYTEST_ARGS
	@$(if $(NUMPY),,$(MAKE) --no-print-directory lint)
	@$(IN_ENV) pytest $(PYTEST_ARGS)
else
	@$(if $(NUMPY),,$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint docs-site)
	@$(IN_ENV) $(SIDE_BY_SIDE) --maxprocesses 8 test/core
	@$(IN_ENV) $(SIDE_BY_SIDE) --maxprocesses 2 test --ignore test/core
endif

# What differs between distributions: transitions, services, executors, QoS, messages; nodes on the wire.
SMOKE := $(addprefix test/ros/test_,node_process.py transitions.py parameters.py managed_node.py rclpy_api.py serialized.py) \
  $(addprefix test/contract/test_,outputs.py mapping_node.py time.py parameter_services.py inputs.py bond.py)
smoke: setup  ## the part of the tests that a distribution can break (ROS=kilted)
	@$(IN_ENV) $(SIDE_BY_SIDE) --maxprocesses 2 $(SMOKE)

# The nodes on the wire without PyTorch. The networks of the tests are made by the full set, which a robot has no part of.
LIGHT_NETWORKS := runs/light_networks
test-light: setup  ## all tests of nodes, on the wire and off it, in an environment without PyTorch
	@$(IN_ENV) python -m scripts.light_networks $(LIGHT_NETWORKS)
	@$(MAKE) --no-print-directory run-test-light LIGHT=light-test
run-test-light: setup
	@$(IN_ENV) CINET_LIGHT_NETWORKS="$(CURDIR)/$(LIGHT_NETWORKS)" $(SIDE_BY_SIDE) --maxprocesses 2 $(or $(PYTEST_ARGS),test/contract test/ros)

light-size: setup  ## sum what the light set adds to a ROS base image, unpacked; and wheels for aarch64 (needs a network)
	@$(MAKE) --no-print-directory setup LIGHT=light
	@.venv-light/bin/python -m scripts.light_layer
	@$(IN_ENV) python -m scripts.light_layer --aarch64

# The default, the other distribution, and the Python and NumPy of Ubuntu 24.04.
test-all:  ## the test suite on every distribution, Python and NumPy that can be had (long)
	@$(MAKE) test
	@$(MAKE) test ROS=kilted
	@$(MAKE) test NUMPY=1.26 PYTHON="$(PYTHON312)"
	@$(MAKE) test-light
PYTHON312 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python3.12) python3.12)

faults: setup  ## inject every fault and write what was seen into docs/faults.md
	@$(IN_ENV) $(SIDE_BY_SIDE) --maxprocesses 2 -m fault --fault-table=docs/faults.md $(PYTEST_ARGS)

# Needs no ROS: on a machine that has torch and the packages already, `pytest -m gpu test/core` alone does it.
test-gpu: setup  ## what only a real CUDA device can show; each test skips with a reason where there is none
	@$(IN_ENV) pytest -m gpu $(PYTEST_ARGS) test/core

soak: setup  ## the long tests that `make test` leaves out; those of faults into docs/soak.md
	@$(IN_ENV) pytest -m soak --fault-table=docs/soak.md $(PYTEST_ARGS)

lint: setup  ## ruff and mypy
	@$(IN_ENV) ruff check . && ruff format --check . && mypy

format: setup  ## rewrite the files as ruff wants them
	@$(IN_ENV) ruff format . && ruff check --fix .

bench: setup  ## measure speed and memory on this machine, nothing else running (BENCH_ARGS: docs/benchmarks.md)
	@$(IN_ENV) python -m scripts.benchmarks --output runs/benchmarks/cpu.json $(BENCH_ARGS)

bench-gpu: setup  ## the same on a CUDA device
	@$(IN_ENV) python -m scripts.benchmarks --device cuda --output runs/benchmarks/gpu.json $(BENCH_ARGS)

# DATA is a folder of rendered rooms; without it they are rendered first (docs/model_card.md has the times). PHOTOGRAPHS
# is a folder of images of real rooms with their cameras (frames.jsonl, docs/training.md); with it the weights that ship
# teach the new ones what they see there.
DATA ?= runs/rendered_rooms
WEIGHTS := runs/weights$(if $(PHOTOGRAPHS),_photographs)
weights: setup  ## train the weights `preview` anew (DATA=rendered rooms, PHOTOGRAPHS=images of real ones); goes on where it was stopped
	@$(IN_ENV) { [ "$(DATA)" != runs/rendered_rooms ] || { cinet data render --setup && cinet data render "$(DATA)" --wide --rooms 1200 --views 4; }; }
	@$(IN_ENV) cinet train --config config/train/weights.yaml --config config/train/weights_small.yaml data.root="$(DATA)" --resume
	@$(IN_ENV) cinet train --config config/train/weights.yaml --config config/train/weights_sizes.yaml data.root="$(DATA)" --resume
	@$(IN_ENV) cinet train --config config/train/weights.yaml data.root="$(DATA)" --resume
	@[ -z "$(PHOTOGRAPHS)" ] || { $(IN_ENV) cinet data label "$(PHOTOGRAPHS)" runs/photographs --flip --scale 0.8 --scale 1.25 --no-anchors --views 0; }
	@[ -z "$(PHOTOGRAPHS)" ] || { $(IN_ENV) cinet train --config config/train/weights.yaml --config config/train/weights_photographs.yaml data.root="$(DATA)" --resume; }
	@$(IN_ENV) cinet calibrate $(WEIGHTS)/last.safetensors --data "$(DATA)" --output $(WEIGHTS)/calibrated.safetensors
	@$(IN_ENV) python -m scripts.ship_weights $(WEIGHTS)/calibrated.safetensors cinet_core/weights/preview.safetensors

docs: setup  ## renew what the README shows: parameter tables and the image of the outputs
	@$(IN_ENV) python -m scripts.docs

# Every warning is an error, as a link that leads nowhere is; the tutorial is run from top to bottom.
SITE := docs/_build/html
docs-site: setup  ## build the documentation into docs/_build/html, the tutorial run, warnings as errors
	@$(IN_ENV) OMP_NUM_THREADS=1 sphinx-build --quiet --fail-on-warning --keep-going --jobs 2 --fresh-env \
	  -c docs --doctree-dir docs/_build/doctrees . $(SITE)
	@echo "[docs-site] open $(SITE)/index.html"

constraints: setup  ## resolve scripts/constraints*.txt anew, for every Python from 3.10 on
	@$(IN_ENV) python -m scripts.constraints

clean:  ## remove everything that setup and demo made
	rm -rf .venv* .ros* demo_output docs/_build docs/reference/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis cinet.egg-info
