from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_network import trained_checkpoint

from cinet_core.checkpoint import Checkpoint
from cinet_core.data.registry import open_dataset
from cinet_core.data.sample import Batch, Sample
from cinet_core.figures import MissingPartError, Observer, draw_attention, draw_features, draw_panels
from cinet_core.label_sets import NYU40
from cinet_core.model.cinet import CINetOutput
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.training.batch_pictures import training_pictures
from cinet_core.visualize.comparison import ComparedFrame, Guess, comparison, depth_error
from cinet_core.visualize.features import Shared, SharedBlock, features_figure, reduced
from cinet_core.visualize.grid import COLUMN_GAP, Cell, Column, grid
from cinet_core.visualize.labels import wide_legend
from cinet_core.visualize.panel import GAP, WARNING
from cinet_core.visualize.scale import (
    INVALID_COLOR,
    SCALE_WIDTH,
    _ticks,
    amount_scale_bar,
    colorize_amount,
    round_ticks,
)

TILE = 64


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small wait for each other's threads longer than they compute, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def sample() -> Sample:
    room = SyntheticRoom(width=96, height=72)
    view = room.render(32)
    return Sample(
        "view_32",
        torch.from_numpy(view.image.transpose(2, 0, 1).copy()),
        torch.from_numpy(np.nan_to_num(view.depth).astype(np.float32)),
        torch.from_numpy(view.labels.astype(np.uint8)),
        room.intrinsics,
    )


@pytest.fixture(scope="module")
def fsm() -> Checkpoint:
    return trained_checkpoint()


@pytest.fixture(scope="module")
def lsu() -> Checkpoint:
    return trained_checkpoint(sharing="lsu")


@pytest.fixture(scope="module")
def baseline() -> Checkpoint:
    return trained_checkpoint(sharing="none", scene_understanding=False)


def compared(sample: Sample, **guesses: Guess) -> ComparedFrame:
    image = sample.image.permute(1, 2, 0).numpy()
    return ComparedFrame(sample.name, image, sample.depth.numpy(), sample.labels.numpy(), guesses)


def tiles(picture: np.ndarray, widths: Sequence[int], below: int, height: int) -> list[np.ndarray]:
    """The pictures of the last row of a grid, above what takes this many pixels below it."""
    bottom = picture.shape[0] - below - GAP
    lefts = np.cumsum([GAP, *(width + COLUMN_GAP for width in widths[:-1])])
    return [picture[bottom - height : bottom, left : left + width] for left, width in zip(lefts, widths, strict=True)]


def panel_tiles(picture: np.ndarray, frame_labels: Sequence[np.ndarray], height: int) -> list[np.ndarray]:
    widths = [TILE, TILE, TILE, SCALE_WIDTH, TILE, SCALE_WIDTH, TILE, TILE]
    total = sum(widths) + COLUMN_GAP * (len(widths) - 1)
    legend = wide_legend(np.concatenate([labels.ravel() for labels in frame_labels]), NYU40, total)
    return tiles(picture, widths, legend.shape[0] + GAP, height)


def test_a_perfect_prediction_looks_like_the_truth_and_has_no_error(sample: Sample) -> None:
    depth, labels = sample.depth.numpy(), sample.labels.numpy()
    picture = comparison([compared(sample, network=Guess(depth, labels))], NYU40, TILE)
    _, true_depth, depth_shown, _, error, _, true_labels, labels_shown = panel_tiles(picture, [labels] * 2, 48)
    np.testing.assert_array_equal(true_depth, depth_shown)
    np.testing.assert_array_equal(true_labels, labels_shown)
    known = cv2.resize((depth > 0).astype(np.uint8), (TILE, 48), interpolation=cv2.INTER_NEAREST_EXACT) > 0
    assert (error[known] == colorize_amount(np.zeros((1, 1)))[0, 0]).all(), "no error is the darkest colour"
    assert (error[~known] == INVALID_COLOR).all()


def test_all_depth_of_a_row_is_on_the_scale_of_the_truth(sample: Sample) -> None:
    depth, labels = sample.depth.numpy(), sample.labels.numpy()
    frame = compared(sample, network=Guess(np.full_like(depth, 90.0), labels))
    near, far = frame.depth_range()
    assert near < far < 20.0
    picture = comparison([frame], NYU40, TILE)
    _, true_depth, depth_shown, *_ = panel_tiles(picture, [labels] * 2, 48)
    assert (depth_shown == [68, 1, 84]).all(), "beyond the truth's range: viridis' darkest"
    right = comparison([compared(sample, network=Guess(depth, labels))], NYU40, TILE)
    np.testing.assert_array_equal(panel_tiles(right, [labels] * 2, 48)[1], true_depth)


def test_several_networks_get_a_column_each_and_one_scale_of_errors(sample: Sample) -> None:
    depth, labels = sample.depth.numpy(), sample.labels.numpy()
    good, bad = Guess(depth + 0.1, labels), Guess(depth + 1.0, labels)
    picture = comparison([compared(sample, good=good, bad=bad)], NYU40, TILE)
    assert picture.shape[1] == 2 * GAP + 4 * TILE + SCALE_WIDTH + 4 * COLUMN_GAP
    left = [GAP + n * (TILE + COLUMN_GAP) for n in (2, 3)]
    height = 48 + 18 + GAP  # a row: its pictures, their notes, the gap
    top = GAP + 26 + height + 18  # the second row: errors
    brightness = [picture[top + 24, x + 32].astype(int).sum() for x in left]
    assert brightness[0] < brightness[1], "drawn on one scale"
    with pytest.raises(ValueError, match=r"view_32 has guesses of \['bad'\], the first of \['good'\]"):
        comparison([compared(sample, good=good), compared(sample, bad=bad)], NYU40)


def test_the_depth_error_is_known_where_both_are() -> None:
    truth = np.array([[1.0, 2.0, 0.0, 4.0, np.nan]])
    guess = np.array([[1.5, 2.0, 3.0, np.nan, 1.0]])
    np.testing.assert_array_equal(depth_error(guess, truth), [[0.5, 0.0, np.nan, np.nan, np.nan]])


def test_frames_without_depth_or_labels_are_drawn(sample: Sample) -> None:
    guess = {"network": Guess(sample.depth.numpy(), sample.labels.numpy())}
    bare = dataclasses.replace(compared(sample, **guess), depth=None, labels=None)
    assert comparison([bare], NYU40, TILE).shape == comparison([compared(sample, **guess)], NYU40, TILE).shape
    two = {"a": guess["network"], "b": guess["network"]}
    assert comparison([dataclasses.replace(bare, guesses=two)], NYU40, TILE).shape[1] < 500
    with pytest.raises(ValueError, match="depth of network is"):
        comparison([compared(sample, network=Guess(np.ones((3, 3)), sample.labels.numpy()))], NYU40)


def test_panels_show_what_the_predictor_says(sample: Sample, fsm: Checkpoint) -> None:
    observer = Observer("network", fsm)
    prediction = observer.predict(sample)
    frame = compared(sample, network=Guess(prediction.depth, prediction.labels))
    np.testing.assert_array_equal(draw_panels([observer], [sample], NYU40, tile=TILE), comparison([frame], NYU40, TILE))


def test_the_features_shown_are_what_the_sharing_module_adds(sample: Sample, fsm: Checkpoint, lsu: Checkpoint) -> None:
    for checkpoint in (fsm, lsu):
        blocks = Observer("network", checkpoint).sharing(sample)
        assert [block.stride for block in blocks] == [8, 4, 2]
        for block, stage in zip(blocks, checkpoint.model.decoders.stages, strict=True):
            depth, semantic = (torch.from_numpy(branch.before)[None] for branch in (block.depth, block.semantic))
            with torch.no_grad():
                after = stage.share(depth, semantic)
            np.testing.assert_allclose(block.depth.added, (after[0] - depth)[0], atol=1e-5)
            np.testing.assert_allclose(block.semantic.added, (after[1] - semantic)[0], atol=1e-5)
        first, second = blocks[0].depth.before.shape[-2:], blocks[1].depth.before.shape[-2:]
        assert (2 * first[0], 2 * first[1]) == second
    assert not any(stage.share._forward_hooks for stage in fsm.model.decoders.stages), "hooks are taken off again"


def test_reductions() -> None:
    features = np.array([[[1.0, -3.0]], [[1.0, 3.0]]])
    values, text = reduced(features, "magnitude")
    np.testing.assert_allclose(values, [[1 / 3, 1.0]])
    assert text == "largest 3"
    values, text = reduced(features, "sum")
    np.testing.assert_allclose(values, [[1.0, 0.0]], err_msg="opposite signs cancel")
    assert text == "0 to 2"
    assert not reduced(np.zeros((2, 3, 3)), "magnitude")[0].any()
    with pytest.raises(ValueError, match="choose one of magnitude, sum"):
        reduced(features, "max")  # type: ignore[arg-type]


def test_the_features_figure_draws_before_added_and_after() -> None:
    before, step = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    before[0, 0, 0], step[0, 1, 1] = 1.0, 1.0
    shared = Shared(before, before + step)
    picture = features_figure(np.zeros((48, 64, 3), np.uint8), {"fsm": [SharedBlock(8, shared, shared)]}, tile=TILE)
    _, *shown, _ = tiles(picture, [TILE] * 4 + [SCALE_WIDTH], 0, 48)
    bright = [[tile[24 * row + 12, 32 * column + 16].sum() > 300 for row, column in np.ndindex(2, 2)] for tile in shown]
    assert bright == [[True, False, False, False], [False, False, False, True], [True, False, False, True]]
    with pytest.raises(ValueError, match="all with the same blocks"):
        features_figure(np.zeros((8, 8, 3), np.uint8), {"a": [SharedBlock(8, shared, shared)], "b": []})


def test_attention_comes_from_the_queries_and_keys_of_the_image(sample: Sample, fsm: Checkpoint) -> None:
    observer = Observer("network", fsm)
    own = observer.projections(sample)
    assert own.size == (6, 8)
    height, width = 48, 64
    pixels = torch.nn.functional.interpolate(
        sample.image[None].float(), size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )
    with torch.no_grad():
        output = fsm.model((pixels / 255 - fsm.model.image_mean) / fsm.model.image_std)
    np.testing.assert_allclose(own.query, output.query[0], atol=1e-5)
    np.testing.assert_allclose(own.key, output.key[0], atol=1e-5)


def test_marked_pixels_are_rows_of_the_figure(sample: Sample, fsm: Checkpoint) -> None:
    observers = [Observer("with", fsm), Observer("without", trained_checkpoint(seed=4))]
    one = draw_attention(observers, [sample], NYU40, pixels=[(10, 60)], tile=TILE)
    two = draw_attention(observers, [sample], NYU40, pixels=[(10, 60), (90, 3)], tile=TILE)
    assert two.shape[0] - one.shape[0] == 48 + 18 + GAP
    chosen = draw_attention(observers, [sample], NYU40, marks=2, tile=TILE)
    assert chosen.shape == two.shape
    with pytest.raises(ValueError, match="96,3 is outside the image"):
        draw_attention(observers, [sample], NYU40, pixels=[(96, 3)])
    unlabelled = dataclasses.replace(sample, labels=torch.full_like(sample.labels, 255), has_labels=False)
    with pytest.raises(ValueError, match="view_32 has no labels to choose pixels by"):
        draw_attention(observers, [unlabelled], NYU40)
    assert draw_attention(observers, [unlabelled], NYU40, pixels=[(10, 60)], tile=TILE).shape == one.shape


def test_networks_without_the_part_are_named(sample: Sample, fsm: Checkpoint, baseline: Checkpoint) -> None:
    observers = [Observer("full", fsm), Observer("base", baseline)]
    with pytest.raises(MissingPartError, match="base has no scene understanding module"):
        draw_attention(observers, [sample], NYU40)
    with pytest.raises(MissingPartError, match="base shares no features"):
        draw_features(observers, sample)


def test_random_weights_are_captioned_in_red(sample: Sample, fsm: Checkpoint) -> None:
    unlearnt = dataclasses.replace(fsm, metadata=dataclasses.replace(fsm.metadata, random_weights=True))
    for checkpoint, red in ((fsm, False), (unlearnt, True)):
        observers = [Observer("network", checkpoint)]
        for picture in (
            draw_panels(observers, [sample], NYU40, "caption", TILE),
            draw_attention(observers, [sample], NYU40, "caption", tile=TILE),
            draw_features(observers, sample, "caption", tile=TILE),
        ):
            assert (tuple(picture[2, 2]) == WARNING) == red


@pytest.fixture(scope="module")
def batch(sample: Sample) -> Batch:
    return Batch(
        names=("a", "b", "c"),
        images=sample.image.repeat(3, 1, 1, 1),
        depth=sample.depth.repeat(3, 1, 1) * torch.tensor([1.0, 1.0, 0.0]).reshape(3, 1, 1),
        labels=torch.stack([sample.labels, torch.full_like(sample.labels, 255), sample.labels]),
        focal=torch.tensor([52.5, 105.0, 52.5]),
        random_seeds=torch.arange(3),
        intrinsics=torch.tensor([[52.5, 52.5, 39.5, 29.5]]).repeat(3, 1),
        has_depth=torch.tensor([True, True, False]),
        has_labels=torch.tensor([True, False, True]),
    )


def perfect(batch: Batch, checkpoint: Checkpoint) -> CINetOutput:
    with torch.no_grad():
        output = checkpoint.model(batch.images.float() / 255)
    logits = torch.nn.functional.one_hot(batch.labels.long().clamp(max=39), 40).permute(0, 3, 1, 2).float()
    return output._replace(depth=batch.depth[:, None], logits=logits)


def test_training_pictures_are_the_figures_in_metric_metres(batch: Batch, fsm: Checkpoint) -> None:
    pictures = training_pictures(perfect(batch, fsm), batch, 105.0, NYU40, images=1)
    assert sorted(pictures) == ["attention", "predictions"]
    depth, labels = batch.depth[0].numpy() * 0.5, batch.labels[0].numpy()  # f_net is half of f_c
    frame = ComparedFrame(
        "a", batch.images[0].permute(1, 2, 0).numpy(), depth, labels, {"network": Guess(depth, labels)}
    )
    np.testing.assert_array_equal(pictures["predictions"], comparison([frame], NYU40, 160))


def test_training_pictures_of_partly_labelled_batches(batch: Batch, fsm: Checkpoint) -> None:
    output = perfect(batch, fsm)
    three, two = (training_pictures(output, batch, 105.0, NYU40, images) for images in (3, 2))
    assert three["predictions"].shape[0] > two["predictions"].shape[0]
    assert three["attention"].shape[0] > two["attention"].shape[0], "the third image has labels again"
    without = training_pictures(output._replace(query=None, key=None), batch, 105.0, NYU40, 2)
    assert sorted(without) == ["predictions"]
    bf16 = CINetOutput(*(value if value is None else value.bfloat16() for value in output))
    assert sorted(training_pictures(bf16, batch, 105.0, NYU40, 9)) == ["attention", "predictions"]
    with pytest.raises(ValueError, match="0 images of a batch of 3"):
        training_pictures(output, batch, 105.0, NYU40, 0)


def test_grids_refuse_what_does_not_fit() -> None:
    column = Column("title", 20)
    for rows, message in (([], "at least one row"), ([[Cell(), Cell()]], "2 cells, the grid 1 columns")):
        with pytest.raises(ValueError, match=message):
            grid([column], rows)
    with pytest.raises(ValueError, match="30 pixels wide, its column 'title' 20"):
        grid([column], [[Cell(np.zeros((4, 30, 3), np.uint8))]])
    with pytest.raises(ValueError, match="30 pixels wide, the grid 20"):
        grid([column], [[Cell()]], [np.zeros((4, 30, 3), np.uint8)])


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.13), (1.31, 2.9), (0.0, 0.98), (2.0, 2.1)])
def test_scales_of_any_height_have_two_numbers(low: float, high: float) -> None:
    for height in (20, 100, 400):
        assert len(_ticks(low, high, height)) >= 2
    assert round_ticks(low, high, 11) == _ticks(low, high, 400)
    with pytest.raises(ValueError, match="most is 0"):
        colorize_amount(np.zeros((1, 1)), 0.0)
    assert amount_scale_bar(high, 100).shape == (100, SCALE_WIDTH, 3)


def test_rendered_rooms(shared_data: Path, fsm: Checkpoint, lsu: Checkpoint) -> None:
    dataset = open_dataset(shared_data / "rendered_rooms", "test", label_set=NYU40)
    samples = [dataset[0], dataset[len(dataset) - 1]]
    observers = [Observer("fsm", fsm), Observer("lsu", lsu)]
    panels = draw_panels(observers, samples, NYU40, tile=160)
    attention = draw_attention(observers, samples, NYU40, tile=160)
    features = draw_features(observers, samples[0], tile=160)
    for picture in (panels, attention, features):
        assert picture.dtype == np.uint8
        assert len(np.unique(picture @ np.array([1 << 16, 1 << 8, 1]))) > 500
