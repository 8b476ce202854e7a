"""Fig. 7: the features that sharing adds to each branch, by FSM and by LSU."""

from __future__ import annotations

from collections.abc import Sequence

from cinet_core.data.sample import Sample
from cinet_core.figures.observer import Observer, image_of, random_warning
from cinet_core.visualize.features import REDUCTIONS, Reduction, features_figure
from cinet_core.visualize.text import Picture

TILE = 160


def draw_features(
    observers: Sequence[Observer],
    sample: Sample,
    caption: str = "",
    reduction: Reduction = "magnitude",
    tile: int = TILE,
) -> Picture:
    """A row a decoder block and branch: input, then by network the features before sharing, those added, the result.

    Args:
        observers: the networks, each with a name of its own.
        sample: the frame.
        caption: over all of it, behind a warning where weights are random and before the name of the reduction.
        reduction: of the channels to one picture, see `REDUCTIONS`.
        tile: width of each picture, in pixels.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        MissingPartError: a network shares no features.
        ValueError: there is no network, or no such reduction.
    """
    for observer in observers:
        observer.require_sharing()
    blocks = {_titled(observer): observer.sharing(sample) for observer in observers}
    warning = random_warning(observers)
    text = ". ".join(filter(None, (caption, f"Shown: {REDUCTIONS[reduction]}")))
    return features_figure(image_of(sample), blocks, reduction, tile, warning + text, bool(warning))


def _titled(observer: Observer) -> str:
    """The network's name with its kind of sharing, unless that is the name."""
    kind = observer.metadata.config.sharing.upper()
    return observer.name if kind.lower() in observer.name.lower() else f"{observer.name} ({kind})"
