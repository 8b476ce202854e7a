"""Everything about obstacles that a user decides, as parameters of a node would be."""

from __future__ import annotations

from dataclasses import dataclass

from cinet_core.parameters import check, parameter

__all__ = ["GLASS_POLICIES", "MAX_CELLS", "ObstacleSettings"]

GLASS_POLICIES = ("frame", "measured", "drop")
"""Glass and mirrors stand where the surfaces around them are, or where their depth says, or are left out."""

MAX_CELLS = 2**31 - 1
"""Cells of the grid that thins: their numbers must fit in 31 bits."""


@dataclass(frozen=True)
class ObstacleSettings:
    """Parameters of the obstacles. Lengths in metres, angles in degrees; heights are above the floor beneath.

    >>> ObstacleSettings(max_height=0.045)
    Traceback (most recent call last):
        ...
    ValueError: max_height = 0.045 must be above floor_tolerance = 0.045: nothing would be an obstacle; raise max_height
    >>> ObstacleSettings(glass="keep")
    Traceback (most recent call last):
        ...
    ValueError: glass = 'keep' is not one of frame, measured, drop

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, its value and what is accepted.
    """

    # which pixels
    half_resolution: bool = parameter(
        True, "work on a grid of half the image's size that keeps the nearest pixel of each 2x2", run_time=True
    )
    min_range: float = parameter(
        0.1, "points nearer to the camera, along its axis, are left out", limits=(0.0, 5.0), run_time=True
    )
    max_range: float = parameter(
        4.0, "points farther from the base, on the floor, are left out", limits=(0.5, 20.0), run_time=True
    )
    min_confidence: float = parameter(
        0.0,
        "labels that the network is less sure of are taken for unlabelled; the points stay",
        limits=(0.0, 1.0),
        run_time=True,
    )

    # flying pixels
    edge_jump: float = parameter(
        0.04,
        "a pixel between a nearer and a farther neighbour, both by more than this share, flies; 0: keep all",
        limits=(0.0, 1.0),
        run_time=True,
    )
    min_neighbours: int = parameter(
        2, "a pixel with fewer of its eight neighbours on its own surface is a speckle", limits=(0, 8), run_time=True
    )

    # floor
    floor_classes: tuple[str, ...] = parameter(
        ("floor",), "classes, or groups of structure, that can be driven on", run_time=True
    )
    min_height: float = parameter(
        0.04, "what rises less above the floor is driven over", limits=(0.005, 1.0), run_time=True
    )
    floor_tolerance: float = parameter(
        0.045, "what is labelled as floor is floor up to this height", limits=(0.005, 1.0), run_time=True
    )
    depth_noise: float = parameter(
        0.02,
        "standard deviation of depth as a share of it, where no uncertainty is given; heights are judged with twice it",
        limits=(0.0, 0.5),
        run_time=True,
    )
    max_tilt: float = parameter(
        15.0,
        "largest slope of the nearest floor in the base frame: a wrong pose, or a robot on a ramp",
        limits=(0.0, 30.0),
        run_time=True,
    )
    max_ramp: float = parameter(
        15.0, "largest slope of further floors, which must join the nearest", limits=(0.0, 30.0), run_time=True
    )

    # heights
    max_height: float = parameter(
        1.5,
        "what is higher is passed under: the height of the robot and some clearance",
        limits=(0.02, 10.0),
        run_time=True,
    )
    ceiling_classes: tuple[str, ...] = parameter(
        ("ceiling",), "classes, or groups, that are no obstacle above half of max_height", run_time=True
    )

    # clouds
    cell: float = parameter(
        0.05, "the nearest point of each cube with edges of so many metres is kept", limits=(0.01, 1.0), run_time=True
    )
    dynamic_classes: tuple[str, ...] = parameter(
        ("person",), "classes, or groups, that move by themselves", run_time=True
    )
    glass_classes: tuple[str, ...] = parameter(
        ("window", "mirror"), "classes whose depth is what is seen through them, or in them", run_time=True
    )
    glass: str = parameter(
        "frame",
        "frame: glass stands where the surfaces around it are; measured: where its depth says; drop: left out",
        choices=GLASS_POLICIES,
        run_time=True,
    )

    # scan
    scan_min_height: float = parameter(0.05, "lowest obstacle that the scan has", limits=(0.0, 10.0), run_time=True)
    scan_max_height: float = parameter(1.5, "highest obstacle that the scan has", limits=(0.01, 10.0), run_time=True)
    scan_step: float = parameter(0.5, "degrees between two bearings of the scan", limits=(0.05, 10.0), run_time=True)

    # floor that ends
    cliff_drop: float = parameter(
        0.1, "floor lower than this below the floor before it is a cliff", limits=(0.03, 2.0), run_time=True
    )
    cliff_min_pixels: int = parameter(
        4, "pixels that look down a cliff within one bearing of the scan", limits=(1, 1000), run_time=True
    )

    # objects
    object_classes: tuple[str, ...] = parameter(
        ("furniture", "person"), "classes, or groups, whose instances are reported", run_time=True
    )
    object_jump: float = parameter(
        0.05,
        "neighbouring pixels whose depths differ by more than this share are two objects",
        limits=(0.005, 1.0),
        run_time=True,
    )
    object_gap: float = parameter(
        0.15, "parts of one class whose boxes are no farther apart are one object", limits=(0.0, 5.0), run_time=True
    )
    object_min_pixels: int = parameter(
        60, "an instance of fewer pixels is left out", limits=(3, 1_000_000), run_time=True
    )
    object_min_size: float = parameter(
        0.1, "an instance whose longest edge is shorter is left out", limits=(0.0, 10.0), run_time=True
    )

    def __post_init__(self) -> None:
        """Check every value, then those that depend on each other."""
        check(self)
        least = "floor_tolerance" if self.floor_tolerance >= self.min_height else "min_height"
        if self.max_height <= getattr(self, least):
            raise ValueError(
                f"max_height = {self.max_height:g} must be above {least} = {getattr(self, least):g}: nothing would be "
                "an obstacle; raise max_height"
            )
        if self.max_range <= self.min_range:
            raise ValueError(
                f"max_range = {self.max_range:g} must be above min_range = {self.min_range:g}: raise max_range"
            )
        if self.scan_max_height <= self.scan_min_height:
            raise ValueError(
                f"scan_max_height = {self.scan_max_height:g} must be above scan_min_height = "
                f"{self.scan_min_height:g}: raise scan_max_height"
            )
        if self.cells > MAX_CELLS:
            raise ValueError(
                f"cell = {self.cell:g} makes {self.cells} cells of max_range = {self.max_range:g} and max_height = "
                f"{self.max_height:g}, at most {MAX_CELLS} can be numbered: raise cell, or lower max_range"
            )

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """How many cells the thinning grid has along x, y and z: twice max_range wide, and as high as slopes reach."""
        across = int(2 * self.max_range / self.cell) + 2
        # The base frame's z of what stands on the steepest floor, up or down.
        reach = self.max_range * 0.6 + self.max_height
        return across, across, int(2 * reach / self.cell) + 2

    @property
    def cells(self) -> int:
        """How many cells the thinning grid has."""
        across, along, high = self.grid_shape
        return across * along * high
