"""Of `launch.utilities`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import LaunchContext


class Substitution:
    """Something that becomes text when the context is known."""

    def perform(self, context: LaunchContext) -> str:
        raise NotImplementedError


class Text(Substitution):
    """Text as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def perform(self, context: LaunchContext) -> str:
        return self._text


def normalize_to_list_of_substitutions(subs: Any) -> list[Substitution]:
    """Text, a substitution, or several of both; anything else is refused, as launch does."""
    if isinstance(subs, str):
        return [Text(subs)]
    if isinstance(subs, Substitution):
        return [subs]
    if isinstance(subs, Iterable):
        return [item for sub in subs for item in normalize_to_list_of_substitutions(sub)]
    raise TypeError(
        f"Failed to normalize given item of type '{type(subs)}', when only str or Substitution is expected."
    )


def perform_substitutions(context: LaunchContext, subs: Sequence[Substitution]) -> str:
    """Their text, joined."""
    return "".join(sub.perform(context) for sub in subs)
