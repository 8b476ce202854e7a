"""What decides the messages of a frame: the parameters that a node and a bag share.

The perception node adds those of its own (`cinet_ros.parameters`); `cinet bag run` takes these as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cinet_core.messages.errors import MAX_PIXELS
from cinet_core.parameters import check, parameter

if TYPE_CHECKING:
    from cinet_core.label_sets import LabelSet

__all__ = ["DEPTH_ENCODINGS", "DEPTH_SCALE_LIMITS", "LABEL_ENCODINGS", "OutputSettings"]

DEPTH_ENCODINGS = ("32FC1", "16UC1")
"""Metres with NaN for invalid; millimetres with 0 for invalid (REP 118)."""

LABEL_ENCODINGS = ("mono8", "16SC1", "16UC1")
"""Class ids; 255 is unlabelled in each."""

DEPTH_SCALE_LIMITS = (0.1, 10.0)
"""Outside, the camera's calibration is wrong rather than the network's scale."""


@dataclass(frozen=True)
class OutputSettings:
    """Parameters that decide what is published of an image. Lengths in metres, angles in degrees.

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, its value and what is accepted.
    """

    # model
    network_width: int = parameter(
        0, "width of the network's input, pixels; 0: as trained, at the image's aspect", limits=(0, 4096)
    )
    network_height: int = parameter(
        0, "height of the network's input, pixels; 0: as trained, at the image's aspect", limits=(0, 4096)
    )

    # outputs' size
    output_width: int = parameter(0, "width of all outputs, pixels; 0: the input's", limits=(0, 8192))
    output_height: int = parameter(0, "height of all outputs, pixels; 0: the input's", limits=(0, 8192))

    # inputs
    input_rectified: str = parameter(
        "auto",
        "whether images arrive rectified; auto: the last parts of the resolved image topic say `rect`",
        choices=("auto", "true", "false"),
    )
    assumed_fov: float = parameter(
        0.0,
        "horizontal field of view assumed when there is no valid camera_info; 0: none",
        limits=(0.0, 170.0),
        run_time=True,
    )

    # depth and labels
    depth_encoding: str = parameter(
        "32FC1", "32FC1: metres, NaN invalid; 16UC1: millimetres, 0 invalid", choices=DEPTH_ENCODINGS, run_time=True
    )
    depth_scale: float = parameter(
        1.0,
        "multiplies predicted depth, before depth_min and depth_max; `cinet scale` measures it against a sensor",
        limits=DEPTH_SCALE_LIMITS,
        run_time=True,
    )
    depth_min: float = parameter(
        0.0, "nearer depth is invalid; 0: the model's own limit", limits=(0.0, 1000.0), run_time=True
    )
    depth_max: float = parameter(
        0.0, "farther depth is invalid; 0: the model's own limit", limits=(0.0, 1000.0), run_time=True
    )
    label_encoding: str = parameter(
        "mono8",
        "encoding of semantic/image_raw; 255 is unlabelled in each",
        choices=LABEL_ENCODINGS,
        run_time=True,
    )
    label_min_confidence: float = parameter(
        0.0, "pixels below this confidence are unlabelled (255)", limits=(0.0, 1.0), run_time=True
    )
    mask_classes: tuple[str, ...] = parameter(
        ("",), "classes that semantic/mask marks with 1, such as person; none by default", run_time=True
    )
    overlay_opacity: float = parameter(
        0.5, "share of the class colour in semantic_overlay", limits=(0.0, 1.0), run_time=True
    )

    # clouds
    cloud_color: str = parameter(
        "semantic",
        "colour of the points: of their class, or the camera's",
        choices=("semantic", "camera"),
        run_time=True,
    )
    cloud_decimation: int = parameter(1, "keep every n-th row and column of the cloud", limits=(1, 16), run_time=True)
    cloud_min_range: float = parameter(0.0, "points nearer to the camera are NaN", limits=(0.0, 1000.0), run_time=True)
    cloud_max_range: float = parameter(
        0.0, "points farther from the camera are NaN; 0: no limit", limits=(0.0, 1000.0), run_time=True
    )
    cloud_edge_filter: float = parameter(
        0.0,
        "drop points where depth jumps by more than this share (flying pixels); 0: keep all",
        limits=(0.0, 1.0),
        run_time=True,
    )
    cloud_voxel_size: float = parameter(
        0.05,
        "points_downsampled has one point of each cube with edges of so many metres",
        limits=(0.005, 10.0),
        run_time=True,
    )

    # compression
    compressed_jpeg_quality: int = parameter(
        90, "of the compressed images that are JPEG", limits=(1, 100), run_time=True
    )
    compressed_png_level: int = parameter(
        1,
        "of the compressed images that are PNG, depth included; higher levels take much longer and save little",
        limits=(0, 9),
        run_time=True,
    )

    def __post_init__(self) -> None:
        """Check every value, those of a subclass too, then those that depend on each other."""
        check(self)
        for low, high in (("depth_min", "depth_max"), ("cloud_min_range", "cloud_max_range")):
            if 0 < getattr(self, high) <= getattr(self, low):
                raise ValueError(f"{high} = {getattr(self, high):g} must be above {low} = {getattr(self, low):g}, or 0")
        for pair in ("network", "output"):
            if (getattr(self, f"{pair}_width") == 0) != (getattr(self, f"{pair}_height") == 0):
                raise ValueError(f"{pair}_width and {pair}_height must both be 0 or both be given")
        if self.output_width * self.output_height > MAX_PIXELS:
            raise ValueError(
                f"output_width x output_height = {self.output_width}x{self.output_height} must not exceed "
                f"{MAX_PIXELS} pixels"
            )

    @property
    def network_size(self) -> tuple[int, int] | None:
        """(height, width) of the network's input; None where it is left to the model and the image."""
        return (self.network_height, self.network_width) if self.network_width else None

    @property
    def output_size(self) -> tuple[int, int] | None:
        """(height, width) of all outputs; None where it is the input's."""
        return (self.output_height, self.output_width) if self.output_width else None

    def check_classes(self, label_set: LabelSet | None) -> None:
        """Check ``mask_classes`` against the classes of the model; None where these are not known yet.

        Raises:
            ValueError: a class is unknown; the text names those that are.
        """
        if label_set is None:
            return
        try:
            label_set.ids(name for name in self.mask_classes if name)
        except ValueError as error:
            raise ValueError(f"mask_classes: {error}") from error
