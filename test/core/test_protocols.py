"""The two named protocols: which pixels count, at which size, in which order things are done."""

import dataclasses

import numpy as np
import pytest
import torch

from cinet_core.metrics import EIGEN, PAPER, PROTOCOLS, DepthProtocol, predicted_labels

SMALL = dataclasses.replace(PAPER, name="small", size=None)


def test_the_named_protocols_print_their_rules() -> None:
    assert str(PROTOCOLS["paper"]) == "paper: filled depth, 480x640, no crop, 0 < d, pixel-pooled"
    assert str(PROTOCOLS["eigen"]) == (
        "eigen: raw depth, 480x640, rows 45:471, columns 41:601, 0.001 < d < 10 m, prediction clamped, per-image means"
    )
    assert "any size" in str(SMALL)


def test_paper_counts_every_pixel_with_a_depth() -> None:
    truth = torch.full((480, 640), 20.0)
    truth[0, :5] = torch.tensor([0.0, float("nan"), float("inf"), -1.0, 1e-4])
    pixels = PAPER.select(torch.ones(480, 640), truth)
    assert pixels.truth.numel() == 480 * 640 - 4
    assert pixels.truth.dtype == pixels.prediction.dtype == torch.float64


def test_eigen_counts_the_crop_between_its_limits() -> None:
    rows, columns = np.mgrid[:480, :640]
    truth = torch.from_numpy(1 + rows / 1000 + columns / 1e6).float()
    pixels = EIGEN.select(torch.ones(480, 640), truth)
    assert pixels.truth.numel() == (471 - 45) * (601 - 41)
    assert pixels.truth.min().item() == truth[45, 41].item()
    assert pixels.truth.max().item() == truth[470, 600].item()
    truth[100, 100:104] = torch.tensor([0.001, 10.0, 0.0011, 9.999])
    assert EIGEN.select(torch.ones(480, 640), truth).truth.numel() == pixels.truth.numel() - 2


def test_eigen_clamps_the_prediction_after_the_alignment() -> None:
    truth = torch.full((480, 640), 8.0)
    prediction = torch.full((480, 640), 16.0)
    prediction[200, 200], prediction[201, 201] = 1e-5, 30
    plain = EIGEN.select(prediction, truth).prediction
    aligned = EIGEN.select(prediction, truth, align_median=True)
    assert sorted(plain.unique().tolist()) == pytest.approx([1e-3, 10])
    assert sorted(aligned.prediction.unique().tolist()) == pytest.approx([1e-3, 8, 10])
    assert aligned.scale_ratio == 0.5


def test_the_scale_ratio_is_numpy_s_median_over_what_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    for width in (5, 6):  # an odd and an even number of pixels
        prediction, truth = 0.5 + torch.rand(2, 1, width, dtype=torch.float64, generator=generator)
        truth = torch.cat((truth, torch.zeros(1, width, dtype=torch.float64)))
        prediction = torch.cat((prediction, torch.full((1, width), 99.0, dtype=torch.float64)))
        pixels = SMALL.select(prediction, truth, align_median=True)
        expected = np.median(truth[0].numpy()) / np.median(prediction[0].numpy())
        assert pixels.scale_ratio == pytest.approx(expected, rel=1e-12)
        assert np.median(pixels.prediction) == pytest.approx(np.median(pixels.truth), rel=1e-12)


def test_the_prediction_is_resized_bilinearly_to_the_truth() -> None:
    prediction = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    resized = SMALL.select(prediction, torch.ones(4, 4)).prediction.reshape(4, 4)
    # Pixel centres at -.25, .25, .75, 1.25 of the small image, the outermost held at its edge.
    assert resized[0].tolist() == [1, 1.25, 1.75, 2]
    assert resized[:, 0].tolist() == [1, 1.5, 2.5, 3]


def test_an_image_without_truth_has_no_pixels_and_no_scale() -> None:
    pixels = SMALL.select(torch.ones(3, 3), torch.zeros(3, 3), align_median=True)
    assert pixels.truth.numel() == 0
    assert np.isnan(pixels.scale_ratio)


def test_a_masked_prediction_is_refused_where_it_would_count() -> None:
    prediction, truth = torch.ones(480, 640), torch.ones(480, 640)
    prediction[0, 0] = float("nan")  # outside of Eigen's crop
    assert torch.isfinite(EIGEN.select(prediction, truth).prediction).all()
    for value in (float("nan"), 0.0, -1.0, float("inf")):
        prediction[100, 100] = value
        with pytest.raises(ValueError, match=r"not finite and positive at 1 of 238560 pixels.*range limit"):
            EIGEN.select(prediction, truth)


def test_data_that_a_protocol_is_not_defined_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(240, 320\).*'eigen'.*\(480, 640\).*replace"):
        EIGEN.select(torch.ones(240, 320), torch.ones(240, 320))
    with pytest.raises(ValueError, match="must both be"):
        SMALL.select(torch.ones(1, 3, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match="crop"):
        DepthProtocol("odd", truth="raw", size=None, crop=(0, 1, 0, 1))


def test_labels_from_logits_in_both_orders() -> None:
    logits = torch.zeros(1, 3, 1, 2)
    logits[0, 0, 0], logits[0, 1, 0] = torch.tensor([4.0, 0.0]), torch.tensor([0.0, 1.0])
    # In between the strong class 0 reaches further than the middle, where nearest neighbour puts the border.
    assert predicted_labels(logits, 1, 8).tolist() == [[[0, 0, 0, 0, 0, 1, 1, 1]]]
    assert predicted_labels(logits, 1, 8, "argmax-resize").tolist() == [[[0, 0, 0, 0, 1, 1, 1, 1]]]
    assert predicted_labels(logits.bfloat16(), 1, 2).dtype == torch.int64
