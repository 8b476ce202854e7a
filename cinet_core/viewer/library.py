"""The recording library, an optional extra: loaded when it is needed, and one clear error where it is not there."""

from __future__ import annotations

from types import ModuleType

__all__ = ["LostViewerError", "UnfinishedError", "ViewerError", "load_rerun"]

OLDEST = (0, 41)
"""The first version whose API is the one used here; it changes with every minor version."""

INSTALL = "pip install 'cinet[viewer]', or pip install 'rerun-sdk>=0.41,<0.42'"


class ViewerError(RuntimeError):
    """The viewer cannot be used: the message names what is wrong and the remedy."""


class LostViewerError(ViewerError):
    """The live viewer that was recorded into is gone; a file beside it has everything."""


class UnfinishedError(ViewerError):
    """A recording that cannot be finished: the library waits forever where a file cannot be written any more.

    Nothing that still holds the recording may be torn down: say what is to be said, then end with `os._exit`.
    """


def load_rerun() -> ModuleType:
    """The module ``rerun``, set to raise what it would otherwise only log.

    Raises:
        ViewerError: it is not installed, older than is needed, or another package of that name.
    """
    try:
        import rerun
        import rerun.blueprint
    except ImportError as error:
        raise ViewerError(f"the viewer needs the package rerun-sdk ({error}): {INSTALL}") from error
    version = getattr(rerun, "__version_info__", None)
    if version is None:
        raise ViewerError(f"{rerun.__file__} is not the package rerun-sdk but another of that name: {INSTALL}")
    if tuple(version[:2]) < OLDEST:
        raise ViewerError(f"rerun-sdk {rerun.__version__} is too old: {INSTALL}")
    rerun.set_strict_mode(True)
    return rerun
