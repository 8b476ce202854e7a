from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib", reason="figures are an extra: pip install 'cinet[charts]'")

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from tiny_network import trained_checkpoint

from cinet_core.checkpoint import Checkpoint
from cinet_core.data.registry import open_dataset
from cinet_core.data.sample import Batch, Sample
from cinet_core.figures import MissingPartError, Observer, draw_attention, draw_features, draw_panels, write_figure
from cinet_core.figures.comparison import ONE_NETWORK, ComparedFrame, PredictedMaps, comparison, depth_error
from cinet_core.figures.features import features_figure, reduced
from cinet_core.figures.image_grid import DPI, image_grid, show_image, show_values
from cinet_core.figures.observer import Shared, SharedBlock
from cinet_core.label_sets import NYU40
from cinet_core.model.cinet import CINetOutput
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.tasks import TASKS
from cinet_core.tasks.learning import task_learning
from cinet_core.training.batch_images import training_images
from cinet_core.visualize import colorize_labels

TILE = 120


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


def compared(sample: Sample, **predictions: PredictedMaps) -> ComparedFrame:
    image = sample.image.permute(1, 2, 0).numpy()
    return ComparedFrame(sample.name, image, sample.depth.numpy(), sample.labels.numpy(), predictions)


def rendered(figure: Figure) -> np.ndarray:
    """(H, W, 3) uint8 of a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def values(axes: Axes) -> np.ndarray:
    """The numbers, or colours, that axes show."""
    (image,) = axes.images
    return np.ma.filled(image.get_array().astype(float), np.nan)


def notes(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_a_perfect_prediction_looks_like_the_truth_and_has_no_error(sample: Sample) -> None:
    depth, labels = sample.depth.numpy(), sample.labels.numpy()
    figure = comparison([compared(sample, network=PredictedMaps(depth, labels))], NYU40, TILE)
    image, true_depth, depth_shown, error, true_labels, labels_shown = figure.axes
    np.testing.assert_array_equal(values(image), sample.image.permute(1, 2, 0))
    np.testing.assert_array_equal(values(true_depth), np.where(depth > 0, depth, np.nan))
    np.testing.assert_array_equal(values(true_depth), values(depth_shown))
    np.testing.assert_array_equal(values(true_labels), colorize_labels(labels, NYU40))
    np.testing.assert_array_equal(values(true_labels), values(labels_shown))
    np.testing.assert_array_equal(values(error), np.where(depth > 0, 0.0, np.nan))
    assert notes(figure) == ["view_32", "", "", "mean error 0.00 m", "", "100 % right"]


def test_all_depth_of_a_row_is_on_the_scale_of_the_truth(sample: Sample) -> None:
    depth, labels = sample.depth.numpy(), sample.labels.numpy()
    frame = compared(sample, network=PredictedMaps(np.full_like(depth, 90.0), labels))
    near, far = frame.depth_range()
    assert near < far < 20.0
    figure = comparison([frame], NYU40, TILE)
    _, true_depth, depth_shown, *_ = figure.axes
    assert true_depth.images[0].get_clim() == depth_shown.images[0].get_clim() == (near, far)
    assert true_depth.images[0].get_cmap()(0.0)[:3] > true_depth.images[0].get_cmap()(1.0)[:3], "near is bright"
    bars = [bar for axes in figure.axes for bar in axes.child_axes]
    assert [bar.get_ylabel() for bar in bars] == ["depth [m]", "error [m]"]
    assert bars[0].get_ylim() == (near, far)


def test_several_networks_get_a_column_each_and_one_scale_of_errors(sample: Sample) -> None:
    depth, labels = sample.depth.numpy(), sample.labels.numpy()
    good, bad = PredictedMaps(depth + 0.1, labels), PredictedMaps(depth + 1.0, labels)
    figure = comparison([compared(sample, good=good, bad=bad)], NYU40, TILE)
    axes = np.reshape(figure.axes, (3, 4))
    assert [[bool(one.images) for one in row] for row in axes] == [
        [True] * 4,
        [False] * 2 + [True] * 2,
        [False] + [True] * 3,
    ]
    errors = [one.images[0] for one in axes[1, 2:]]
    assert errors[0].get_clim() == errors[1].get_clim() == (0.0, pytest.approx(1.0))
    assert [np.nanmean(error.get_array()) for error in errors] == pytest.approx([0.1, 1.0], abs=1e-5)
    assert [text.get_text() for text in figure.texts] == ["input", "truth", "good", "bad"]
    with pytest.raises(ValueError, match=r"view_32 has guesses of \['bad'\], the first of \['good'\]"):
        comparison([compared(sample, good=good), compared(sample, bad=bad)], NYU40)
    with pytest.raises(ValueError, match="at least one frame"):
        comparison([], NYU40)


def test_the_legend_names_the_classes_of_all_labels_the_most_frequent_first(sample: Sample) -> None:
    labels = np.full_like(sample.labels.numpy(), 3)
    labels[:2], labels[-1] = 0, 255
    frame = dataclasses.replace(compared(sample, network=PredictedMaps(sample.depth.numpy(), labels)), labels=labels)
    (legend,) = comparison([frame], NYU40, TILE).legends
    assert [text.get_text() for text in legend.get_texts()] == [NYU40.classes[3], NYU40.classes[0], "unlabelled"]
    colors = [np.array(patch.get_facecolor()[:3]) * 255 for patch in legend.get_patches()]
    np.testing.assert_allclose(colors, [*NYU40.colors[[3, 0]], [0, 0, 0]], atol=0.5)


def test_the_depth_error_is_known_where_both_are() -> None:
    truth = np.array([[1.0, 2.0, 0.0, 4.0, np.nan]])
    predicted = np.array([[1.5, 2.0, 3.0, np.nan, 1.0]])
    np.testing.assert_array_equal(depth_error(predicted, truth), [[0.5, 0.0, np.nan, np.nan, np.nan]])


def test_frames_without_depth_or_labels_are_drawn(sample: Sample) -> None:
    predicted = {"network": PredictedMaps(sample.depth.numpy(), sample.labels.numpy())}
    bare = dataclasses.replace(compared(sample, **predicted), depth=None, labels=None)
    figure = comparison([bare], NYU40, TILE)
    drawn = [bool(axes.images) for axes in figure.axes]
    assert drawn == [True, False, True, False, False, True]
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["no true depth", "no true labels"]
    two = comparison(
        [dataclasses.replace(bare, predictions={"a": predicted["network"], "b": predicted["network"]})], NYU40, TILE
    )
    assert len(two.axes) == 2 * 4, "no row of errors"
    with pytest.raises(ValueError, match="depth of network is"):
        comparison([compared(sample, network=PredictedMaps(np.ones((3, 3)), sample.labels.numpy()))], NYU40)


def test_panels_show_what_the_predictor_says(sample: Sample, fsm: Checkpoint) -> None:
    observer = Observer("network", fsm)
    prediction = observer.predict(sample)
    _, _, depth, _, _, labels = draw_panels([observer], [sample], NYU40, tile=TILE).axes
    np.testing.assert_array_equal(values(depth), prediction.depth)
    np.testing.assert_array_equal(values(labels), colorize_labels(prediction.labels, NYU40))


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
    figure = features_figure(np.zeros((48, 64, 3), np.uint8), {"fsm": [SharedBlock(8, shared, shared)]}, tile=160)
    for row in np.reshape(figure.axes, (2, 4)):
        maps = [values(axes).ravel().tolist() for axes in row[1:]]
        assert maps == [[1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1]]
    assert notes(figure)[0] == "block 1 at 1/8: depth"
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
    chosen = draw_attention(observers, [sample], NYU40, marks=2, tile=TILE)
    assert [len(figure.axes) for figure in (one, two, chosen)] == [4, 8, 8]
    assert [axes.lines[0].get_xydata().tolist() for axes in two.axes[3:5]] == [[[10, 60]], [[90, 3]]]
    with pytest.raises(ValueError, match="96,3 is outside the image"):
        draw_attention(observers, [sample], NYU40, pixels=[(96, 3)])
    unlabelled = dataclasses.replace(sample, labels=torch.full_like(sample.labels, 255), has_labels=False)
    with pytest.raises(ValueError, match="view_32 has no labels to choose pixels by"):
        draw_attention(observers, [unlabelled], NYU40)
    assert draw_attention(observers, [unlabelled], NYU40, pixels=[(10, 60)], tile=TILE).axes[1].texts


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
        for figure in (
            draw_panels(observers, [sample], NYU40, "caption", TILE),
            draw_attention(observers, [sample], NYU40, "caption", tile=TILE),
            draw_features(observers, sample, "caption", tile=TILE),
        ):
            assert "caption" in figure.texts[0].get_text()
            assert (figure.texts[0].get_bbox_patch() is not None) == red
            assert (rendered(figure) == [178, 34, 34]).all(axis=-1).any() == red


@pytest.fixture(scope="module")
def batch(sample: Sample) -> Batch:
    return Batch(
        names=("a", "b", "c"),
        images=sample.image.repeat(3, 1, 1, 1),
        depth=sample.depth.repeat(3, 1, 1) * torch.tensor([1.0, 1.0, 0.0]).reshape(3, 1, 1),
        labels=torch.stack([sample.labels, torch.full_like(sample.labels, 255), sample.labels]),
        focal=torch.tensor([52.5, 105.0, 52.5]),
        random_seeds=torch.arange(3),
        has_depth=torch.tensor([True, True, False]),
        has_labels=torch.tensor([True, False, True]),
    )


def perfect(batch: Batch, checkpoint: Checkpoint) -> CINetOutput:
    with torch.no_grad():
        output = checkpoint.model(batch.images.float() / 255)
    logits = torch.nn.functional.one_hot(batch.labels.long().clamp(max=39), 40).permute(0, 3, 1, 2).float()
    return output._replace(depth=batch.depth[:, None], logits=logits)


def test_training_images_are_the_figures_in_metric_metres(batch: Batch, fsm: Checkpoint) -> None:
    rgb_images = training_images(perfect(batch, fsm), batch, 105.0, NYU40, images=1)
    assert sorted(rgb_images) == ["attention", "predictions"]
    depth = batch.depth[0].numpy() * 0.5  # f_net is half of f_c
    _, true_depth, predicted, *_ = rgb_images["predictions"].axes
    for axes in (true_depth, predicted):
        np.testing.assert_array_equal(values(axes), np.where(depth > 0, depth, np.nan))


def test_training_images_of_partly_labelled_batches(batch: Batch, fsm: Checkpoint) -> None:
    output = perfect(batch, fsm)
    three, two = (training_images(output, batch, 105.0, NYU40, images) for images in (3, 2))
    assert [len(rgb_images["predictions"].axes) // len(ONE_NETWORK) for rgb_images in (three, two)] == [3, 2]
    assert len(three["attention"].axes) > len(two["attention"].axes), "the third image has labels again"
    without = training_images(output._replace(query=None, key=None), batch, 105.0, NYU40, 2)
    assert sorted(without) == ["predictions"]
    bf16 = CINetOutput(*(value.bfloat16() if isinstance(value, torch.Tensor) else value for value in output))
    assert sorted(training_images(bf16, batch, 105.0, NYU40, 9)) == ["attention", "predictions"]
    with pytest.raises(ValueError, match="0 images of a batch of 3"):
        training_images(output, batch, 105.0, NYU40, 0)


def test_training_images_of_every_task_there_is(batch: Batch) -> None:
    """Each draws itself from what a network answers, beside depth where it is drawn against that."""
    names = tuple(task.name for task in TASKS)
    network = trained_checkpoint(tasks=names)
    size = batch.depth.shape[-2:]
    targets = {"normals": torch.zeros(len(batch), 3, *size), "boundaries": torch.zeros(len(batch), 1, *size)}
    seen = dataclasses.replace(batch, targets=targets)
    images = training_images(perfect(batch, network), seen, 105.0, NYU40, 2, task_learning(names))
    assert sorted(images) == sorted({"predictions", "attention", *names} - set(DEFAULT_TASKS))
    for name in ("normals", "boundaries", "uncertainty"):
        assert len(images[name].axes) >= 2 * 2, "the input and the prediction of two images"


def test_images_are_as_wide_as_asked_for_and_every_pixel_is_one_of_the_map() -> None:
    figure, axes = image_grid(["a long title of a column", "b"], [48, 30], 60, bars=[0], caption="x " * 40, foot=9)
    for row, height in zip(axes, (48, 30), strict=True):
        for one in row:
            box = one.get_window_extent()
            assert (box.width, box.height) == (pytest.approx(60), pytest.approx(height))
    show_values(axes[0, 1], np.array([[0.0, np.nan], [1.0, 0.0]]), "viridis", (0.0, 1.0), "a note that is too long")
    show_image(axes[1, 1], np.zeros((4, 8, 3), np.uint8))
    box, image = axes[0, 1].get_window_extent(), rendered(figure)
    assert image.shape[:2] == (round(figure.get_figheight() * DPI), round(figure.get_figwidth() * DPI))
    part = image[len(image) - int(box.y1) + 3 : len(image) - int(box.y0) - 3, int(box.x0) + 3 : int(box.x1) - 3]
    assert len(np.unique(part.reshape(-1, 3), axis=0)) == 3, "two colours, and grey where nothing is known"
    assert axes[0, 1].get_title(loc="left") == "a note th…"
    assert not axes[0, 0].get_visible()


def test_figures_are_written_in_the_format_of_their_name(tmp_path: Path) -> None:
    figure, _ = image_grid(["a"], [40], 60)
    for name, begin in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        write_figure(tmp_path / name, figure)
        assert (tmp_path / name).read_bytes().startswith(begin)
    assert Image.open(tmp_path / "a.png").size == tuple(np.rint(figure.get_size_inches() * DPI).astype(int))
    with pytest.raises(ValueError, match=r"'.txt' is no format of figures"):
        write_figure(tmp_path / "a.txt", figure)
    assert not (tmp_path / "a.txt").exists()


def test_rendered_rooms(shared_data: Path, fsm: Checkpoint, lsu: Checkpoint) -> None:
    dataset = open_dataset(shared_data / "rendered_rooms", "test", label_set=NYU40)
    samples = [dataset[0], dataset[len(dataset) - 1]]
    observers = [Observer("fsm", fsm), Observer("lsu", lsu)]
    panels = draw_panels(observers, samples, NYU40, tile=160)
    attention = draw_attention(observers, samples, NYU40, tile=160)
    features = draw_features(observers, samples[0], tile=160)
    for figure in (panels, attention, features):
        assert len(np.unique(rendered(figure) @ np.array([1 << 16, 1 << 8, 1]))) > 500
