"""How the field estimator behaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from cinet_core.anchors.grid import FieldPrior

__all__ = ["FieldSettings"]


@dataclass(frozen=True)
class FieldSettings:
    """How the estimator behaves.

    Attributes:
        prior: of the network's error.
        field_seconds: after which the field has decayed to 1/e without evidence, where motion carries it.
        still_seconds: the same where no motion is known: the field then stays where it was on the image.
        offset_seconds: of offset and slope.
        scale_seconds: over which the network's own factor is averaged where no anchor knows metres.
        carry_sigma: of a node's ln depth that carrying adds, each frame.
        change_sigma: of the factor that carrying adds each frame, as a part of the unexplained change of ln depth of
            the whole image: the more a network changes its mind by itself, the less is what was known of it worth.
        spread_sigma: the same of a node, as a part of the spread of the unexplained change over the image.
        gate: standard deviations by which a measurement as a whole may differ from what is expected.
        patience: seconds after which a measurement that was held back so long is believed.
        motion_gate: unexplained change of ln depth of the whole image from one frame to the next, above which the
            motion is not believed.
        detail_memory: seconds over which the network's detail errors at a place stay the same.
        detail_sigma: standard deviation of ln depth, by which a pixel may be corrected beside the smooth field where a
            measurement is exact; 0 corrects what is smooth alone.
    """

    prior: FieldPrior = field(default_factory=FieldPrior)
    field_seconds: float = 8.0
    still_seconds: float = 1.0
    offset_seconds: float = 300.0
    carry_sigma: float = 0.006
    change_sigma: float = 0.6
    spread_sigma: float = 0.5
    scale_seconds: float = 2.0
    gate: float = 3.0
    patience: float = 2.0
    motion_gate: float = 0.15
    detail_memory: float = 0.15
    detail_sigma: float = 0.3
