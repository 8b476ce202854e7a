"""What tests ask a perception node that runs in their own process."""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus

from cinet_ros.camera import Camera
from cinet_ros.node_status import model_status
from cinet_ros.parameters import Settings
from cinet_ros.perception import PerceptionNode

WAIT = 20.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.01)


def status_of(node: PerceptionNode) -> DiagnosticStatus:
    """What diagnostics say of the node as a whole."""
    return model_status("model", node._predictor, "", node.conditions, node._supervisor)


def state_of(node: PerceptionNode) -> str:
    """Label of the lifecycle state."""
    return str(node._state_machine.current_state[1])


def want_labels(node: PerceptionNode) -> None:
    """Let the cameras of a configured node see a subscriber, without whom no frame would be worked on."""
    for camera in node._cameras.values():
        outputs = camera.outputs
        outputs.subscribed = outputs._still_subscribed = lambda: frozenset({"semantic/image_raw"})  # type: ignore[method-assign]


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    """Values of a row of diagnostics."""
    return {item.key: item.value for item in status.values}


def values_of_camera(camera: Camera) -> dict[str, str]:
    """Values that diagnostics show of a camera."""
    return values_of(camera.status("camera", Settings(stale_after=60.0), active=True))
