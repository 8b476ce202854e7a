"""What a fleet costs, of manifests: the start of a part and the time of a frame are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cinet_core.jobs import PartRecord
from scripts.fleet.costs import cost_of, main


def job(folder: Path, frames: list[int], start: float, each: float) -> Path:
    lines = []
    folder.mkdir()
    for number, count in enumerate(frames):
        name = f"bag{number}"
        seconds = start + each * count
        record = PartRecord(
            name, "done", "", (), "x", "1", (), "", seconds, seconds, input_bytes=50 * count, output_bytes=100 * count
        )
        lines.append(json.dumps(record.to_dict()))
        part = folder / "parts" / name
        part.mkdir(parents=True)
        (part / "frames.jsonl").write_text("{}\n" * count)
    (folder / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_start_and_frames_are_told_apart(tmp_path: Path) -> None:
    cost = cost_of(job(tmp_path / "label", [10, 30, 80], 4.0, 0.25))
    assert (cost.parts, cost.frames, cost.read, cost.written) == (3, 120, 50, 100)
    assert (cost.start, cost.each) == pytest.approx((4.0, 0.25))


def test_parts_of_one_length_cannot_tell(tmp_path: Path) -> None:
    cost = cost_of(job(tmp_path / "label", [10, 10], 5.0, 0.5))
    assert (cost.start, cost.each) == pytest.approx((0.0, 1.0))


def test_the_table_grows_to_ten_thousand_bags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(job(tmp_path / "label", [10, 30], 6.0, 0.05)), "--frames", "600"]) == 0
    assert "| label | 6.0 | 50 | 60,000 | 0 | 0 | 100 | 1 |" in capsys.readouterr().out


def test_nothing_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part"):
        cost_of(job(tmp_path / "label", [], 0, 0))
