"""Nav2's parameters with the semantic layer in a costmap."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

LAYER = "semantic_layer"
SOURCE = "cinet"
INFLATION = "inflation_layer"


def with_semantic_layer(
    parameters: Mapping[str, Any], section: Mapping[str, Any], topics: Mapping[str, str], costmap: str
) -> dict[str, Any]:
    """Parameters of Nav2 with the layer added to a costmap, before its inflation layer: people get inflated too.

    Args:
        parameters: of a nav2_params.yaml.
        section: of config/integrations/nav2_semantic_layer.yaml.
        topics: that the layer's source reads, by parameter.
        costmap: local_costmap or global_costmap.

    Returns:
        A copy; the arguments are left as they are.

    Raises:
        ValueError: the parameters have no such costmap with a list of plugins, or the layer is there already.
    """
    merged: Any = copy.deepcopy(parameters)  # of a file: it may hold anything
    try:
        values = merged[costmap][costmap]["ros__parameters"]
        plugins = values["plugins"]
    except (KeyError, TypeError):
        raise ValueError(
            f"these Nav2 parameters have no {costmap}/{costmap}/ros__parameters/plugins: give a nav2_params.yaml with "
            f"a {costmap}, or name another costmap"
        ) from None
    if LAYER in plugins:
        raise ValueError(f"{costmap} has a plugin {LAYER!r} already: start Nav2 with these parameters as they are")
    place = plugins.index(INFLATION) if INFLATION in plugins else len(plugins)
    plugins.insert(place, LAYER)
    layer = copy.deepcopy(dict(section[LAYER]))
    layer[SOURCE] = {**layer[SOURCE], **topics}
    values[LAYER] = layer
    return merged
