"""What a message that cannot be used raises, and the size that no message may exceed."""

__all__ = ["MAX_PIXELS", "MAX_SIDE", "REASONS", "ConversionError", "check_size", "quoted"]

MAX_PIXELS = 1 << 25
"""Largest image that is decoded: 33 million pixels, just above 8K UHD (7680 x 4320); 100 MB as RGB."""

MAX_SIDE = 32766
"""Largest width and height: OpenCV's fixed-point remap wants less than the largest 16-bit integer."""

REASONS = (
    "encoding",
    "size",
    "data",
    "format",
    "compressed_depth",
    "no_intrinsics",
    "aspect",
    "roi",
    "distortion_model",
    "distortion_coefficients",
    "rectification_matrix",
    "decoder",
)
"""Every :attr:`ConversionError.reason` of this package's conversions."""

_LONGEST_QUOTE = 60


class ConversionError(ValueError):
    """A message cannot be converted.

    Attributes:
        reason: one word for diagnostics and tests, one of :data:`REASONS`. "data" is too short, truncated, corrupted
            or made to exhaust the decoder; for "decoder" cv_bridge, not the message, is at fault.
    """

    def __init__(self, reason: str, text: str) -> None:
        """Keep the reason beside the sentence that names the value, the limit and the remedy."""
        super().__init__(text)
        self.reason = reason


def quoted(text: str) -> str:
    """A text of a message for an error: a hostile one may be megabytes long, and errors go to logs and diagnostics."""
    return repr(text) if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]!r}... ({len(text)} characters)"


def check_size(width: int, height: int, what: str) -> None:
    """Refuse an image without pixels and one that would exhaust the memory.

    Args:
        width: pixels.
        height: pixels.
        what: what the error calls it, for example "image".

    Raises:
        ConversionError: "size".
    """
    if width < 1 or height < 1:
        raise ConversionError(
            "size", f"{what} is {width}x{height}: at least 1x1 pixels are needed; look at the publisher"
        )
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise ConversionError(
            "size",
            f"{what} is {width}x{height}: at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all are "
            "accepted; reduce the camera's resolution",
        )
