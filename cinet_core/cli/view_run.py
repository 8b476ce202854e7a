"""``cinet view``: a source of frames in, a live viewer or a recording out."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import os
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import track

from cinet_core.checkpoint import CheckpointError, ModelMetadata
from cinet_core.cli.frame_arguments import problem
from cinet_core.cli.frame_choice import chosen_camera, chosen_checkpoint, chosen_predictor
from cinet_core.data.frame_sources import Frame, FrameSource, SourceError, open_source
from cinet_core.geometry import Intrinsics
from cinet_core.inference.predictor import Prediction, Predictor
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.open3d_loading import Open3DError
from cinet_core.viewer import Moment, Recording, UnfinishedError, ViewerError, ViewerServer
from cinet_core.viewer.cloud import without_edges
from cinet_core.viewer.poses import Pose, SourcePoses, source_poses

NANOSECONDS = 1_000_000_000
VOXEL_SIZE = 0.03
"""Metres: fine enough to be looked at."""

MAP_EVERY = 10
"""Frames after which the map is shown anew."""

_log = logging.getLogger(__name__)


def view(options: argparse.Namespace) -> int:
    """Predict and record every frame; returns the exit status (see the command's help).

    It does not return, but ends the process with status 1, where the recording cannot be finished.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        return _view(options)
    except UnfinishedError as error:
        print(f"cinet view: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    except ViewerError as error:
        print(f"cinet view: {error}", file=sys.stderr)
        return 1


def _view(options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        try:
            wrong = problem(options)
            if wrong is not None:
                raise ValueError(wrong)
            source = open_source(options.source, depth=False)
            poses = source_poses(options.source)
            predictor = chosen_predictor(options, chosen_checkpoint(options))
            stack.callback(predictor.close)
            server = None
            if options.serve or options.save is None:
                server = stack.enter_context(ViewerServer(port=options.port, data_port=options.data_port))
            recording = stack.enter_context(
                Recording(
                    predictor.label_set,
                    file=options.save,
                    address=None if server is None else server.address,
                    about=about(source.name, predictor.metadata, predictor.device),
                    world_up="-y" if poses is None else poses.world_up,
                    cloud_color="semantic" if poses is None else "camera",
                )
            )
            run = _Run(source, poses, predictor, recording, options)
        except (SourceError, CheckpointError, ViewerError, Open3DError, ValueError, OSError) as error:
            print(f"cinet view: {error}", file=sys.stderr)
            return 2
        if server is not None:
            print(f"open {server.url} in a browser, or on the desktop: rerun {server.address}", flush=True)
        status = run.run()
        recording.flush()
        if options.save is not None:
            size = options.save.stat().st_size / 1e6
            print(f"written: {options.save} ({size:.1f} MB); open it with: rerun {options.save}")
        if server is not None:
            _serve(server)
    return status


def about(source: str, metadata: ModelMetadata, device: str) -> str:
    """Markdown that says what is shown."""
    lines = [
        f"# {source}",
        f"- network: {metadata.config.name} on {device}",
        f"- classes: {metadata.label_set.name}",
        f"- licence of the weights: {metadata.licence or 'not stated'}",
    ]
    if metadata.random_weights:
        lines.insert(1, "**RANDOM WEIGHTS: depth and labels mean nothing**\n")
    return "\n".join(lines)


def _serve(server: ViewerServer) -> None:
    """Until Ctrl-C, which is how this ends, or until the server does."""
    print("all frames are shown; Ctrl-C ends the viewer", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while server.running:
            time.sleep(0.2)


class _Run:
    """One pass over a source."""

    def __init__(
        self,
        source: FrameSource,
        poses: SourcePoses | None,
        predictor: Predictor,
        recording: Recording,
        options: argparse.Namespace,
    ) -> None:
        self._source = source
        self._poses = poses
        self._predictor = predictor
        self._recording = recording
        self._options = options
        self._said: set[str] = set()
        self._latest: Moment | None = None
        self._map = None if poses is None else SemanticMap(predictor.label_set, VOXEL_SIZE)

    def run(self) -> int:
        every, limit = self._options.every, self._options.limit
        frames = itertools.islice(self._source, 0, None if limit is None else every * (limit - 1) + 1, every)
        total = len(range(0, len(self._source), every)) if len(self._source) else None
        if limit is not None:
            total = limit if total is None else min(total, limit)
        done = failed = 0
        for number, frame in enumerate(track(frames, self._source.name, total, console=Console(stderr=True))):
            try:
                self._record(number, frame)
            except ValueError as error:
                _log.error("%s: %s", frame.name, error)
                failed += 1
            else:
                done += 1
        if self._map is not None and self._latest is not None:
            self._show_map(self._map, self._latest)
        failed += len(self._source.failures)
        print(
            f"{done} frame{'' if done == 1 else 's'} recorded" + (f"; {failed} FAILED, named above" if failed else "")
        )
        return 1 if failed or not done else 0

    def _record(self, number: int, frame: Frame) -> None:
        moment = Moment(number, None if frame.stamp is None else round(frame.stamp * NANOSECONDS))
        prediction = self._predictor.predict(frame.image, self._intrinsics(frame)).within(frame.valid)
        pose = None if self._poses is None else self._poses.of(frame.name)
        if pose is not None:
            self._recording.log_pose(moment, pose)
        self._recording.log_frame(moment, frame.image, prediction.depth, prediction.labels, prediction.intrinsics)
        self._recording.log_milliseconds(moment, prediction.seconds)
        if self._map is not None and pose is not None:
            self._fuse(self._map, moment, frame, prediction, pose)

    def _fuse(self, fused: SemanticMap, moment: Moment, frame: Frame, prediction: Prediction, pose: Pose) -> None:
        if prediction.intrinsics is None:
            return
        self._latest = moment
        near = without_edges(prediction.depth)
        fused.integrate(near, prediction.labels, prediction.confidence, frame.image, prediction.intrinsics, pose)
        if moment.frame % MAP_EVERY == 0:
            self._show_map(fused, moment)

    def _show_map(self, fused: SemanticMap, moment: Moment) -> None:
        points = fused.surface(min(3.0, fused.frames - 0.5))  # at first, what every frame saw
        self._recording.log_map(moment, points.xyz, points.labels, VOXEL_SIZE / 2)

    def _intrinsics(self, frame: Frame) -> Intrinsics | None:
        intrinsics = chosen_camera(self._options, frame)
        if intrinsics is None:
            self._say_once("the camera is unknown: depth may be off by a factor, and there is no cloud; give --fov")
        else:
            self._say_once(self._predictor.focal_warning(intrinsics))
        return intrinsics

    def _say_once(self, text: Any) -> None:
        if text and text not in self._said:
            self._said.add(text)
            _log.warning("%s", text)
