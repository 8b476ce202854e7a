"""The state of one camera in a configured node: input, outputs, counters and diagnostics."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from cinet_core.geometry import Intrinsics
from cinet_core.messages.topics import STATS
from cinet_ros.anchoring.inputs import AnchorInputs
from cinet_ros.anchoring.state import CorrectionState
from cinet_ros.camera_input import CameraInput
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import WARN, Conditions, Latencies, status
from cinet_ros.navigation.frame import NavigationState
from cinet_ros.navigation.place import CameraPlace
from cinet_ros.parameters import Settings
from cinet_ros.publishers import CameraOutputs
from cinet_ros.rate_limit import RateLimit

HOW_TO_ENABLE = "no image is subscribed to; call the service ~/enable with true, or set the parameter `enabled`"


@dataclass(frozen=True)
class Job:
    """An image message with its time of arrival."""

    message: Any
    received: float  # steady clock, seconds


@dataclass
class Camera:
    """One camera of the node. `counters` and `latencies` are reset at each activation."""

    name: str
    input: CameraInput
    outputs: CameraOutputs
    conditions: Conditions
    counters: FrameCounters = field(default_factory=FrameCounters)
    latencies: Latencies = field(default_factory=Latencies)
    waiting_since: float | None = None  # without a camera_info, steady clock
    focal_checked: Intrinsics | None = None
    wanted_since: float | None = None
    rate_limit: RateLimit = field(default_factory=RateLimit)
    cloud_limit: RateLimit = field(default_factory=RateLimit)
    anchors: AnchorInputs | None = None  # of the node; None: there are none, and nothing is corrected
    correction: CorrectionState = field(default_factory=CorrectionState)
    place: CameraPlace | None = None  # of the node; None: there is none, and nothing is published for navigation
    navigation: NavigationState = field(default_factory=NavigationState)

    def restart(self) -> None:
        """Reset the state of an earlier activation."""
        self.conditions.clear_all()
        self.counters, self.latencies = FrameCounters(), Latencies()
        self.rate_limit, self.cloud_limit = RateLimit(), RateLimit()
        self.correction, self.navigation = CorrectionState(), NavigationState()
        self.waiting_since = self.focal_checked = self.wanted_since = None

    def status(self, name: str, settings: Settings, active: bool) -> DiagnosticStatus:
        """Return the status of the camera for /diagnostics."""
        counts = self.counters.now()
        rate_in, rate_out = self.counters.rates()
        self._watch_arrivals(settings.stale_after)
        subscribed = self.outputs.subscribed()
        switched_off = {topic for topic in settings.disabled_outputs if topic}
        values = {
            "image topic": self.input.image_topic,
            "enabled": settings.enabled,
            "subscribed outputs": ", ".join(sorted(subscribed)) or "none",
            "disabled outputs": ", ".join(sorted(switched_off)) or "none",
            "rate in [Hz]": f"{rate_in:.1f}",
            "rate out [Hz]": f"{rate_out:.1f}",
            "age of the last image [s]": _age(self.counters.last_received),
            "age of the last output [s]": _age(self.latencies.last_published),
            **self.latencies.values(),
            "received": counts.received,
            "used": counts.used,
            **{f"dropped: {reason}": count for reason, count in sorted(counts.drops.items())},
            **{f"{kind} stamps": count for kind, count in sorted(counts.stamps.items())},
            **self._correction_values(settings),
            **self.navigation.values(),
            **({"scan is left out": self.outputs.held} if self.outputs.held else {}),
        }
        fine = self._doing(settings, subscribed - switched_off) if active else "inactive"
        row = status(name, self.input.image_topic, fine, self.conditions, values)
        if active and not settings.enabled and row.message != fine:  # what else there is to say does not explain it
            row.message = f"{fine}; {row.message}"
        return row

    def _correction_values(self, settings: Settings) -> dict[str, str]:
        """Rows about anchors and frames before; none where nothing is corrected."""
        if self.anchors is None or not settings.correction.active:
            return {}
        return (
            {"anchor": settings.anchor, "temporal": settings.temporal}
            | self.anchors.values()
            | self.correction.values()
        )

    def _doing(self, settings: Settings, subscribed: frozenset[str]) -> str:
        """What the camera's row says where nothing is wrong.

        Args:
            settings: current ones.
            subscribed: outputs that are not switched off.
        """
        if not settings.enabled:
            return f"disabled: {HOW_TO_ENABLE}"
        if self.input.wanted:
            return "publishing"
        if STATS in subscribed:
            return f"idle: nobody subscribes to an output but {STATS}, which alone asks for no work"
        return "idle: nobody subscribes to an output"

    def _watch_arrivals(self, stale_after: float) -> None:
        now = time.monotonic()
        if not self.input.wanted:
            self.wanted_since = None
            return
        self.wanted_since = self.wanted_since or now
        age = now - max(self.wanted_since, self.counters.last_received or 0.0)
        if age <= stale_after:
            self.conditions.clear("stale_input")
        elif self.input.publishers() == 0:
            self.conditions.report(
                "stale_input",
                WARN,
                f"no publisher on {self.input.image_topic}: start the camera driver, or remap `image` to its topic",
            )
        else:
            self.conditions.report(
                "stale_input",
                WARN,
                f"no image on {self.input.image_topic} for {age:.1f} s although it has a publisher: see "
                "whether it sends (ros2 topic hz), and whether it uses the Fast DDS profile (README: Images get lost?)",
            )


def _age(moment: float | None) -> str:
    return "none yet" if moment is None else f"{time.monotonic() - moment:.1f}"
