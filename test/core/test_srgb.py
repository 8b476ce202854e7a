"""The transfer function of sRGB."""

from __future__ import annotations

import numpy as np
import pytest

from cinet_core.srgb import LUMA, decoded, encoded


def test_known_values() -> None:
    known = {0.0: 0.0, 0.0031308: 0.04045, 0.21404: 0.5, 1.0: 1.0}
    assert encoded(np.array(list(known), dtype=np.float32)) == pytest.approx(list(known.values()), abs=1e-3)


def test_one_is_the_inverse_of_the_other() -> None:
    display = np.arange(256) / 255.0
    np.testing.assert_allclose(encoded(decoded(display)), display, atol=2e-5)


def test_white_has_luminance_one() -> None:
    assert float(LUMA.sum()) == pytest.approx(1.0)
