"""Anchors and fusion over time in one: of single frames, and of a recorded sequence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cinet_core.anchors import SOURCES, measure_depth_image
from cinet_core.correction.corrector import DepthCorrector
from cinet_core.correction.sequence import IMAGE_ANCHORS, POSED_ANCHORS, SequenceCorrector, check_anchor
from cinet_core.correction.settings import ANCHORS, TEMPORAL, CorrectionSettings
from cinet_core.correction.statistics import correction_statistics
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.room import SyntheticFrame, SyntheticRoom

WRONG = 1.25


@pytest.fixture(scope="module")
def room() -> SyntheticRoom:
    return SyntheticRoom(5, 160, 120)


@pytest.fixture(scope="module")
def walk(room: SyntheticRoom) -> list[SyntheticFrame]:
    return [room.render(number, 120) for number in range(12)]


def outputs(frame: SyntheticFrame, wrong: float = WRONG) -> dict[str, Any]:
    depth = (frame.depth * wrong).astype(np.float32)
    return {"depth": depth, "labels": frame.labels, "confidence": np.full(depth.shape, 200, np.uint8)}


def measured(frame: SyntheticFrame, camera: Intrinsics) -> Any:
    step = 8
    depth = frame.depth[step // 2 :: step, step // 2 :: step]
    small = Intrinsics(
        camera.fx / step, camera.fy / step, (camera.cx - 4) / step, (camera.cy - 4) / step, *depth.shape[::-1]
    )
    return measure_depth_image(depth, small, camera)


def error(depth: np.ndarray, frame: SyntheticFrame) -> float:
    return float(np.mean(np.abs(depth / frame.depth - 1)))


def test_anchors_are_those_of_the_library() -> None:
    assert ("none", "auto", *SOURCES) == ANCHORS
    for values in (("wheels", "off"), ("none", "always")):
        with pytest.raises(ValueError, match="choose one of"):
            CorrectionSettings(*values)


@pytest.mark.parametrize("temporal", TEMPORAL)
def test_nothing_is_changed_without_evidence(room: SyntheticRoom, walk: list[SyntheticFrame], temporal: str) -> None:
    corrector = DepthCorrector(NYU40)
    settings = CorrectionSettings("auto", temporal)
    done = corrector.correct(outputs(walk[0]), room.intrinsics, [], None, math.inf, settings)
    assert done.depth == pytest.approx(done.raw_depth, rel=1e-5)
    assert done.report is not None
    assert done.report.level == "raw"
    statistics = correction_statistics(done)
    assert statistics["correction"] == "raw"
    assert statistics["correction_reason"]


def test_the_field_is_kept_where_it_is_asked_for(room: SyntheticRoom, walk: list[SyntheticFrame]) -> None:
    errors = {}
    for temporal in TEMPORAL:
        corrector = DepthCorrector(NYU40)
        settings = CorrectionSettings("depth", temporal)
        for number, frame in enumerate(walk[:4]):
            motion = None
            if number:
                motion = np.linalg.inv(frame.camera_to_world) @ walk[number - 1].camera_to_world
            evidence = [measured(frame, room.intrinsics)] if number < 2 else []
            done = corrector.correct(outputs(frame), room.intrinsics, evidence, motion, 0.1, settings)
        errors[temporal] = error(done.depth, walk[3])
        assert done.uncertainty is not None
        assert (done.uncertainty > 0).all()
    assert errors["off"] == pytest.approx(WRONG - 1, abs=1e-3), "without evidence of its own a frame is as predicted"
    assert max(errors["field"], errors["fused"]) < 0.06


def test_other_settings_start_anew(room: SyntheticRoom, walk: list[SyntheticFrame]) -> None:
    corrector = DepthCorrector(NYU40)
    evidence = [measured(walk[0], room.intrinsics)]
    corrector.correct(outputs(walk[0]), room.intrinsics, evidence, None, 0.1, CorrectionSettings("depth", "field"))
    done = corrector.correct(outputs(walk[0]), room.intrinsics, [], np.eye(4), 0.1, CorrectionSettings("auto", "field"))
    assert error(done.depth, walk[0]) == pytest.approx(WRONG - 1, abs=1e-3)
    fused = corrector.correct(outputs(walk[0]), room.intrinsics, [], None, 0.1, CorrectionSettings("none", "fused"))
    assert fused.report is None
    assert fused.uncertainty is None
    assert correction_statistics(fused)["correction"] == "none"


def test_a_sequence_is_corrected_by_its_poses(room: SyntheticRoom, walk: list[SyntheticFrame]) -> None:
    corrector = SequenceCorrector(NYU40, CorrectionSettings("odometry", "field"))
    errors, camera = [], room.intrinsics
    for number, frame in enumerate(walk):
        done = corrector.correct(number / 10, frame.image, camera, outputs(frame), camera, frame.camera_to_world)
        errors.append(error(done.depth, frame))
    assert errors[0] == pytest.approx(WRONG - 1, abs=1e-3)
    assert errors[-1] < 0.12
    assert done.report is not None
    assert done.report.sources == ("odometry",)


def test_a_sequence_takes_what_sensors_of_its_anchors_say(room: SyntheticRoom, walk: list[SyntheticFrame]) -> None:
    frame, camera = walk[0], room.intrinsics
    found = {}
    for anchor in ("depth", "floor"):
        corrector = SequenceCorrector(NYU40, CorrectionSettings(anchor, "field"))
        done = corrector.correct(0.0, frame.image, camera, outputs(frame), camera, None, [measured(frame, camera)])
        found[anchor] = error(done.depth, frame)
    assert found["depth"] < 0.05
    assert found["floor"] == pytest.approx(WRONG - 1, abs=1e-3), "not one of its anchors"


def test_a_sequence_is_fused_by_its_images_alone(room: SyntheticRoom, walk: list[SyntheticFrame]) -> None:
    corrector, camera = SequenceCorrector(NYU40, CorrectionSettings("motion", "fused")), room.intrinsics
    agreed = 0
    for number, frame in enumerate(walk):
        done = corrector.correct(number / 10, frame.image, camera, outputs(frame), camera)
        agreed += done.agreement > 0.8
    assert agreed >= len(walk) // 2
    assert error(done.depth, walk[-1]) < 1.5 * (WRONG - 1)
    # After a pause nothing is carried.
    late = corrector.correct(60.0, walk[0].image, camera, outputs(walk[0]), camera)
    assert math.isnan(late.agreement)


def test_a_sequence_has_no_lidar() -> None:
    with pytest.raises(ValueError, match="which a recording has not: choose one of none, auto, odometry, motion"):
        check_anchor("floor", POSED_ANCHORS)
    with pytest.raises(ValueError, match="which a recording has not: choose one of none, motion"):
        check_anchor("odometry", IMAGE_ANCHORS)
    check_anchor("motion", IMAGE_ANCHORS)


def test_a_network_that_says_how_sure_it_is_is_believed(room: SyntheticRoom, walk: list[SyntheticFrame]) -> None:
    """Where it is sure, depth after correction is surer than without its word; where not, nobody gains by it."""
    answer, evidence = outputs(walk[0]), [measured(walk[0], room.intrinsics)]
    unsure = np.zeros(answer["depth"].shape, bool)
    unsure[:, 80:] = True
    said = answer | {"depth_uncertainty": answer["depth"] * np.where(unsure, 0.5, 0.002).astype(np.float32)}
    with_word, without = (
        DepthCorrector(NYU40).correct(
            what, room.intrinsics, evidence, None, math.inf, CorrectionSettings("depth", "off")
        )
        for what in (said, answer)
    )
    assert with_word.uncertainty is not None
    assert without.uncertainty is not None
    ratio = with_word.uncertainty / without.uncertainty
    assert np.median(ratio[~unsure]) < 0.9
    assert ratio[unsure] == pytest.approx(1, abs=1e-4)


def test_without_memory_each_frame_is_told_anew(room: SyntheticRoom, walk: list[SyntheticFrame]) -> None:
    """That an anchor's errors last makes its next measurement worth less, but not where nothing is kept of the last."""
    lasting = replace(measured(walk[0], room.intrinsics), memory=1.0, exact=False)
    camera, answer = room.intrinsics, outputs(walk[0])
    corrector, kept = DepthCorrector(NYU40), CorrectionSettings("depth", "off")
    first = corrector.correct(answer, camera, [lasting], None, math.inf, kept)
    second = corrector.correct(answer, camera, [lasting], None, 1 / 30, kept)
    np.testing.assert_array_equal(second.depth, first.depth)
    assert first.uncertainty is not None
    assert second.uncertainty is not None
    np.testing.assert_array_equal(second.uncertainty, first.uncertainty)
