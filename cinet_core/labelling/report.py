"""The report of a labelling, of what the labelled set itself says."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinet_core.data.frame_files import SourceError
from cinet_core.labelling import score

__all__ = ["FORMAT", "MANIFEST", "LabelReport", "read_report", "report_of"]

MANIFEST = "labelling.json"
FORMAT, VERSION = "cinet labelling", 1


@dataclass(frozen=True)
class LabelReport:
    """What was labelled.

    Attributes:
        folder: of the labelled set.
        frames: in it.
        identity: teachers, settings and source, as JSON types.
        left_out: reason of each frame that is not in it, by name.
        summary: means over the frames: shares of "depth" and "labels" by source, "depth_trust", "label_trust",
            "depth_agreement" and "label_agreement" of what could be checked, frames "with_anchors" by name, and the
            median "scale" by anchors; None where there is nothing to take a mean of.
        figures: see `score.figures`; empty where nothing was scored.
    """

    folder: Path
    frames: int
    identity: Mapping[str, Any]
    left_out: Mapping[str, str]
    summary: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The manifest, as JSON types."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "frames": self.frames,
            "identity": dict(self.identity),
            "left_out": dict(self.left_out),
            "summary": dict(self.summary),
            "figures": {stage: dict(values) for stage, values in self.figures.items()},
        }

    def sentences(self) -> list[str]:
        """The report for people."""
        summary = self.summary
        lines = [f"{self.folder}: {self.frames} frames, {len(self.left_out)} left out"]
        for part, trust in (("depth", "depth_trust"), ("labels", "label_trust")):
            shares = ", ".join(f"{share:.1%} {source}" for source, share in summary[part].items())
            mean = "" if summary[trust] is None else f"; mean trust {summary[trust]:.2f}"
            lines.append(f"{part}: {shares}{mean}")
        for part, key in (("depth", "depth_agreement"), ("labels", "label_agreement")):
            if summary[key] is not None:
                lines.append(f"{summary[key]:.1%} of the {part} that other views could check held")
            else:
                lines.append(f"no other view could check {part}: there are no poses, or the camera did not move")
        used = ", ".join(f"{name} on {count}" for name, count in summary["with_anchors"].items())
        scale = "" if summary["scale"] is None else f", depth times {summary['scale']:.2f} in the median"
        lines.append(f"anchors: {used or 'none'}{scale}")
        return lines

    def markdown(self) -> str:
        """The table of what was scored."""
        return score.markdown(self.figures)


def report_of(
    folder: Path, lines: list[Mapping[str, Any]], identity: Mapping[str, Any], left_out: Mapping[str, str]
) -> LabelReport:
    """The report of a set, of the lines of its frames."""
    truths = [line["truth"] for line in lines if isinstance(line.get("truth"), dict)]
    summary: dict[str, Any] = {}
    for part in ("depth", "labels"):
        total: Counter[str] = Counter()
        for truth in truths:
            total.update(truth[part])
        summary[part] = {source: round(value / len(truths), 4) for source, value in sorted(total.items())}
    for key in ("depth_trust", "label_trust", "depth_agreement", "label_agreement"):
        values = [truth[key] for truth in truths if truth.get(key) is not None]
        summary[key] = round(math.fsum(values) / len(values), 4) if values else None
    anchors = Counter(name for truth in truths for name in truth["anchors"])
    summary["with_anchors"] = dict(sorted(anchors.items()))
    scales = sorted(truth["scale"] for truth in truths if truth["scale"] is not None)
    summary["scale"] = scales[len(scales) // 2] if scales else None
    sums = [truth["score"] for truth in truths if "score" in truth]
    table = score.figures(score.added(sums)) if sums else {}
    return LabelReport(folder, len(lines), identity, left_out, summary, table)


def read_report(folder: Path) -> LabelReport | None:
    """The report of a complete labelled set; None where there is no manifest.

    Raises:
        SourceError: the manifest is damaged, or of something else.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT or values["version"] != VERSION:
            raise ValueError(f"format {values['format']!r}, version {values['version']!r}")
        return LabelReport(
            folder, int(values["frames"]), values["identity"], values["left_out"], values["summary"], values["figures"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(path, f"it is no manifest of a labelling: {error!r}", "give a new folder") from error
