"""What a user decides about the objects of a map, as parameters of a node would be."""

from __future__ import annotations

from dataclasses import dataclass

from cinet_core.parameters import check, parameter

__all__ = ["ObjectSettings"]


@dataclass(frozen=True)
class ObjectSettings:
    """Parameters of the objects of a map. Lengths in metres, times in seconds.

    >>> ObjectSettings(forget_after=0.0)
    Traceback (most recent call last):
        ...
    ValueError: forget_after = 0.0 is outside 0.1 .. 3600

    Raises:
        ValueError: a value is of the wrong type or out of its range; the text names the parameter, its value and what
            is accepted.
    """

    classes: tuple[str, ...] = parameter(
        ("furniture", "person"), "classes, or groups of structure, whose instances are reported", run_time=True
    )
    dynamic_classes: tuple[str, ...] = parameter(
        ("person",),
        "classes, or groups, that move by themselves: followed by where they are going, and given only while they are "
        "seen; all others stand",
        run_time=True,
    )
    jump: float = parameter(
        0.05,
        "neighbouring pixels whose depths differ by more than this share are two objects",
        limits=(0.005, 1.0),
        run_time=True,
    )
    gap: float = parameter(
        0.1, "parts of one class that are no farther apart are one object", limits=(0.0, 5.0), run_time=True
    )
    min_pixels: int = parameter(
        60,
        "an instance of fewer pixels, of an image of half the size, is left out",
        limits=(3, 1_000_000),
        run_time=True,
    )
    min_size: float = parameter(
        0.1, "an object whose longest edge is shorter is left out", limits=(0.0, 10.0), run_time=True
    )
    confirm_after: int = parameter(
        3, "an object is reported from so many frames on: fewer are mistakes", limits=(1, 1000), run_time=True
    )
    gate: float = parameter(
        0.5,
        "a thing that left its place, or a mover, keeps its id where one of its class turns up within this distance",
        limits=(0.0, 10.0),
        run_time=True,
    )
    forget_after: float = parameter(
        2.0,
        "an object whose place is in view, with nothing before it, is forgotten when it is not seen for this long",
        limits=(0.1, 3600.0),
        run_time=True,
    )
    mover_memory: float = parameter(
        3.0,
        "a mover that is out of view, or hidden, has its id kept for this long",
        limits=(0.1, 3600.0),
        run_time=True,
    )
    mover_speed: float = parameter(
        2.0,
        "metres a second: no mover is faster; the gate widens by this with the time it is not seen",
        limits=(0.0, 100.0),
        run_time=True,
    )
    depth_tolerance: float = parameter(
        0.1,
        "what is measured farther than an object by more than this share is seen through its place: twice the error "
        "of depth",
        limits=(0.01, 1.0),
        run_time=True,
    )

    def __post_init__(self) -> None:
        """Check every value."""
        check(self)
