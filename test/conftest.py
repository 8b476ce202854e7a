"""Isolation for every test: an own ROS domain, this machine only, the shipped Fast DDS profile, repeatable seeds."""

from __future__ import annotations

import dataclasses
import gc
import os
import random
import socket
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fork_server import NODES, ForkServer
from light_network import HAS_TORCH, light_network

from cinet_ros.fast_dds import profile_name, profile_variable
from cinet_ros.shared_memory import free_dead_segments

# `fault_table` is in test/support, which pyproject.toml puts on the path; `pytester` runs it in its own test.
pytest_plugins = ("fault_table", "pytester")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

# The tools of the checkout. Its folder is not on the path: its launch/ and test/ would be found for packages.
_scripts = ModuleType("scripts")
_scripts.__path__ = [str(REPOSITORY / "scripts")]
sys.modules["scripts"] = _scripts

# Domains above 101 collide with Linux's ephemeral ports.
DOMAINS = range(1, 102)
RESERVATION_BASE_PORT = 22119


# Those that this process has not had for the longest time come first.
_domains = deque(random.SystemRandom().sample(DOMAINS, len(DOMAINS)))


def _reserve_domain() -> tuple[int, socket.socket]:
    """Claim a ROS domain no other test session on this machine has, by holding a port that stands for it."""
    for _ in DOMAINS:
        domain = _domains[0]
        _domains.rotate(-1)
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            holder.bind(("127.0.0.1", RESERVATION_BASE_PORT + domain))
        except OSError:
            holder.close()
            continue
        return domain, holder
    raise RuntimeError(f"all {len(DOMAINS)} ROS domains are in use by other test sessions; end some of them")


# What a ROS user's shell may hold, and the nodes of the tests would not find each other with (scripts/neutral.sh).
for _name in ("ROS_DISCOVERY_SERVER", "ROS_SUPER_CLIENT", "ROS_STATIC_PEERS", "ROS_SECURITY_ENABLE"):
    os.environ.pop(_name, None)
os.environ["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if os.environ.get("ROS_DISTRO") == "humble":  # knows no discovery range yet
    os.environ["ROS_LOCALHOST_ONLY"] = "1"
os.environ[profile_variable(os.environ.get("ROS_DISTRO", ""))] = str(REPOSITORY / "config" / profile_name(os.environ))


# Of files that run side by side, those that take longest begin, or one process would end long after the others.
LONGEST_FILES = ("test_training_resume.py", "test_training_run.py", "test_training_parallel.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first; leave the long tests out unless -m names them: `-m fault` shall not take an hour."""
    items.sort(key=lambda item: item.path.name not in LONGEST_FILES)  # the others keep their order
    _skip_without_gpu(items)
    _skip_without_torch(items)
    if "network" not in config.getoption("-m"):
        for item in items:
            if item.get_closest_marker("network") is not None:
                item.add_marker(pytest.mark.skip(reason="needs a network: run it with `pytest -m network`"))
    if "soak" in config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="long: run it with `make soak`")
    for item in items:
        if item.get_closest_marker("soak") is not None:  # keywords hold the names of folders too
            item.add_marker(skip)


def pytest_sessionstart() -> None:
    """Have memory, of which killed nodes of other sessions may hold all. Import without looking for garbage: hardly any
    is made, and each look goes through all that is there already.
    """
    free_dead_segments()
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage in what the tests make alone: millions of objects of PyTorch and others stay to the end."""
    gc.freeze()
    gc.enable()


def _skip_without_torch(items: list[pytest.Item]) -> None:
    """Skip what is about PyTorch itself where there is none, each for the reason that its marker gives."""
    for item in items:
        marker = item.get_closest_marker("torch")
        if marker is not None and not HAS_TORCH:
            (reason,) = marker.args
            item.add_marker(pytest.mark.skip(reason=f"about PyTorch itself: {reason}"))


def _skip_without_gpu(items: list[pytest.Item]) -> None:
    wanting = [item for item in items if item.get_closest_marker("gpu") is not None]
    if not wanting:
        return
    import torch

    if not torch.cuda.is_available():
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine: run it with `make test-gpu`"))


@pytest.fixture(scope="module", autouse=True)
def _own_domain() -> Iterator[None]:
    """A domain for each file: nodes that one of its tests left in this process or killed are invisible to the next."""
    domain, holder = _reserve_domain()
    os.environ["ROS_DOMAIN_ID"] = str(domain)
    with holder:
        yield


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """Seed the global generators, so that no test depends on which ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (libraries under test draw from it)


@pytest.fixture(scope="session")
def plain_server() -> Iterator[ForkServer]:
    """Starts nodes whose imports are done."""
    # As a robot has them: `make test` gives a number of threads to the tests, and the nodes' own is to do without it.
    server = ForkServer(NODES, OMP_NUM_THREADS=None)
    yield server
    server.close()


@pytest.fixture(scope="session")
def node_server(plain_server: ForkServer) -> ForkServer:
    """The one of all tests; a file that wants another has a fixture of this name."""
    return plain_server


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real frames; skips where this checkout has none beside it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real frames: {SHARED_DATA} is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that call themselves trained, at a size that takes no time."""
    if light_network("small"):
        return light_network("small")
    from cinet_core.checkpoint import random_checkpoint, save_checkpoint

    checkpoint = random_checkpoint("lite")
    camera = dataclasses.replace(checkpoint.metadata.camera, width=64, height=48)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(
        path, checkpoint.model, dataclasses.replace(checkpoint.metadata, camera=camera, random_weights=False)
    )
    return path
