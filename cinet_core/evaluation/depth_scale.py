"""Measures the scale of predicted depth against a sensor's: per frame, its drift, and the factor that corrects it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cinet_core.evaluation.tables import TextTable, number, percent
from cinet_core.metrics.depth import DELTA, DepthMetrics
from cinet_core.metrics.protocols import FULL

__all__ = ["FrameScale", "RatioHistogram", "ScaleReport", "ScaleStudy"]

_BINS, _WIDTH = 8000, 1e-3
_LOG_RATIOS = (np.arange(_BINS) - _BINS / 2 + 0.5) * _WIDTH


@dataclass(frozen=True)
class FrameScale:
    """The scale of one frame.

    Attributes:
        name: of the frame.
        time: seconds, or the number of the frame where frames have no time.
        scale: median(sensor) / median(predicted): what the prediction must be multiplied by.
    """

    name: str
    time: float
    scale: float


class RatioHistogram:
    """A histogram of ln(predicted / sensor) over all pixels, from which abs rel and delta1 follow for any scale."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, dtype=np.int64)

    def add(self, prediction: npt.NDArray[np.floating], truth: npt.NDArray[np.floating]) -> None:
        """Add pixels. Both arguments are (P,) metres above 0."""
        places = np.floor(np.log(prediction / truth) / _WIDTH).astype(np.int64) + _BINS // 2
        self._counts += np.bincount(places.clip(0, _BINS - 1), minlength=_BINS)

    def metrics(self, scale: float) -> dict[str, float]:
        """Return abs_rel and delta1 of predictions times the scale, to about 0.001. They are NaN without pixels."""
        total = self._counts.sum()
        if total == 0:
            return {"abs_rel": math.nan, "delta1": math.nan}
        ratios = _LOG_RATIOS + math.log(scale)
        within = np.abs(ratios) < math.log(DELTA)
        return {
            "abs_rel": float((np.abs(np.expm1(ratios)) * self._counts).sum() / total),
            "delta1": float(self._counts[within].sum() / total),
        }


@dataclass(frozen=True)
class ScaleReport:
    """The result of the comparison.

    Attributes:
        frames: each with its scale.
        timed: whether their times are seconds.
        scale: median of the frames' scales: the suggested depth_scale.
        quartiles: a quarter of the frames' scales lies below the first, a quarter above the second.
        spread: standard deviation of the natural logarithm of the frames' scales; about the relative spread.
        thirds: median scale of the first, second and last third of the frames.
        slope: relative change of the scale in a minute (timed) or 100 frames, by least squares on its logarithm.
        slope_error: standard error of the slope, as if frames were independent; neighbours are not, so it is a floor.
        metrics: abs_rel and delta1 "as predicted", with the "suggested scale" and with "each frame's own scale".
    """

    frames: tuple[FrameScale, ...]
    timed: bool
    scale: float
    quartiles: tuple[float, float]
    spread: float
    thirds: tuple[float, float, float]
    slope: float
    slope_error: float
    metrics: dict[str, dict[str, float]]

    @property
    def slope_unit(self) -> str:
        """The unit of the slope."""
        return "minute" if self.timed else "100 frames"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values. What is not a number is None."""
        values = dataclasses.asdict(self) | {"slope_unit": self.slope_unit}
        return _plain(values)

    def table(self) -> TextTable:
        """The metrics."""
        rows = [(name, number(found["abs_rel"]), percent(found["delta1"])) for name, found in self.metrics.items()]
        return TextTable("Predicted against sensor depth", ("depth", "abs rel", "delta1 [%]"), tuple(rows))

    def sentences(self) -> list[str]:
        """Return sentences that state the scale and its drift."""
        low, high = self.quartiles
        return [
            f"scale (median of true / predicted): {self.scale:.3f}; half of {len(self.frames)} frames within "
            f"{low:.3f} .. {high:.3f}; spread {self.spread:.1%}",
            f"drift: {self.slope:+.1%} (standard error {self.slope_error:.1%} at least) in a {self.slope_unit}; "
            "median of the first, second and last third: " + ", ".join(f"{value:.3f}" for value in self.thirds),
        ]


class ScaleStudy:
    """Accumulates frames one at a time.

    Args:
        min_depth, max_depth: sensor depth between which pixels count, metres.
        timed: whether frames come with seconds.
    """

    def __init__(self, min_depth: float = 0.0, max_depth: float = math.inf, timed: bool = True) -> None:
        protocol = dataclasses.replace(FULL, min_depth=min_depth, max_depth=max_depth)
        self._protocol, self._timed = protocol, timed
        self._plain, self._aligned = DepthMetrics(protocol), DepthMetrics(protocol, align_median=True)
        self._histogram = RatioHistogram()
        self._frames: list[FrameScale] = []

    def add(self, name: str, time: float, prediction: Tensor, truth: Tensor) -> bool:
        """Add a frame, and return False if none of its pixels counts.

        Args:
            name: of the frame.
            time: seconds, or the frame's number.
            prediction: (h, w) metres, finite and above 0.
            truth: (H, W) metres; 0 or not finite where unknown.

        Raises:
            ValueError: as `DepthProtocol.select`.
        """
        pixels = self._protocol.select(prediction, truth)
        if pixels.truth.numel() == 0:
            return False
        for metrics in (self._plain, self._aligned):
            metrics.update(prediction[None], truth[None])
        self._histogram.add(pixels.prediction.numpy(), pixels.truth.numpy())
        self._frames.append(FrameScale(name, time, pixels.scale_ratio))
        return True

    def report(self) -> ScaleReport:
        """The result of the comparison.

        Raises:
            ValueError: there was no frame.
        """
        if not self._frames:
            raise ValueError("not one pixel has both sensor and predicted depth: nothing can be compared")
        scales = np.array([frame.scale for frame in self._frames])
        scale = float(np.median(scales))
        slope, error = _slope(np.array([frame.time for frame in self._frames]), np.log(scales))
        unit = 60.0 if self._timed else 100.0
        low, high = np.quantile(scales, (0.25, 0.75)).tolist()
        first, second, last = (float(np.median(part)) if part.size else scale for part in np.array_split(scales, 3))
        plain, aligned = self._plain.compute(), self._aligned.compute()
        return ScaleReport(
            frames=tuple(self._frames),
            timed=self._timed,
            scale=scale,
            quartiles=(low, high),
            spread=float(np.log(scales).std()),
            thirds=(first, second, last),
            slope=math.expm1(slope * unit),
            slope_error=error * unit,
            metrics={
                "as predicted": {"abs_rel": plain["abs_rel"], "delta1": plain["delta1"]},
                "suggested scale": self._histogram.metrics(scale),
                "each frame's own scale": {"abs_rel": aligned["abs_rel"], "delta1": aligned["delta1"]},
            },
        )


def _slope(times: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Least-squares slope and its standard error; NaN where two or fewer moments are too few for one of them."""
    centred = times - times.mean()
    square = float((centred**2).sum())
    if square == 0.0:
        return math.nan, math.nan
    slope = float((centred * values).sum() / square)
    if len(times) < 3:
        return slope, math.nan
    rest = values - values.mean() - slope * centred
    return slope, math.sqrt(float((rest**2).sum()) / (len(times) - 2) / square)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
