"""What a bag that cannot be used raises."""


class BagError(Exception):
    """A bag cannot be read or written; the text names the file, the reason and the remedy."""
