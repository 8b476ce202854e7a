"""The error for a bag that cannot be used."""

__all__ = ["BagError"]


class BagError(Exception):
    """A bag cannot be read or written. The message names the file, the reason and the remedy."""
