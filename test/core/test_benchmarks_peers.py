"""The networks of others in the benchmark: read from their checkouts, mended where they do not run, and timed."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
import torch
from quick_benchmark import TINY, leave_others_out
from torch import nn

from scripts.benchmarks import peers
from scripts.benchmarks.peer_networks import PEERS, PeerNetwork, PeerOutput
from scripts.benchmarks.run import BenchmarkRun, LeftOutError

CPU = torch.device("cpu")

REFINENET = """
import torch.nn as nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.segm, self.depth = (nn.Conv2d(3, count, 3, stride=4, padding=1) for count in (classes, 1))

    def forward(self, x):
        return self.segm(x), self.depth(x)

def net(num_classes, num_tasks):
    assert num_tasks == 2
    return Net(num_classes)
"""

# As published: a bracket too many, a module that is not there, a device that is not there.
METER_AS_PUBLISHED = """
import torch
from globals import RGB_img_res

def size(image_size, dims):
    return image_size

def mobilevit_xs():
    dims = []
    return size((RGB_img_res[1], RGB_img_res[2])), dims)

class build_METER_model(torch.nn.Module):
    def __init__(self, device, arch_type):
        super().__init__()
        assert arch_type in ('s', 'xxs')
        self.expected = mobilevit_xs()
        self.conv = torch.nn.Conv2d(3, 1, 3, stride=4, padding=1).to('cuda:0')

    def forward(self, x):
        assert tuple(x.shape[-2:]) == tuple(self.expected)
        return self.conv(x)
"""
METER = METER_AS_PUBLISHED.replace("[2])), dims", "[2]), dims").replace("cuda:0", "cpu")


@pytest.fixture
def quick_run(tmp_path: Path) -> BenchmarkRun:
    return BenchmarkRun(TINY, CPU, tmp_path, tmp_path, say=lambda text: None)


@pytest.fixture
def only_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_others_out(monkeypatch)


@pytest.mark.usefixtures("only_torch")
def test_peers_are_timed_from_their_checkouts(
    quick_run: BenchmarkRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, text in (("multi-task-refinenet/src/models.py", REFINENET), ("METER/architecture.py", METER)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.setattr(
        peers, "PEERS", tuple(dataclasses.replace(peer, needs="torch", native=(32, 64)) for peer in PEERS)
    )
    monkeypatch.setattr(peers, "EQUAL_INPUT", (32, 32))
    quick_run.peers = tmp_path
    rows = list(peers.measure(quick_run))
    own = [row for row in rows if row.quantity == "image to predictions, own input"]
    assert [row.subject for row in own] == [f"{name}, torch" for name in ("lite", *(peer.name for peer in PEERS))]
    assert own[0].size == (240, 320)
    assert {row.size for row in own[1:]} == {(32, 64)}
    assert {row.size for row in rows if row.quantity == "image to predictions, input 32x32"} == {(32, 32)}
    compared = [row for row in rows if row.unit == "x"]
    assert [row.subject.split(" / ")[1] for row in compared] == [f"{peer.name} torch" for peer in PEERS]
    slow, fast = own[1].median, own[0].median
    assert compared[0].median == pytest.approx(slow / fast, rel=0.5)


def test_a_peer_that_is_no_valid_python_is_left_out_with_the_command_that_mends_it(
    quick_run: BenchmarkRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "METER" / "architecture.py"
    path.parent.mkdir()
    path.write_text(METER_AS_PUBLISHED, encoding="utf-8")
    monkeypatch.setattr(peers, "PEERS", tuple(dataclasses.replace(peer, needs="torch") for peer in PEERS[1:]))
    quick_run.peers = tmp_path
    with pytest.raises(LeftOutError, match="clone"):
        list(peers.measure(quick_run))
    assert len(quick_run.notes) == 2
    assert all(note.endswith(f"is no valid Python: {peers.MEND_METER}") for note in quick_run.notes)
    subprocess.run(["bash", "-c", peers.MEND_METER], cwd=tmp_path, check=True)
    assert path.read_text(encoding="utf-8") == METER


def test_a_peer_predicts_at_the_size_of_the_image(tmp_path: Path) -> None:
    path = tmp_path / PEERS[0].source
    path.parent.mkdir(parents=True)
    path.write_text(REFINENET, encoding="utf-8")
    graph = PEERS[0].graph(tmp_path, (64, 96), (64, 96))
    with torch.inference_mode():
        output = graph(torch.zeros(1, 64, 96, 3, dtype=torch.uint8), torch.ones(1, 4))
    assert {tuple(part.shape) for part in output.values()} == {(1, 64, 96)}


def test_weights_of_a_peer_do_not_fade_to_subnormal_numbers() -> None:
    layers = [nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(40)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=0.01)
    network = PeerNetwork(nn.Sequential(*layers), lambda features: PeerOutput(features, features))
    with torch.inference_mode():
        depth = network(torch.rand(1, 8, 16, 16)).depth
    assert depth.abs().median() > torch.finfo(torch.float32).tiny


def test_peers_that_are_not_there_are_left_out_with_a_hint(quick_run: BenchmarkRun, tmp_path: Path) -> None:
    with pytest.raises(LeftOutError, match="clone"):
        list(peers.measure(quick_run))
    quick_run.peers = tmp_path
    with pytest.raises(LeftOutError, match="clone"):
        list(peers.measure(quick_run))
    assert len(quick_run.notes) == len(PEERS)
