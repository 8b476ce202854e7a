"""Of `launch.conditions`."""

from __future__ import annotations

from typing import Any

from . import Condition, LaunchContext
from .utilities import normalize_to_list_of_substitutions, perform_substitutions


class InvalidConditionExpressionError(Exception):
    """Text that is neither true nor false."""


class IfCondition(Condition):
    """Holds where a text is true or 1."""

    def __init__(self, predicate_expression: Any) -> None:
        self._expression = normalize_to_list_of_substitutions(predicate_expression)
        super().__init__(predicate=self._is_true)

    def _is_true(self, context: LaunchContext) -> bool:
        text = perform_substitutions(context, self._expression).strip().lower()
        if text not in ("true", "1", "false", "0"):
            raise InvalidConditionExpressionError(text)
        return text in ("true", "1")
