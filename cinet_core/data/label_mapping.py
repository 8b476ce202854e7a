"""From one label set to another, so that data sets can be mixed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import UNLABELLED, LabelSet

__all__ = ["label_lookup"]


def label_lookup(source: LabelSet, target: LabelSet) -> npt.NDArray[np.uint8]:
    """A (256,) table: ``table[labels]`` turns ids of one label set into ids of another.

    A grouping of the source that is named like the target decides (NYU40 to NYU13); otherwise classes go to the class
    of the same name, and those without one to 255 (NYU40's three "other" classes in SUN37).

    Raises:
        ValueError: the two have no class in common.
    """
    grouping = source.groupings.get(target.name)
    if grouping is not None and grouping.names == target.classes:
        return grouping.lookup
    ids = {name: index for index, name in enumerate(target.classes)}
    table = np.full(256, UNLABELLED, dtype=np.uint8)
    for index, name in enumerate(source.classes):
        table[index] = ids.get(name, UNLABELLED)
    if (table == UNLABELLED).all():
        raise ValueError(
            f"label sets {source.name!r} and {target.name!r} have no class in common: choose one that the data has"
        )
    return table
