"""Nav2's parameters with one of our layers in a costmap."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

SOURCE = "cinet"
"""The one source of the semantic layer."""

INFLATION = "inflation_layer"


def with_semantic_layer(
    parameters: Mapping[str, Any], section: Mapping[str, Any], topics: Mapping[str, str], costmap: str
) -> dict[str, Any]:
    """Parameters of Nav2 with the semantic layer added to a costmap.

    Args:
        parameters: of a nav2_params.yaml.
        section: of config/integrations/nav2_semantic_layer.yaml.
        topics: that the layer's source reads, by parameter.
        costmap: local_costmap or global_costmap.

    Returns:
        As `with_layer`, which raises what this one does.
    """
    return with_layer(parameters, section, {SOURCE: topics}, costmap)


def with_layer(
    parameters: Mapping[str, Any], section: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]], costmap: str
) -> dict[str, Any]:
    """Parameters of Nav2 with a layer added to a costmap, before its inflation layer: people get inflated too.

    Args:
        parameters: of a nav2_params.yaml.
        section: the layer's parameters below its name, as the files in config/integrations have them.
        sources: parameters to be set in some of the layer's observation sources, by source.
        costmap: local_costmap or global_costmap.

    Returns:
        A copy; the arguments are left as they are.

    Raises:
        ValueError: the parameters have no such costmap with a list of plugins, the layer is there already, or the
            section is not one of a layer with these sources.
    """
    if len(section) != 1:
        raise ValueError(f"the layer's file has the sections {list(section)}: one, named as the layer, is needed")
    ((name, content),) = section.items()
    merged: Any = copy.deepcopy(parameters)  # of a file: it may hold anything
    try:
        values = merged[costmap][costmap]["ros__parameters"]
        plugins = values["plugins"]
    except (KeyError, TypeError):
        raise ValueError(
            f"these Nav2 parameters have no {costmap}/{costmap}/ros__parameters/plugins: give a nav2_params.yaml with "
            f"a {costmap}, or name another costmap"
        ) from None
    if name in plugins:
        raise ValueError(f"{costmap} has a plugin {name!r} already: start Nav2 with these parameters as they are")
    if missing := sorted(set(sources) - set(content)):
        raise ValueError(f"{name} has no observation source {', '.join(missing)}: take the file that ships as it is")
    place = plugins.index(INFLATION) if INFLATION in plugins else len(plugins)
    plugins.insert(place, name)
    layer = copy.deepcopy(dict(content))
    for source, given in sources.items():
        layer[source] = {**layer[source], **given}
    values[name] = layer
    return merged
