"""What a bag that cannot be used raises."""

__all__ = ["BagError"]


class BagError(Exception):
    """A bag cannot be read or written; the text names the file, the reason and the remedy."""
