#!/usr/bin/env python3
"""The main job, end to end: a camera player and the perception node as separate processes over Fast DDS.

Subscribes to every output, then leaves in demo_output/: panel.png (input, depth, labels, overlay, cloud from above and
from the side), cloud.ply and stats.json, and prints what was measured. Run it with `make demo`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rclpy
from ament_index_python.packages import get_package_prefix
from PIL import Image as PillowImage
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sensor_msgs.msg import Image

from cinet_core.geometry import Intrinsics
from cinet_core.inference.networks import refused_without_torch
from cinet_core.inference.prediction import Prediction
from cinet_core.label_sets import LabelSet
from cinet_core.model.config import DEFAULT_CONFIG
from cinet_core.model_metadata import DEFAULT_WEIGHTS, CheckpointError, read_metadata
from cinet_core.tasks.panel import panel
from cinet_core.visualize.ply import write_ply
from scripts.demo_listener import OUTPUTS, DemoListener

START_TIMEOUT = 90.0  # imports and loading the model on a slow machine
FIRST_FRAME_TIMEOUT = 60.0
PREPARATION_TIMEOUT = 300.0  # of a faster backend, beside frames
WARM_UP_FRAMES = 3  # the first frames allocate and are slower

console = Console()


class DemoError(RuntimeError):
    """The demo cannot go on; the text says why and what to do."""


class Process:
    """A node of this package in a process of its own, its output in a file."""

    def __init__(self, executable: str, parameters: dict[str, Any], folder: Path) -> None:
        path = Path(get_package_prefix("cinet_ros")) / "lib" / "cinet_ros" / executable
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={json.dumps(value)}")]
        self.name = executable
        self.log = folder / f"{executable}.log"
        with self.log.open("w", encoding="utf-8") as stream:
            command = [str(path), "--ros-args", *arguments]
            self._process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)

    def check(self) -> None:
        """Raise DemoError if it has ended."""
        if self._process.poll() is not None:
            log = self.log.read_text(encoding="utf-8", errors="replace")
            raise DemoError(f"{self.name} ended with status {self._process.returncode}:\n{log}")

    def stop(self) -> None:
        """End it as Ctrl-C would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def pixels(message: Image, dtype: str, channels: int = 1) -> npt.NDArray[Any]:
    """Pixels of an image message."""
    shape = (message.height, message.width, channels)[: 2 if channels == 1 else 3]
    return np.frombuffer(bytes(message.data), dtype).reshape(shape)


def checked_weights(given: str) -> str:
    """The node's parameter; raise DemoError where it could not be loaded, for which the node would wait."""
    refusal = refused_without_torch(given)
    if refusal is not None:
        raise DemoError(refusal)
    if given in ("random", DEFAULT_WEIGHTS):
        return given
    path = Path(given).resolve()
    try:
        read_metadata(path)
    except CheckpointError as error:
        raise DemoError(str(error)) from error
    return str(path)


def listen(options: argparse.Namespace, folder: Path) -> DemoListener:
    """Run player and node until enough was seen."""
    weights = checked_weights(options.weights)
    listener = DemoListener()
    node_parameters = {"weights": weights, "model_config": options.config, "device": options.device}
    player_parameters: dict[str, Any] = {
        "source": options.source,
        "rate": options.rate,
        "encoding": "rgb8",  # a bag of compressed images is decoded for the node, which listens to raw ones here
        "wait_for_subscribers": 1,
    }
    if options.intrinsics:
        player_parameters["intrinsics"] = options.intrinsics
    elif options.fov:
        player_parameters["fov"] = options.fov
    processes = []
    try:
        console.print(f"starting the perception node ({options.config}, weights: {options.weights})")
        node = Process("perception_node", node_parameters, folder)
        processes.append(node)
        wait(listener, processes, lambda: listener.classes is not None, START_TIMEOUT, "the node is not up")
        console.print(
            f"playing {escape(str(options.source))} at {options.rate:g} Hz; listening to {len(OUTPUTS)} topics"
        )
        processes.append(Process("player_node", player_parameters, folder))
        unseen = "no frame came back on every topic (a source without intrinsics has no cloud: give --fov)"
        wait(listener, processes, lambda: listener.complete_count > 0, FIRST_FRAME_TIMEOUT, unseen)
        await_backend(listener, processes)
        settled = listener.complete_count + WARM_UP_FRAMES
        wait(listener, processes, lambda: listener.complete_count >= settled, FIRST_FRAME_TIMEOUT, unseen)
        listener.measure()
        deadline = time.monotonic() + options.seconds
        wait(listener, processes, lambda: time.monotonic() > deadline, options.seconds + 60.0, "")
    finally:
        for process in reversed(processes):
            process.stop()
    return listener


def await_backend(listener: DemoListener, processes: list[Process]) -> None:
    """Let the node prepare its backend, which the first frame has begun: beside that, frames are slow."""
    listener.preparing = None
    wait(listener, processes, lambda: listener.preparing is not None, START_TIMEOUT, "the node tells no diagnostics")
    if listener.preparing:
        console.print("the node prepares the fastest backend for this machine, once: up to some minutes")
        unprepared = "the backend is not ready: give more time, or choose one by the node's parameter"
        wait(listener, processes, lambda: not listener.preparing, PREPARATION_TIMEOUT, unprepared)


def wait(listener: DemoListener, processes: list[Process], done: Any, timeout: float, problem: str) -> None:
    """Handle messages until a condition holds; raise DemoError after the timeout."""
    deadline = time.monotonic() + timeout
    while not done():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            raise DemoError(f"{problem}, after {timeout:g} s; see {', '.join(str(item.log) for item in processes)}")
        listener.spin(0.1)


def write_images(listener: DemoListener, folder: Path) -> list[str]:
    """Write panel.png and cloud.ply of the last complete frame; return the names of what was written."""
    parts, classes = listener.complete, listener.classes
    assert parts is not None
    assert classes is not None
    label_set = LabelSet(classes.label_set, tuple(item.name for item in classes.classes))
    info = parts["depth_registered/camera_info"]
    outputs = {
        "depth": pixels(parts["depth_registered/image_rect"], "<f4"),
        "labels": pixels(parts["semantic/image_raw"], "u1"),
        "confidence": pixels(parts["semantic/confidence"], "u1"),
    }
    received = Prediction(outputs, Intrinsics.from_matrix(info.k, info.width, info.height), {})
    stats = parts["stats"]
    caption = f"{stats.model} {stats.model_hash[:12]} on {stats.device}, {stats.label_set}"
    if stats.random_weights:
        caption = f"RANDOM WEIGHTS: depth, labels and points mean nothing ({caption})"
    image = pixels(parts["rgb/image_rect"], "u1", 3)
    rgb = panel(image, received, label_set, caption=caption, warning=stats.random_weights)
    PillowImage.fromarray(rgb).save(folder / "panel.png")
    points = np.frombuffer(bytes(parts["points"].data), "<f4").reshape(info.height, info.width, 8)
    cloud = folder / "cloud.ply"
    cloud.unlink(missing_ok=True)  # an earlier run's must not pass for this one's
    colors = label_set.palette[received.labels]
    if write_ply(cloud, points[..., :3], colors, received.labels, received.confidence) == 0:
        console.print("no cloud.ply: no pixel of the last frame has a valid depth")
        return ["panel.png"]
    return ["panel.png", "cloud.ply"]


def report(listener: DemoListener, options: argparse.Namespace) -> dict[str, Any]:
    """Summary of the run, for stats.json."""
    if not listener.stats:
        raise DemoError(f"no frame was finished in {options.seconds:g} s: give more --seconds, or a smaller --config")
    latency = np.array([item.latency for item in listener.stats])
    latency = latency[np.isfinite(latency)]  # it is NaN where stamps are of another clock
    last = listener.stats[-1]
    stages: dict[str, list[float]] = defaultdict(list)
    for item in listener.stats:
        for stage in item.stages:
            stages[stage.stage].append(stage.seconds)
    return {
        "source": str(options.source),
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "model": last.model,
        "model_hash": last.model_hash,
        "random_weights": last.random_weights,
        "device": last.device,
        "frames_per_second": listener.seen["stats"].rate,
        "stamp_to_publish_ms": {
            f"p{share}": float(np.percentile(latency, share)) * 1e3 if latency.size else None for share in (50, 99)
        },
        "stage_ms_median": {stage: float(np.median(values)) * 1e3 for stage, values in stages.items()},
        "frames": {"received": last.frames_received, "used": last.frames_used, "dropped": last.frames_dropped},
        "topics": {
            topic: {"form": seen.form, "messages": seen.count, "hz": seen.rate, "bytes": seen.size}
            for topic, seen in listener.seen.items()
        },
    }


def show(summary: dict[str, Any]) -> None:
    """Print the summary as a table."""
    table = Table(title=f"CI-Net on {escape(summary['source'])}")
    table.add_column("topic", no_wrap=True)
    table.add_column("encoding / fields, size", overflow="fold")
    for column in ("messages", "Hz", "kB"):
        table.add_column(column, justify="right")
    for topic, row in summary["topics"].items():
        kilobytes = f"{row['bytes'] / 1e3:.0f}" if row["bytes"] else ""
        table.add_row(topic, row["form"], str(row["messages"]), f"{row['hz']:.1f}", kilobytes)
    console.print(table)
    frames, latency = summary["frames"], summary["stamp_to_publish_ms"]
    delays = ", ".join(f"{name} {value:.0f} ms" for name, value in latency.items() if value is not None) or "unknown"
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in summary["stage_ms_median"].items())
    console.print(
        f"{summary['frames_per_second']:.1f} FPS with all topics subscribed; "
        f"stamp to publish {delays}; frames received "
        f"{frames['received']}, used {frames['used']}, dropped {frames['dropped']} (only the latest is worked on)\n"
        f"median ms by stage: {stages}"
    )
    if summary["random_weights"]:
        console.print("[bold red]random weights: depth, labels and points mean nothing; this shows the plumbing")


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="synthetic", help="synthetic, an image, a folder, a video or a ROS 2 bag")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS, help="checkpoint; default, what ships; or random")
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="network, where the weights are random")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rate", type=float, default=15.0, help="frames per second of the player")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure")
    parser.add_argument("--fov", type=float, help="horizontal field of view of a source without intrinsics, degrees")
    parser.add_argument("--intrinsics", type=float, nargs=4, metavar=("FX", "FY", "CX", "CY"))
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    options = parser.parse_args()
    if options.source != "synthetic":
        options.source = str(Path(options.source).resolve())
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))  # undisturbed by other nodes on this machine
    # Ctrl-C and SIGTERM as exceptions: rclpy's own handlers would end the context under the listener instead.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        listener = listen(options, options.output)
        summary = report(listener, options)
        (options.output / "stats.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        written = ["stats.json", *write_images(listener, options.output)]
    except DemoError as error:
        console.print(f"[bold red]demo failed:[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted: the processes were ended, nothing was written")
        return 130
    finally:
        rclpy.try_shutdown()
    show(summary)
    console.print(f"wrote {', '.join(str(options.output / name) for name in written)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
