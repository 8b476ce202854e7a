"""Managed life: transitions in any order, hundreds of times, under images; weights that cannot be used, and mended."""

from __future__ import annotations

import random
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from light_network import HAS_TORCH, light_network
from managed import (
    ACTIVATE,
    ACTIVE,
    ALLOWED,
    CLEANUP,
    CONFIGURE,
    DEACTIVATE,
    FINALIZED,
    INACTIVE,
    SHUTDOWN,
    TRANSITIONS,
    UNCONFIGURED,
    Managed,
)
from sensor_msgs.msg import CameraInfo, Image

from cinet_core.inference.networks import named_network

WIDTH, HEIGHT = 64, 48
SMALL = {"device": "cpu", "network_width": WIDTH, "network_height": HEIGHT, "autostart": False}
STEPS, CYCLES = 60, 500
MEBIBYTE = 2**20

CHECKPOINTS = pytest.mark.torch("a checkpoint; core graphs: test_core_graph_files.py")
# A core graph knows itself what it was; of a checkpoint only the parameter tells.
TAMPERED = "weights_sha256" if HAS_TORCH else "digest"
TRUNCATED = "truncated" if HAS_TORCH else "bytes too early"

Send = Callable[[], None]


@pytest.fixture
def send(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Send:
    """Send an image and its camera_info, whoever takes it."""
    images, infos = wire.publisher("image", Image), wire.publisher("camera_info", CameraInfo)

    def publish() -> None:
        image = make_image(np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
        infos.publish(make_info(image, WIDTH, HEIGHT))
        images.publish(image)

    return publish


def frame_comes(wire: Any, send: Send) -> None:
    """Send images, as a camera does, until one comes out."""
    wire.messages["stats"].clear()

    def answered() -> bool:
        send()
        wire.spin_for(0.02)
        return bool(wire.messages["stats"])

    wire.spin_until(answered, "frame")


@pytest.mark.fault(area="life")
class TestAnyOrder:
    """One node, asked for whatever comes to mind, while images come in."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any], tiny_weights: Path) -> Any:
        return start("perception_node", {"weights": str(tiny_weights), **SMALL})

    @pytest.mark.fault(
        injected=f"{STEPS} requests drawn at random (seeded), allowed or not, under images; then shutdown",
        expected="the state machine of ROS 2 to the letter; frames flow whenever it is active; nothing after shutdown",
    )
    def test_requests_in_any_order_lead_to_the_state_that_they_should(
        self, wire: Any, node: Any, send: Send, observed: Callable[[str], None]
    ) -> None:
        managed, draw, state = Managed(wire), random.Random(5), UNCONFIGURED
        refused = 0
        assert managed.state == state
        for _ in range(STEPS):
            send()
            transition = draw.choice(TRANSITIONS)
            expected = ALLOWED.get((state, transition))
            assert managed.change(transition) == (expected is not None)
            refused += expected is None
            state = state if expected is None else expected
            assert managed.state == state
        for goal, transition in ((INACTIVE, CONFIGURE), (ACTIVE, ACTIVATE)):
            if state not in (goal, ACTIVE):
                assert managed.change(transition)
        assert managed.state == ACTIVE
        wire.subscribe_stats()
        frame_comes(wire, send)
        assert managed.change(SHUTDOWN[ACTIVE])
        assert managed.state == FINALIZED
        assert not any(managed.change(transition) for transition in TRANSITIONS)
        wire.spin_until(lambda: wire.node.count_publishers("stats") == 0, "end of the outputs")
        assert wire.diagnosis("perception: model").message == "not configured"
        assert node.process.poll() is None
        assert "Traceback" not in node.output()
        observed(f"{STEPS - refused} allowed and {refused} refused as they should be, a frame at the end")


@pytest.mark.fault(area="life")
class TestUnusable:
    """One node whose weights, on disk, and whose changeable parameters are wrong and then mended."""

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
        return tmp_path_factory.mktemp("unusable") / f"model{tiny_weights.suffix}"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any], tiny_weights: Path, path: Path) -> Any:
        digest = named_network(tiny_weights).sha256
        return start("perception_node", {"weights": str(path), "weights_sha256": digest, **SMALL})

    @pytest.mark.fault(
        expected="configure fails with one error that names cause and remedy; with the file mended it succeeds"
    )
    @pytest.mark.parametrize(
        ("damage", "says"),
        [
            pytest.param("missing", "does not exist", marks=pytest.mark.fault(injected="no such file")),
            pytest.param("truncated", TRUNCATED, marks=pytest.mark.fault(injected="the last 100 bytes are missing")),
            pytest.param(
                "tampered",
                TAMPERED,
                marks=pytest.mark.fault(injected="one bit of a weight differs"),
            ),
            pytest.param(
                "mismatched",
                "does not fit",
                marks=[pytest.mark.fault(injected="a tensor has another name"), CHECKPOINTS],
            ),
            pytest.param(
                "pickle",
                "pickle",
                marks=[pytest.mark.fault(injected="torch.save in place of safetensors"), CHECKPOINTS],
            ),
        ],
    )
    def test_weights_that_cannot_be_used_are_one_clear_error_until_they_are_mended(
        self,
        wire: Any,
        node: Any,
        tiny_weights: Path,
        path: Path,
        observed: Callable[[str], None],
        damage: str,
        says: str,
    ) -> None:
        managed = Managed(wire)
        break_weights(tiny_weights, path, damage)
        error = self.only_error(node, managed)
        assert says in error
        assert str(path) in error
        row = wire.diagnosis("perception: model")
        assert row.level == DiagnosticStatus.ERROR
        assert says in row.message
        assert wire.node.count_publishers("points") == 0, "no half of the outputs"
        path.write_bytes(tiny_weights.read_bytes())
        assert managed.change(CONFIGURE)
        assert managed.state == INACTIVE
        assert wire.diagnosis("perception: model").level != DiagnosticStatus.ERROR
        assert managed.change(CLEANUP)
        observed(f"unconfigured, one error: `{says}`; mended, it configures")

    @pytest.mark.fault(
        injected="mask_classes names a class that the weights do not know, before and after the weights are there",
        expected="there: refused, all classes named; before: configure fails with one error, mended it succeeds",
    )
    def test_a_parameter_that_does_not_fit_the_weights_can_be_mended_at_run_time(
        self, wire: Any, node: Any, tiny_weights: Path, path: Path, observed: Callable[[str], None]
    ) -> None:
        managed = Managed(wire)
        path.unlink(missing_ok=True)
        assert wire.set_parameters("/perception", mask_classes=["unicorn"])[0].successful
        path.write_bytes(tiny_weights.read_bytes())
        assert "unicorn" in self.only_error(node, managed)
        (refused,) = wire.set_parameters("/perception", mask_classes=["wall", "cheir"])
        assert not refused.successful
        assert "mask_classes" in refused.reason
        assert "did you mean 'chair' or" in refused.reason
        assert refused.reason.endswith(", ".join(named_network(tiny_weights).metadata.label_set.classes))
        assert wire.set_parameters("/perception", mask_classes=["chair"])[0].successful
        assert managed.change(CONFIGURE)
        assert managed.change(CLEANUP)
        observed("refused with the names; unconfigured, one error with the name; mended, it configures")

    @staticmethod
    def only_error(node: Any, managed: Managed) -> str:
        """Let configure fail; return the one error that this logs."""
        before = len(node.output())
        assert not managed.change(CONFIGURE)
        assert managed.state == UNCONFIGURED
        said = node.output()[before:]
        errors = re.findall(r"^.*\[ERROR\].*$", said, re.MULTILINE)
        assert len(errors) == 1, said
        assert "Traceback" not in said
        return str(errors[0])


def break_weights(sound: Path, path: Path, damage: str) -> None:
    """Write a damaged copy of a checkpoint, or none."""
    content = bytearray(sound.read_bytes())
    path.unlink(missing_ok=True)
    if damage in ("mismatched", "pickle"):
        import safetensors.torch
        import torch
        from safetensors import safe_open
    if damage == "truncated":
        path.write_bytes(content[:-100])
    elif damage == "tampered":
        content[-1000] ^= 1
        path.write_bytes(content)
    elif damage == "mismatched":
        tensors = safetensors.torch.load(bytes(content))
        tensors["another"] = tensors.pop(min(tensors))
        with safe_open(sound, "pt") as file:
            safetensors.torch.save_file(tensors, path, file.metadata())
    elif damage == "pickle":
        torch.save(safetensors.torch.load(bytes(content)), path)


def large_weights(folder: Path) -> Path:
    """A network that is large enough to be missed."""
    if light_network("random"):
        return light_network("random")
    from cinet_core.checkpoint import random_checkpoint, save_checkpoint

    checkpoint = random_checkpoint("lite")
    save_checkpoint(folder / "model.safetensors", checkpoint.model, checkpoint.metadata)
    return folder / "model.safetensors"


@pytest.mark.soak
@pytest.mark.fault(
    area="life",
    injected=f"{CYCLES} times configure, activate, a frame, deactivate, clean up",
    expected="memory, threads and open files as after the first cycles",
)
def test_hundreds_of_cycles_leave_nothing_behind(
    wire: Any, start: Callable[..., Any], tmp_path: Path, send: Send, observed: Callable[[str], None]
) -> None:
    weights = large_weights(tmp_path)
    node = start("perception_node", {"weights": str(weights), **SMALL}, installed=True)
    process, managed = psutil.Process(node.process.pid), Managed(wire)
    memory, threads, files = [], [], []
    for _ in range(CYCLES):
        assert managed.change(CONFIGURE)
        assert managed.change(ACTIVATE)
        wire.subscribe_stats()
        frame_comes(wire, send)
        assert managed.change(DEACTIVATE)
        assert managed.change(CLEANUP)
        wire.unsubscribe_all()
        memory.append(process.memory_info().rss / MEBIBYTE)
        threads.append(process.num_threads())
        files.append(process.num_fds())
    early, late = statistics.median(memory[50:100]), statistics.median(memory[-50:])
    slope = np.polyfit(range(50, CYCLES), memory[50:], 1)[0]
    print(f"RSS {early:.1f} -> {late:.1f} MiB, {1024 * slope:.1f} KiB a cycle, peak {max(memory):.1f} MiB")
    print("every 20th cycle [MiB]:", " ".join(f"{value:.1f}" for value in memory[::20]))
    assert late - early < 16.0, memory[::10]
    assert statistics.median(threads[-50:]) <= statistics.median(threads[50:100])
    assert statistics.median(files[-50:]) <= statistics.median(files[50:100])
    observed(f"{late - early:+.0f} MiB of {early:.0f} from cycle 100 to {CYCLES}; threads and files as before")
