"""Of `launch.substitutions`."""

from __future__ import annotations

from typing import Any

from . import LaunchContext
from .utilities import Substitution, normalize_to_list_of_substitutions, perform_substitutions


class SubstitutionFailure(Exception):  # noqa: N818  (launch's own name)
    """Something could not be resolved."""


class LaunchConfiguration(Substitution):
    """Value of an argument."""

    def __init__(self, variable_name: Any, *, default: Any = None) -> None:
        self._name = normalize_to_list_of_substitutions(variable_name)
        self._default = default

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self._name)
        if name in context.launch_configurations:
            return str(context.launch_configurations[name])
        if self._default is None:
            raise SubstitutionFailure(f"launch configuration '{name}' does not exist")
        return perform_substitutions(context, normalize_to_list_of_substitutions(self._default))
