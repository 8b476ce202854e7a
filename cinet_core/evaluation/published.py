"""Published results as printed, with their source, for comparison. None of them was measured by this project.

Of the paper "CI-Net: a Joint Task learning Network using Contextual Information", Tables 1 to 5, and of later joint
models. Ratios are fractions where the paper prints percent, as in `cinet_core.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["LABEL_SETS", "PUBLISHED", "BenchmarkName", "PublishedRow", "published_rows"]

BenchmarkName = Literal["nyu_depth_v2", "sun_rgbd"]

PAPER_PROTOCOL = (
    "CI-Net paper: 654 test images (NYU-Depth-v2, 40 classes) or 5050 (SUN-RGBD, 37 classes), means over the valid "
    "pixels; filled or raw depth and crop are not stated"
)
OWN_PROTOCOL = "as its own paper measured it; the CI-Net paper quotes the result without a protocol"
# Read in the published evaluation code of MTI-Net (SimonVandenhende/Multi-Task-Learning-PyTorch) and of InvPT and
# TaskPrompter (prismformore/Multi-Task-Transformer); of MTMamba and M2H the papers alone.
NYUD_MT_PROTOCOL = (
    "NYUD-MT, the multi-task packaging of NYU-Depth-v2 (654 test images, 40 classes, surface normals and edges learnt "
    "too): rms over all valid pixels of the set, as our 'paper', with the package's own depth maps, no crop by Eigen "
    "and no clipping; mIoU is the mean over all 40 classes, also those that do not occur. MTI-Net is scored at "
    "480x640; InvPT and TaskPrompter on another copy, whose smaller images are padded to 448x576, depth below 80 m. "
    "MTMamba and M2H are compared with these by their authors; their code was not read. Encoders differ as well: ViT-L "
    "(InvPT, TaskPrompter), DINOv2 (M2H), so that more than the method does"
)

LABEL_SETS: Mapping[BenchmarkName, str] = {"nyu_depth_v2": "nyu40", "sun_rgbd": "sun37"}
"""The classes that the segmentation metrics are over."""


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table.

    Attributes:
        dataset: that it was measured on, by its `DatasetMeta.benchmark`.
        table: of the paper that it is printed in, or "later joint model".
        method: as printed; with the number of the reference only where the name is not unique.
        data: training images or input, as printed; empty where the table has no such column.
        protocol: under which it was measured, as far as that is said.
        metrics: by the names of `DepthMetrics` and `SegmentationMetrics`; what is not printed is absent.
    """

    dataset: BenchmarkName
    table: str
    method: str
    data: str
    protocol: str
    metrics: Mapping[str, float]


_DEPTH = ("delta1", "delta2", "delta3", "rms", "rms_log", "abs_rel", "sq_rel")
_LABELS = ("pixel_accuracy", "mean_iou")
_SHARING = ("delta1", "delta2", "delta3", "rms", "abs_rel", "pixel_accuracy", "mean_iou")
_LATER = ("mean_iou", "rms")
_PERCENT = {"pixel_accuracy", "mean_iou"}

# "/" stands for a result that is not given, as in the paper. In the paper's text Table 1 lies on its side; every column
# lists its rows in the order full, +FSM+SUM, +FSM, +SUM, baseline, but for delta1, which spec/method.md has by row.
_TABLE_1 = """
baseline                       | 0.769 0.942 0.982 0.563 0.208 0.159 0.121 67.1 37.2
baseline + FSM                 | 0.785 0.950 0.988 0.538 0.201 0.152 0.118 69.5 39.0
baseline + SUM                 | 0.792 0.953 0.987 0.518 0.192 0.142 0.115 70.9 41.2
baseline + FSM + SUM           | 0.809 0.957 0.990 0.512 0.187 0.140 0.112 72.2 42.5
CI-Net (FSM + SUM + L_con)     | 0.812 0.957 0.990 0.504 0.181 0.129 0.112 72.7 42.6
"""
_TABLE_2 = """
Wang et al.   | 795  | 0.605 0.890 0.970 0.745 0.262 0.220 0.210
DCNF          | 795  | 0.614 0.883 0.971 0.824 /     0.230 /
HCRF          | 795  | 0.621 0.886 0.968 0.821 /     0.232 /
Roy et al.    | 795  | /     /     /     0.744 /     0.187 /
PAD-Net       | 795  | 0.817 0.954 0.987 0.582 /     0.120 /
FCRN          | 12k  | 0.811 0.953 0.988 0.573 0.195 0.127 /
Li et al.     | 12k  | 0.820 0.960 0.989 0.545 /     0.139 /
GeoNet        | 16k  | 0.834 0.960 0.990 0.569 /     0.128 /
Eigen et al. [4]  | 120k | 0.611 0.887 0.971 0.907 0.285 0.158 0.121
Eigen et al. [56] | 120k | 0.769 0.950 0.988 0.641 0.214 0.158 0.121
CRFs          | 95k  | 0.811 0.954 0.987 0.586 /     0.121 /
DORN          | 120k | 0.828 0.965 0.992 0.509 /     0.115 /
Hu et al.     | 120k | 0.866 0.975 0.993 0.530 /     0.115 /
CI-Net        | 795  | 0.812 0.957 0.990 0.504 0.181 0.129 0.112
"""
_TABLE_3 = """
baseline       | 0.769 0.942 0.982 0.563 0.159 67.1 37.2
baseline + LSU | 0.778 0.948 0.986 0.547 0.152 68.3 38.5
baseline + FSM | 0.785 0.950 0.988 0.538 0.152 69.5 39.0
"""
_TABLE_4 = """
FCN              | RGB  | 60.0 29.2
Context          | RGB  | 70.0 40.6
Eigen et al. [56] | RGB  | 65.6 34.1
B-SegNet         | RGB  | 68.0 32.4
RefineNet-LW-101 | RGB  | /    43.6
TD2-PSP50        | RGB  | /    43.5
Deng et al.      | RGBD | 63.8 31.5
3DGNN            | RGBD | /    42.0
D-CNN            | RGBD | /    41.0
CI-Net           | RGB  | 72.7 42.6
"""
_TABLE_5 = """
Context       | RGB  | 78.4 42.3
B-SegNet      | RGB  | 71.2 30.7
RefineNet-101 | RGB  | 80.4 45.7
AdaptNet++    | RGB  | /    38.4
SSMA          | RGBD | 80.2 43.9
CMoDE         | RGBD | 79.8 41.9
LFC           | RGBD | 79.4 41.8
FuseNet       | RGBD | 76.3 37.3
D-CNN         | RGBD | /    42.0
CI-Net        | RGB  | 80.7 44.3
"""
# Gathered in spec/method.md, "Evaluation".
_LATER_MODELS = """
MTI-Net      | 45.97 .5365
InvPT        | 53.56 .5183
TaskPrompter | 55.9  .506
MTMamba      | 55.82 .5066
M2H          | 61.54 .4196
"""


def _rows(
    dataset: BenchmarkName, table: str, text: str, names: tuple[str, ...], protocol: str = OWN_PROTOCOL
) -> Iterator[PublishedRow]:
    """The rows of a table above."""
    for line in text.strip().splitlines():
        method, *data, values = (part.strip() for part in line.split("|"))
        metrics = {
            name: round(float(value) / 100, 6) if name in _PERCENT else float(value)
            for name, value in zip(names, values.split(), strict=True)
            if value != "/"
        }
        measured = PAPER_PROTOCOL if method.startswith(("CI-Net", "baseline")) else protocol
        yield PublishedRow(dataset, table, method, data[0] if data else "", measured, metrics)


PUBLISHED: tuple[PublishedRow, ...] = (
    *_rows("nyu_depth_v2", "Table 1", _TABLE_1, _DEPTH + _LABELS),
    *_rows("nyu_depth_v2", "Table 2", _TABLE_2, _DEPTH),
    *_rows("nyu_depth_v2", "Table 3", _TABLE_3, _SHARING),
    *_rows("nyu_depth_v2", "Table 4", _TABLE_4, _LABELS),
    *_rows("nyu_depth_v2", "later joint model", _LATER_MODELS, _LATER, NYUD_MT_PROTOCOL),
    *_rows("sun_rgbd", "Table 5", _TABLE_5, _LABELS),
)
"""All rows, in the order of the paper. Rows that two tables share are in both."""


def published_rows(benchmark: str | None) -> tuple[PublishedRow, ...]:
    """Return the published rows of a benchmark, with the results of each method once."""
    rows: list[PublishedRow] = []
    for row in PUBLISHED:
        # CI-Net's own row closes Tables 2 and 4 and is part of Table 1; Table 3 repeats two rows of Table 1.
        known = {name for other in rows if _method(other) == _method(row) for name in other.metrics}
        if row.dataset == benchmark and not set(row.metrics) <= known:
            rows.append(row)
    return tuple(rows)


def _method(row: PublishedRow) -> str:
    return "CI-Net" if row.method.startswith("CI-Net") else row.method
