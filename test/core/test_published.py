"""The published results, and the report that puts ours beside them."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from cinet_core.checkpoint import ModelMetadata, random_checkpoint
from cinet_core.evaluation.evaluation import (
    BrokenFrame,
    DepthScore,
    Evaluation,
    LabelScore,
    SampleCounts,
    StabilityScore,
)
from cinet_core.evaluation.published import PUBLISHED, PublishedRow, published_rows
from cinet_core.evaluation.report import RANDOM_WARNING, SCHEMA_VERSION, DataOrigin, EvaluationReport
from cinet_core.evaluation.tables import TextTable, number, percent
from cinet_core.metrics.depth import DEPTH_METRICS, FURTHER_DEPTH_METRICS

PAPER_TEXT = Path(__file__).resolve().parents[3] / "shared" / "paper" / "ci-net.txt"


def row(table: str, method: str) -> PublishedRow:
    (found,) = [row for row in PUBLISHED if row.table == table and row.method.startswith(method)]
    return found


@pytest.mark.parametrize(
    ("table", "method", "expected"),
    [
        ("Table 1", "baseline + SUM", {"delta1": 0.792, "rms": 0.518, "mean_iou": 0.412}),
        ("Table 1", "CI-Net", {"delta1": 0.812, "rms": 0.504, "pixel_accuracy": 0.727, "mean_iou": 0.426}),
        ("Table 2", "Roy et al.", {"rms": 0.744, "abs_rel": 0.187}),
        ("Table 3", "baseline + LSU", {"delta1": 0.778, "rms": 0.547, "mean_iou": 0.385}),
        ("Table 5", "CI-Net", {"pixel_accuracy": 0.807, "mean_iou": 0.443}),
        ("later joint model", "M2H", {"mean_iou": 0.6154, "rms": 0.4196}),
    ],
)
def test_rows_of_the_specification(table: str, method: str, expected: dict[str, float]) -> None:
    metrics = row(table, method).metrics
    assert {name: metrics[name] for name in expected} == expected


def test_tables_that_repeat_a_row_agree() -> None:
    for first, second in (("Table 1", "Table 2"), ("Table 1", "Table 4")):
        ours, again = row(first, "CI-Net").metrics, row(second, "CI-Net").metrics
        assert {name: ours[name] for name in again} == again
    for method in ("baseline", "baseline + FSM"):
        (first_row,) = [row for row in PUBLISHED if (row.table, row.method) == ("Table 1", method)]
        (again_row,) = [row for row in PUBLISHED if (row.table, row.method) == ("Table 3", method)]
        assert {name: first_row.metrics[name] for name in again_row.metrics} == again_row.metrics


@pytest.mark.skipif(not PAPER_TEXT.is_file(), reason=f"the paper's text is not here: {PAPER_TEXT}")
def test_rows_are_as_the_paper_prints_them() -> None:
    """Tables 2 to 5, whose text runs row by row: each row's cells follow its method, a slash where there is none."""
    text = PAPER_TEXT.read_text(encoding="utf-8")
    names = {
        "Table 2": DEPTH_METRICS,
        "Table 3": ("delta1", "delta2", "delta3", "rms", "abs_rel", "pixel_accuracy", "mean_iou"),
        "Table 4": ("pixel_accuracy", "mean_iou"),
        "Table 5": ("pixel_accuracy", "mean_iou"),
    }
    starts = {table: re.search(rf"{table} (Comparisons|Ablation)", text).start() for table in names}  # type: ignore[union-attr]
    checked = 0
    for entry in PUBLISHED:
        if entry.table in names:
            cells = []
            for name in names[entry.table]:
                value = entry.metrics.get(name)
                is_percent = name in ("pixel_accuracy", "mean_iou")
                cells.append("/" if value is None else f"{100 * value:.1f}" if is_percent else f"{value:.3f}")
            method = re.escape(entry.method).replace(r"\ \[", r"\s?\[")
            printed = r"\s+".join([rf"{method}\s*(\[\d+\])?", *entry.data.split(), *map(re.escape, cells)]) + r"\s"
            assert re.search(printed, text[starts[entry.table] :][:4000]), (entry.table, entry.method, cells)
            checked += 1
    assert checked == 14 + 3 + 10 + 10


def test_figures_are_known_and_in_range() -> None:
    for entry in PUBLISHED:
        assert entry.metrics
        assert set(entry.metrics) <= {*DEPTH_METRICS, "pixel_accuracy", "mean_iou"}
        assert all(0 < value < 1 for value in entry.metrics.values())
        assert entry.protocol


def test_each_method_once_for_a_data_set() -> None:
    nyu, sun = published_rows("nyu_depth_v2"), published_rows("sun_rgbd")
    assert len([entry for entry in nyu if entry.method.startswith("CI-Net")]) == 1
    assert len([entry for entry in nyu if entry.method == "baseline"]) == 1
    assert len(nyu) == 5 + 13 + 1 + 9 + 5
    assert len(sun) == 10
    assert published_rows("my_kitchen") == published_rows(None) == ()


CLASS_IOU = {"wall": 0.875, "box|crate": 0.25, "lamp": None}
CLASS_RECALL = {"wall": 0.95, "box|crate": 0.5, "lamp": None}


def evaluation(**changes: object) -> Evaluation:
    depth = dict.fromkeys((*DEPTH_METRICS, *FURTHER_DEPTH_METRICS), 0.25) | {"scale_ratio": 1.5, "scale_spread": 0.1}
    labels = {"pixel_accuracy": 0.5, "mean_recall": 0.4, "mean_iou": 0.3333}
    values: dict[str, object] = {
        "dataset": "nyu_depth_v2",
        "benchmark": "nyu_depth_v2",
        "split": "test",
        "label_set": "nyu40",
        "own_label_set": "nyu40",
        "counts": SampleCounts(654, 654, 654, 654, 654),
        "network_sizes": ((320, 240),),
        "backends": ("torch",),
        "depth": (DepthScore("paper", "paper: the rules", False, 654, depth),),
        "labels": (LabelScore("resize-argmax", labels, CLASS_IOU, CLASS_RECALL),),
        "stability": StabilityScore(3, 500, {"depth_change": 0.01234, "scale_change": 0.01, "shape_change": 0.002}),
        "attention": {"average_precision": 0.5, "chance_precision": 0.2, "bce": 0.3, "constant_bce": 0.4},
        "broken": (),
    }
    return Evaluation(**(values | changes))  # type: ignore[arg-type]


def report(random_weights: bool = False, **changes: object) -> EvaluationReport:
    metadata: ModelMetadata = random_checkpoint("lite").metadata
    metadata = dataclasses.replace(metadata, random_weights=random_weights)
    origin = DataOrigin("data/nyu.mat", "nyu_depth_v2", {"seed": 3, "room_pattern": "(.*)"})
    return EvaluationReport(evaluation(**changes), origin, metadata, "0123abcd")


def test_ours_stand_beside_the_published() -> None:
    text = report().markdown()
    assert "| ours, paper | 0.250 | 0.250 | 0.250 | 0.250 | 0.250 | 0.250 | 0.250 |" in text
    assert "| baseline + LSU, Table 3 | 0.778 | 0.948 | 0.986 | 0.547 | - | 0.152 | - |" in text
    assert "| ours, paper | 0.2500 | 0.2500 |" in text
    assert "| ours, resize-argmax | 50.0 | 40.0 | 33.3 |" in text
    assert "| TD2-PSP50 (RGB), Table 4 | - | - | 43.5 |" in text
    assert "## The 2 classes that occur, %\n" in text
    assert "| wall | 87.5 | 95.0 |\n| box\\|crate | 25.0 | 50.0 |\n| mean | 33.3 | 40.0 |" in text
    assert "lamp" not in text
    assert "| median change that motion does not explain, ln(ratio) | 0.0123 |" in text
    assert "- Stability: 3 pairs of frames, 500 static points" in text
    assert "| paper | 654 | 1.500 | 0.100 |" in text
    assert "- Depth, protocol paper: the rules." in text
    assert "checkpoint: sha256 0123abcd" in text
    assert '- data: data/nyu.mat, read as nyu_depth_v2, seed=3, room_pattern="(.*)"\n' in text
    assert "NOT COMPARABLE" not in text
    assert "RANDOM" not in text


def test_json_holds_every_figure() -> None:
    values = json.loads(json.dumps(report(broken=(BrokenFrame("f", "why"),)).to_dict(), allow_nan=False))
    assert values["schema_version"] == SCHEMA_VERSION
    assert values["checkpoint"]["sha256"] == "0123abcd"
    assert values["checkpoint"]["config"]["name"] == "lite"
    assert values["data"] == {
        "root": "data/nyu.mat",
        "kind": "nyu_depth_v2",
        "options": {"seed": 3, "room_pattern": "(.*)"},
    }
    assert values["evaluation"]["depth"][0]["rules"] == "paper: the rules"
    assert values["evaluation"]["depth"][0]["metrics"]["scale_ratio"] == 1.5
    assert values["evaluation"]["labels"][0]["class_iou"] == CLASS_IOU
    assert values["evaluation"]["labels"][0]["class_recall"] == CLASS_RECALL
    assert values["evaluation"]["stability"]["pairs"] == 3
    assert values["evaluation"]["attention"]["bce"] == 0.3
    assert values["evaluation"]["broken"] == [{"name": "f", "reason": "why"}]
    assert len(values["published"]) == len(published_rows("nyu_depth_v2"))


@pytest.mark.parametrize("changes", [{"split": "validation"}, {"counts": SampleCounts(8, 8, 8, 8, 654)}])
def test_a_part_of_the_test_set_is_not_comparable(changes: dict[str, object]) -> None:
    assert any("NOT COMPARABLE" in note for note in report(**changes).notes())


def test_later_models_name_their_protocol() -> None:
    """It stands by their rows in the table, and in the report's notes."""
    later = [entry for entry in PUBLISHED if entry.table == "later joint model"]
    assert [entry.method for entry in later] == ["MTI-Net", "InvPT", "TaskPrompter", "MTMamba", "M2H"]
    assert all(entry.protocol.startswith("NYUD-MT, ") for entry in later)
    (note,) = [note for note in report().notes() if "NYUD-MT" in note]
    assert note.startswith("Published, later joint model (other methods): NYUD-MT, ")
    assert "no crop by Eigen" in note


def test_other_classes_are_not_compared() -> None:
    mapped = report(label_set="nyu13")
    assert all(set(entry.metrics) <= set(DEPTH_METRICS) for entry in mapped.published())
    assert any(entry.method == "DORN" for entry in mapped.published())
    assert "classes: nyu13, to which those of nyu40 were mapped" in mapped.markdown()


def test_other_data_has_no_published_figures() -> None:
    for name in ("my_kitchen", "nyu_depth_v2"):  # a folder may have any name
        text = report(dataset=name, benchmark=None).markdown()
        assert f"No published results exist for {name}, read as" in text
        assert "Table 1" not in text


def test_what_must_be_known_first() -> None:
    found = report(
        random_weights=True, counts=SampleCounts(6, 5, 5, 4, 8), broken=(BrokenFrame("f", "it is truncated"),)
    )
    text = found.markdown()
    assert text.index(RANDOM_WARNING) < text.index("## Depth")
    assert "| RANDOM WEIGHTS, paper |" in text
    assert "ours" not in text.split("## Protocols")[0].split("## Depth")[1]
    assert "only 6 of the split's 8 frames are scored" in text
    assert "the camera of 2 frames is unknown" in text
    assert "- f: it is truncated" in text
    assert found.to_dict()["checkpoint"]["random_weights"] is True


def test_numbers_are_rounded_as_people_do() -> None:
    assert [number(value) for value in (0.5365, 0.0, 12.3456, math.nan, math.inf, None)] == [
        "0.537", "0.000", "12.346", "-", "-", "-"
    ]  # fmt: skip
    assert [percent(value) for value in (0.4255, 1.0, None)] == ["42.6", "100.0", "-"]


def test_words_that_look_like_markup_stay(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    Console(width=80).print(TextTable("t", ("class", "IoU"), (("[bold]", "1.0"),)).rich())
    assert "[bold]" in capsys.readouterr().out
