"""What a message that cannot be used raises, and the size that no message may exceed."""

MAX_PIXELS = 1 << 26
"""Largest picture that is decoded: 67 million pixels (8192 x 8192), 200 MB as RGB."""

MAX_SIDE = 32767
"""Largest width and height: OpenCV's fixed-point remap addresses pixels with 16-bit integers."""


class ConversionError(ValueError):
    """A message cannot be converted.

    Attributes:
        reason: one word for diagnostics and tests: "encoding", "size", "data" (too short, truncated or corrupted),
            "format", "compressed_depth", "no_intrinsics", "aspect", "roi", "distortion_model",
            "distortion_coefficients", "rectification_matrix" or "decoder" (cv_bridge, not the message, is at fault).
    """

    def __init__(self, reason: str, text: str) -> None:
        """Keep the reason beside the sentence that names the value, the limit and the remedy."""
        super().__init__(text)
        self.reason = reason


def check_size(width: int, height: int, what: str) -> None:
    """Refuse a picture without pixels and one that would exhaust the memory.

    Args:
        width: pixels.
        height: pixels.
        what: how the error calls the picture, for example "image".

    Raises:
        ConversionError: "size".
    """
    if width < 1 or height < 1:
        raise ConversionError("size", f"{what} is {width}x{height}: at least 1x1 pixels are needed")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise ConversionError(
            "size",
            f"{what} is {width}x{height}: at most {MAX_SIDE} pixels a side and {MAX_PIXELS} pixels in all are "
            "accepted; reduce the camera's resolution",
        )
