"""Fig. 5, 8 and 9: predictions of one or several networks beside the truth."""

from __future__ import annotations

from collections.abc import Sequence

from cinet_core.data.sample import Sample
from cinet_core.figures.observer import Observer, image_of, random_warning
from cinet_core.inference.predictor import Prediction
from cinet_core.label_sets import LabelSet
from cinet_core.visualize.comparison import ComparedFrame, Guess, comparison
from cinet_core.visualize.text import Picture

TILE = 240


def draw_panels(
    observers: Sequence[Observer], samples: Sequence[Sample], label_set: LabelSet, caption: str = "", tile: int = TILE
) -> Picture:
    """A row a sample: input, true and predicted depth, its error, true and predicted labels.

    Args:
        observers: the networks, each with a name of its own; all predict this label set.
        samples: the frames.
        label_set: of samples and networks.
        caption: over all of it, behind a warning where weights are random.
        tile: width of each picture, in pixels.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        ValueError: there is no sample, or no network.
    """
    frames = [
        ComparedFrame(
            sample.name,
            image_of(sample),
            sample.depth.numpy() if sample.has_depth else None,
            sample.labels.numpy() if sample.has_labels else None,
            {observer.name: _guess(observer.predict(sample)) for observer in observers},
        )
        for sample in samples
    ]
    warning = random_warning(observers)
    return comparison(frames, label_set, tile, warning + caption, bool(warning))


def _guess(prediction: Prediction) -> Guess:
    return Guess(prediction.depth, prediction.labels)
