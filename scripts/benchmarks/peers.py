"""Ours against other public networks, in the same run: the same image in, predictions of the same size out.

The row that counts is each at the input that it is made for; at equal input the networks themselves are compared.
"""

from __future__ import annotations

import ast
import copy
import importlib.util
import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from cinet_core.checkpoint import Checkpoint, random_checkpoint
from cinet_core.inference.availability import TORCH
from cinet_core.inference.backend import Backend
from cinet_core.inference.choices import INT8
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import export_onnx
from cinet_core.inference.quantization import quantize_in_child
from cinet_core.inference.torch_backend import TorchBackend
from scripts.benchmarks.peer_networks import PEERS, Peer
from scripts.benchmarks.roofline import cost_of
from scripts.benchmarks.rows import Row, milliseconds, ratios
from scripts.benchmarks.run import BenchmarkRun, LeftOutError
from scripts.benchmarks.timing import take_turns
from scripts.benchmarks.variants import BackendVariant, build_all, cached_onnx, example, size_text

OURS = "lite"
# Both sides are multiples of 64, as METER demands, and as near to those of `lite` as that allows.
EQUAL_INPUT = (256, 320)
GET_THEM = (
    "clone github.com/DrSleep/multi-task-refinenet and github.com/lorenzopapa5/METER into one folder, "
    "pip install einops, and give --peers FOLDER"
)
# As published it has a bracket too many, and a device that may not be there.
MEND_METER = r"sed -i 's/RGB_img_res\[2\])), dims/RGB_img_res[2]), dims/; s/cuda:0/cpu/' METER/architecture.py"
EAGER = BackendVariant(TORCH)

Backends = Mapping[tuple[str, BackendVariant], Backend]
Times = Mapping[tuple[str, BackendVariant], Sequence[float]]


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Times of ours and of every peer, each at its own input and all at equal input; frames a second of ours over each.

    Raises:
        LeftOutError: there is no folder of peers, or nothing usable in it.
    """
    if run.peers is None:
        raise LeftOutError(GET_THEM)
    usable = [peer for peer in PEERS if _usable(run, run.peers, peer)]
    if not usable:
        raise LeftOutError(f"none of the peers can be used: {GET_THEM}")
    yield from _at_own_input(run, run.peers, usable)
    yield from _at_equal_input(run, run.peers, usable)


def _usable(run: BenchmarkRun, folder: Path, peer: Peer) -> bool:
    if not (folder / peer.source).is_file():
        run.notes.append(f"without {peer.name}: there is no {folder / peer.source}")
    elif importlib.util.find_spec(peer.needs) is None:
        run.notes.append(f"without {peer.name}: it needs: pip install {peer.needs}")
    elif not _is_python(folder / peer.source):
        run.notes.append(f"without {peer.name}: {folder / peer.source} is no valid Python: {MEND_METER}")
    else:
        return True
    return False


def _is_python(path: Path) -> bool:
    try:
        ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        return False
    return True


def _at_own_input(run: BenchmarkRun, folder: Path, peers: Sequence[Peer]) -> Iterator[Row]:
    """In every backend; each peer against ours: both eager, ours in its fastest, both in their fastest."""
    checkpoint, size = _ours(run), run.budget.image_size
    camera = checkpoint.metadata.camera
    graphs: dict[str, DeployableGraph] = {
        OURS: DeployableGraph(checkpoint.model, camera, size, (camera.height, camera.width)),
        **{peer.name: peer.graph(folder, size, peer.native).to(run.device) for peer in peers},
    }
    compiled = run.device.type == "cuda"
    backends: dict[tuple[str, BackendVariant], Backend] = {}
    for name, graph in graphs.items():
        own = name == OURS
        onnx = cached_onnx(run, checkpoint, graph) if own else partial(_exported, run, checkpoint, name, graph)
        built = build_all(run, name, graph, onnx, compiled)
        backends |= {(name, variant): backend for variant, backend in built.items()}
    times = _times(run, backends)
    yield from _rows(run, "image to predictions, own input", graphs, times)
    for peer in peers:
        ours, theirs = _fastest(OURS, times), _fastest(peer.name, times)
        for one, other in dict.fromkeys(((EAGER, EAGER), (ours, EAGER), (ours, theirs))):
            subject = f"{OURS} {one.name} / {peer.name} {other.name}"
            speedup = ratios(times[peer.name, other], times[OURS, one])
            yield Row.of("frames a second, ratio", subject, "x", speedup, size)


def _at_equal_input(run: BenchmarkRun, folder: Path, peers: Sequence[Peer]) -> Iterator[Row]:
    """In PyTorch eager."""
    checkpoint, size = _ours(run), run.budget.image_size
    graphs: dict[str, DeployableGraph] = {
        OURS: DeployableGraph(checkpoint.model, checkpoint.metadata.camera, size, EQUAL_INPUT),
        **{peer.name: peer.graph(folder, size, EQUAL_INPUT).to(run.device) for peer in peers},
    }
    times = _times(run, {(name, EAGER): TorchBackend(graph) for name, graph in graphs.items()})
    yield from _rows(run, f"image to predictions, input {size_text(EQUAL_INPUT)}", graphs, times)


def _ours(run: BenchmarkRun) -> Checkpoint:
    checkpoint = random_checkpoint(OURS)
    checkpoint.model.to(run.device)
    return checkpoint


def _exported(run: BenchmarkRun, checkpoint: Checkpoint, name: str, graph: DeployableGraph, precision: str) -> Path:
    """A peer's graph as an ONNX file, written the first time; of the metadata in it only the sizes are the peer's."""
    folder = run.scratch / "peers" / name.replace(" ", "_")
    path, quantized = folder / "graph.onnx", folder / "graph_int8.onnx"
    if not path.is_file():
        folder.mkdir(parents=True)
        # A copy: what was compiled holds the places of the weights.
        plain = copy.deepcopy(graph).to("cpu")
        export_onnx(plain.in_one_pass() if run.device.type == "cpu" else plain, checkpoint.metadata, name, path)
    if precision == INT8 and not quantized.is_file():
        quantize_in_child(path, quantized)
    return quantized if precision == INT8 else path


def _times(run: BenchmarkRun, backends: Backends) -> Times:
    run.say(f"{len({name for name, _ in backends})} networks in turns")
    images, intrinsics = example(run.budget.image_size)

    works = {key: partial(backend.run, images, intrinsics) for key, backend in backends.items()}
    return take_turns(works, run.budget)


def _rows(run: BenchmarkRun, quantity: str, graphs: Mapping[str, DeployableGraph], times: Times) -> Iterator[Row]:
    images, intrinsics = (torch.from_numpy(array) for array in example(run.budget.image_size))
    gflop = {name: cost_of(graph, images, intrinsics).operations / 1e9 for name, graph in graphs.items()}
    for (network, variant), seconds in times.items():
        beside = variant.columns(run.device) | {"GFLOP": gflop[network], "frames/s": 1 / statistics.median(seconds)}
        size = graphs[network].network_size
        yield Row.of(quantity, f"{network}, {variant.label(run.device)}", "ms", milliseconds(seconds), size, beside)


def _fastest(network: str, times: Times) -> BackendVariant:
    own = {variant: statistics.median(seconds) for (name, variant), seconds in times.items() if name == network}
    return min(own, key=lambda variant: own[variant])
