"""Feeds RTAB-Map's own tool with the depth of a TUM sequence, and scores the trajectory that it writes.

    python -m scripts.slam.rtabmap_tum SEQUENCE OUT --tool rtabmap-rgbd_dataset                 # all depths, five runs
    python -m scripts.slam.rtabmap_tum SEQUENCE OUT --tool TOOL --depth motion --set Vis/MaxDepth=5.0

Images are undistorted first, and each depth is written as the benchmark has it (16 bit, 5000 units a metre): the
sensor's, the network's as predicted, or corrected by the images alone (the anchor *motion*); no depth that poses have
corrected is fed to what is scored by poses. RTAB-Map draws at random, so each is run several times. Parameters are
those of config/integrations/rtabmap.yaml that belong to the library, then what `--set` says. The tool is built from
github.com/introlab/rtabmap (target rgbd_dataset, with g2o); it is no part of this project.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.cli.arguments import positive
from cinet_core.correction.sequence import SequenceCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.data.tum_rgbd import TumRgbd
from cinet_core.evaluation.trajectory import absolute_error
from cinet_core.inference.choices import AUTO
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor

DEPTHS: Mapping[str, CorrectionSettings | None] = {
    "sensor": None,
    "predicted": CorrectionSettings("none", "off"),
    "motion": CorrectionSettings("motion", "off"),
    "motion, field": CorrectionSettings("motion", "field"),
    "motion, fused": CorrectionSettings("motion", "fused"),
}
"""What RTAB-Map can be given; None is the sensor's."""

UNITS_PER_METRE = 5000.0
CONFIGURATION = Path(__file__).resolve().parents[2] / "config" / "integrations" / "rtabmap.yaml"
EVERY_FRAME = {
    "Rtabmap/CreateIntermediateNodes": "true",  # a pose of each frame, not of each second
    "RGBD/LinearUpdate": "0",
    "RGBD/AngularUpdate": "0",
}
# The tool knows a sequence's camera by its folder's name.
FOLDERS = {517.3: "rgbd_dataset_freiburg1", 520.9: "rgbd_dataset_freiburg2", 535.4: "rgbd_dataset_freiburg3"}


def main(arguments: list[str]) -> int:
    """Write the sequences, run the tool, print and write the figures."""
    parser = argparse.ArgumentParser("rtabmap_tum", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sequence", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tool", required=True, help="rtabmap-rgbd_dataset, or where it lies")
    parser.add_argument("--depth", nargs="+", choices=DEPTHS, default=list(DEPTHS))
    parser.add_argument("--weights", default="default")
    parser.add_argument("--runs", type=positive, default=5)
    parser.add_argument("--limit", type=positive, help="frames")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of RTAB-Map")
    options = parser.parse_args(arguments)
    parameters = EVERY_FRAME | library_parameters() | dict(item.split("=", 1) for item in options.set)
    results: dict[str, Any] = {"parameters": parameters}
    for name in options.depth:
        folder = written(options.sequence, options.output, name, options.weights, options.limit)
        errors = [run(options.tool, folder, parameters, number) for number in range(options.runs)]
        results[name] = errors
        print(f"{name:14s} {summary(errors)}", flush=True)
    atomic_write_bytes(options.output / "results.json", json.dumps(results, indent=1).encode())
    return 0


def library_parameters() -> dict[str, str]:
    """Those of our configuration for RTAB-Map that are the library's own, not its node's."""
    parameters = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    return {name: value for name, value in parameters.items() if "/" in name}


def written(
    sequence: Path, output: Path, name: str, weights: str, limit: int | None = None, backend: str = AUTO
) -> Path:
    """Return the folder that the tool reads, which is written unless it is there as a whole already."""
    dataset = TumRgbd(sequence)
    camera = dataset[0].intrinsics
    assert camera is not None
    folder = output / name.replace(", ", "_") / FOLDERS[round(camera.fx, 1)]
    done = folder / "groundtruth.txt"  # written last
    if done.is_file():
        return folder
    for part in ("rgb_sync", "depth_sync"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    indices = range(len(dataset))[:limit]
    for index, image, depth in _frames(dataset, indices, DEPTHS[name], weights, backend):
        stamp = f"{dataset.seconds(index):.6f}.png"
        units = np.where(np.isfinite(depth), np.clip(depth * UNITS_PER_METRE, 0, 2**16 - 1), 0).astype(np.uint16)
        cv2.imwrite(str(folder / "rgb_sync" / stamp), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        cv2.imwrite(str(folder / "depth_sync" / stamp), units)
    atomic_write_bytes(done, (sequence / "groundtruth.txt").read_bytes())
    return folder


def _frames(
    dataset: TumRgbd, indices: Sequence[int], settings: CorrectionSettings | None, weights: str, backend: str
) -> Iterator[tuple[int, npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    """Index, image and depth of each."""
    with ExitStack() as stack:
        predictor = (
            None if settings is None else stack.enter_context(Predictor(named_network(weights), backend=backend))
        )
        corrector = None if settings is None or predictor is None else SequenceCorrector(predictor.label_set, settings)
        for index in indices:
            sample = dataset[index]
            image = sample.image.permute(1, 2, 0).contiguous().numpy()
            depth = sample.depth.numpy()
            if predictor is not None and corrector is not None and settings is not None:
                assert sample.intrinsics is not None
                camera = sample.intrinsics
                outputs = predictor.predict(image, camera).outputs
                depth = outputs["depth"]
                if settings.active:
                    depth = corrector.correct(dataset.seconds(index), image, camera, outputs, camera).depth
            yield index, image, depth


def run(tool: str, folder: Path, parameters: Mapping[str, str], number: int) -> dict[str, float]:
    """Run the tool once; return how far the trajectory is from the motion capture, metres.

    Raises:
        RuntimeError: it wrote no trajectory.
    """
    given = [word for name, value in parameters.items() for word in (f"--{name}", value)]
    place = folder.parent / f"run{number}"
    place.mkdir(exist_ok=True)
    poses = place / "rtabmap_poses.txt"
    poses.unlink(missing_ok=True)
    command = [tool, "--quiet", "--output", str(place), *given, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    (place / "log.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    if not poses.is_file():
        raise RuntimeError(f"{tool} wrote no {poses}: {(done.stderr or done.stdout)[-500:]}")
    return score(poses, folder / "groundtruth.txt")


def score(poses: Path, truth: Path) -> dict[str, float]:
    """Errors of a trajectory against another, both ``stamp x y z qx qy qz qw`` a line, times interpolated.

    Returns:
        ATE after SE(3) and after Sim(3) alignment (root mean square, metres), the factor of the latter, and the poses.
    """
    estimate, true = np.loadtxt(poses, ndmin=2)[:, :4], np.loadtxt(truth, ndmin=2)
    estimate = estimate[np.argsort(estimate[:, 0])]
    inside = (estimate[:, 0] >= true[0, 0]) & (estimate[:, 0] <= true[-1, 0])
    estimate = estimate[inside]
    at = np.stack([np.interp(estimate[:, 0], true[:, 0], true[:, axis]) for axis in range(1, 4)], axis=1)
    # Errors are those of places: how the two frames of a camera are turned to each other has no say.
    rigid, scaled = (absolute_error(_at(estimate[:, 1:4]), _at(at), scale) for scale in (False, True))
    return {"se3": rigid.rmse, "sim3": scaled.rmse, "scale": scaled.scale, "poses": len(estimate)}


def _at(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 4, 4) poses at (N, 3) places."""
    poses = np.tile(np.eye(4), (len(places), 1, 1))
    poses[:, :3, 3] = places
    return poses


def summary(errors: Sequence[Mapping[str, float]]) -> str:
    """Median and range of several runs, in millimetres."""
    parts = []
    for name, title in (("sim3", "Sim(3)"), ("se3", "SE(3)")):
        values = [1e3 * error[name] for error in errors]
        parts.append(f"{title} {np.median(values):.0f} mm ({min(values):.0f} .. {max(values):.0f})")
    scales = [error["scale"] for error in errors]
    return f"{', '.join(parts)}, scale {np.median(scales):.3f}, {min(int(error['poses']) for error in errors)} poses"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
