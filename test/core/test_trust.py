"""How far a pixel is trusted: from its file, through augmentation and batches, to the losses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from painted_walk import HEIGHT, WIDTH, write_walk

from cinet_core.data.augmentation import NO_AUGMENTATION
from cinet_core.data.cached import CachedSamples
from cinet_core.data.folder_writer import FolderWriter, file_name, frame_name
from cinet_core.data.frame_files import SourceError
from cinet_core.data.recording import RecordedAnchors, Recording
from cinet_core.data.registry import open_dataset, open_posed_dataset
from cinet_core.data.sample import Sample, collate
from cinet_core.data.transforms import TrainingTransform
from cinet_core.data.trust import SOURCES, TrustedFrame, encode_trust, read_trust
from cinet_core.geometry import Intrinsics
from cinet_core.losses.depth import berhu_loss, normal_loss, pair_loss, scale_invariant_loss
from cinet_core.losses.gradients import gradient_loss
from cinet_core.losses.reduction import LossTerm
from cinet_core.losses.segmentation import segmentation_loss
from cinet_core.training.second_view import ViewChange, second_view

fault = pytest.mark.fault


def trusted(seed: int = 0) -> TrustedFrame:
    random = np.random.default_rng(seed)
    trust = random.integers(0, 256, (2, HEIGHT, WIDTH), np.uint8)
    return TrustedFrame(trust, random.integers(0, len(SOURCES), trust.shape, np.uint8))


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of one room, of which the first has a trust image, and two of another."""
    root = tmp_path_factory.mktemp("walk")
    write_walk(root, 2, anchors=lambda _: RecordedAnchors(scan=np.ones((3, 3)), height=0.5))
    (root / "walk_000000_trust.png").write_bytes(encode_trust(trusted()))
    return root


def test_the_file_says_what_was_written(tmp_path: Path) -> None:
    path, written = tmp_path / "x_trust.png", trusted(1)
    path.write_bytes(encode_trust(written))
    read = read_trust(path)
    np.testing.assert_array_equal(read.trust, written.trust)
    np.testing.assert_array_equal(read.sources, written.sources)
    with pytest.raises(ValueError, match="source 9"):
        encode_trust(TrustedFrame(written.trust, np.full_like(written.sources, 9)))
    with pytest.raises(ValueError, match="uint8"):
        encode_trust(TrustedFrame(written.trust[0], written.sources))


def test_a_folder_serves_it_unless_it_is_told_not_to(walk: Path) -> None:
    with_it, without = open_dataset(walk, "all")
    assert with_it.trust is not None
    np.testing.assert_array_equal(with_it.trust.numpy(), trusted().trust)
    assert without.trust is None
    assert open_dataset(walk, "all", trust=False)[0].trust is None
    assert not open_dataset(walk, "all").remarks


def test_it_turns_with_the_image_and_fills_batches(walk: Path) -> None:
    samples = list(open_dataset(walk, "all"))
    transform = TrainingTransform(WIDTH, HEIGHT, 100.0, NO_AUGMENTATION)
    first, second = (transform(sample) for sample in samples)
    assert first.trust is not None
    assert torch.equal(first.trust, samples[0].trust)
    batch = collate([first, second])
    assert batch.trust is not None
    assert torch.equal(batch.trust[0], first.trust)
    assert (batch.trust[1] == 255).all()
    assert collate([second, second]).trust is None
    still = transform.apply(samples[0], replace(_still(), flip=True))
    assert still.trust is not None
    assert torch.equal(still.trust, samples[0].trust.flip(-1))
    smaller = TrainingTransform(WIDTH // 2, HEIGHT // 2, 100.0, NO_AUGMENTATION)(samples[0])
    assert smaller.trust is not None
    assert smaller.trust.shape == (2, HEIGHT // 2, WIDTH // 2)
    view = second_view(batch, [ViewChange(1.0, 0.0, 4.0, 0.0, 0.0, 0.0)] * 2)
    assert view.batch.trust is not None
    # A window four pixels to the right; what comes in there is seen by nobody, and not trusted.
    assert torch.equal(view.batch.trust[0, :, :, :-4], batch.trust[0, :, :, 4:])
    assert (view.batch.trust[..., -4:] == 0).all()


def _still() -> object:
    from cinet_core.data.augmentation import draw

    return draw(NO_AUGMENTATION, 0, 0, 0)


def test_a_store_keeps_it(walk: Path) -> None:
    source = open_dataset(walk, "all")
    store = CachedSamples(source, 1 << 22)
    for _ in range(2):
        assert torch.equal(store[0].trust, source[0].trust)
        assert store[1].trust is None


def test_a_sample_refuses_another_size() -> None:
    image, plane = torch.zeros(3, 4, 5, dtype=torch.uint8), torch.zeros(4, 5)
    with pytest.raises(ValueError, match="trust is"):
        Sample("x", image, plane, plane.to(torch.uint8), trust=torch.zeros(2, 5, 4, dtype=torch.uint8))


Loss = Callable[[torch.Tensor | None, torch.Tensor], LossTerm]


def losses() -> dict[str, Loss]:
    """Each loss of depth or labels as a function of trust, and of the validity of its pixels."""
    torch.manual_seed(0)
    prediction, target = 1 + torch.rand(2, 16, 24).double(), 1 + torch.rand(2, 16, 24).double()
    logits, labels = torch.randn(2, 5, 16, 24).double(), torch.randint(0, 5, (2, 16, 24))
    coarse = torch.randn(2, 5, 4, 6).double()
    c, weights = torch.tensor(0.2).double(), torch.rand(5).double()
    known = lambda valid: torch.where(valid, target, 0.0)  # noqa: E731
    marked = lambda valid: torch.where(valid, labels, 255)  # noqa: E731
    return {
        "berhu": lambda trust, valid: berhu_loss(prediction, known(valid), c, trust),
        "pair": lambda trust, valid: pair_loss(prediction, known(valid), [1, 2], 400, trust),
        "normal": lambda trust, valid: normal_loss(prediction, known(valid), trust),
        "silog": lambda trust, valid: scale_invariant_loss(prediction, known(valid), trust),
        "gradient": lambda trust, valid: gradient_loss(prediction, known(valid), 1, trust),
        "segmentation": lambda trust, valid: segmentation_loss(logits, marked(valid), weights, trust),
        "coarse segmentation": lambda trust, valid: segmentation_loss(coarse, marked(valid), weights, trust),
    }


@pytest.mark.parametrize("name", list(losses()))
def test_losses_weigh_it(name: str) -> None:
    loss, all_valid = losses()[name], torch.ones(2, 16, 24, dtype=torch.bool)
    plain, full = loss(None, all_valid), loss(torch.ones(2, 16, 24).double(), all_valid)
    torch.testing.assert_close(full.sum, plain.sum)
    assert full.count == plain.count
    # Half the trust of all pixels is half the loss, or a quarter where a pair has to be trusted.
    half = loss(torch.full((2, 16, 24), 0.5).double(), all_valid)
    torch.testing.assert_close(half.sum, plain.sum * (0.25 if name in ("pair", "gradient") else 0.5))
    assert half.count == plain.count
    # What is not trusted at all adds as much to the sum as what is void.
    some = torch.rand(2, 16, 24, generator=torch.Generator().manual_seed(1)) < 0.7
    torch.testing.assert_close(loss(some.double(), all_valid).sum, loss(None, some).sum)


def test_a_training_step_learns_less_from_what_is_trusted_less(weights: Path) -> None:
    """The whole way: a batch's trust reaches the loss, and gradients shrink with it."""
    from cinet_core.checkpoint import load_checkpoint
    from cinet_core.losses import MultiTaskLoss, Stage
    from cinet_core.tasks.learning import task_learning

    model = load_checkpoint(weights).model
    loss = MultiTaskLoss(task_learning(model.config.tasks), 40, model.config.decoder_channels[-1])
    torch.manual_seed(0)
    output = model(torch.randn(1, 3, 48, 64))
    depth, labels = 1 + torch.rand(1, 48, 64), torch.randint(0, 40, (1, 48, 64))
    stage = Stage(3, ideal_attention=False, attention=False, consistency=False)

    def total(trust: torch.Tensor | None) -> dict[str, torch.Tensor]:
        return loss(output, depth, labels, [1], stage, trust=trust)

    full, none = total(torch.full((1, 2, 48, 64), 255, dtype=torch.uint8)), total(None)
    for name, value in none.items():
        torch.testing.assert_close(full[name], value, rtol=1e-5, atol=1e-6)
    trust = torch.zeros(1, 2, 48, 64, dtype=torch.uint8)
    trust[:, 1] = 51
    some = total(trust)
    assert some["depth"] == 0
    torch.testing.assert_close(some["segmentation"], none["segmentation"] / 5)


def test_a_recording_has_poses_stamps_and_anchors(walk: Path) -> None:
    recording = open_posed_dataset(walk)
    assert isinstance(recording, Recording)
    assert recording.world(0) == "walk"
    assert recording.seconds(1) == pytest.approx(0.1)
    pose, measured = recording.pose(1), recording.measured(0)
    assert pose is not None
    assert measured is not None
    assert measured.scan is not None
    assert measured.scan.tolist() == np.ones((3, 3)).tolist()
    assert (measured.height, measured.points, measured.up) == (0.5, None, None)
    assert not recording.problems(0)


@fault(area="input", injected="a trust image that is cut off, grey or of another size", expected="named, with a remedy")
@pytest.mark.parametrize("kind", ["cut", "grey", "size", "source"])
def test_a_wrong_trust_image(kind: str, walk: Path, tmp_path: Path, observed: Callable[[str], None]) -> None:
    for path in walk.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "walk_000000_trust.png"
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:40])
    elif kind == "grey":
        cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH), np.uint8))
    elif kind == "size":
        cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH // 2, 3), np.uint8))
    else:
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 250, np.uint8))
    data = open_dataset(tmp_path, "all")
    with pytest.raises(SourceError, match=r"walk_000000_trust\.png"):
        data[0]
    assert [problem.path for problem in data.problems(0)] == [str(path)]
    observed("named, with a remedy")


@fault(area="input", injected="a recording with a pose, stamp or anchors that are none", expected="names frame and key")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"pose": [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, "its pose is"),
        ({"pose": [1, 2, 3]}, "its pose has shape"),
        ({"pose": "none"}, "no matrix"),
        ({"seconds": "now"}, "its seconds are 'now'"),
    ],
)
def test_a_wrong_line(keys: dict, said: str, walk: Path, tmp_path: Path, observed: Callable[[str], None]) -> None:
    for path in walk.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = [json.loads(line) | keys for line in (walk / "frames.jsonl").read_text().splitlines()]
    (tmp_path / "frames.jsonl").write_text("\n".join(map(json.dumps, lines)))
    recording = open_dataset(tmp_path, "all", "recording")
    (problem,) = recording.problems(0)
    assert said in str(problem)
    assert "walk_000000" in str(problem)
    observed("named")


def test_anchors_that_are_none(walk: Path, tmp_path: Path) -> None:
    for path in walk.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "walk_000000_anchors.npz"
    np.savez(path, scan=np.ones((3, 2)))
    with pytest.raises(SourceError, match=r"scan has shape \(3, 2\)"):
        Recording(tmp_path).measured(0)
    path.write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(SourceError, match="cannot be read"):
        Recording(tmp_path).measured(0)


def test_a_writer_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    camera = Intrinsics(100.0, 100.0, 2.0, 1.0, 5, 4)
    jpeg = cv2.imencode(".jpg", np.zeros((4, 5, 3), np.uint8))[1].tobytes()
    writer = FolderWriter(tmp_path / "new")
    writer.add("a_1", jpeg, camera, depth=np.full((4, 5), 1.5), labels=np.full((4, 5), 255, np.uint8))
    path = tmp_path / "new" / "frames.jsonl"
    path.write_text(path.read_text() + '{"frame": "a_2", "fx')
    again = FolderWriter(tmp_path / "new")
    assert again.names == {"a_1"}
    again.add("a_2", jpeg, camera, keys={"seconds": 1.0})
    data = open_dataset(tmp_path / "new", "all")
    assert [data.name(place) for place in range(2)] == ["a_1", "a_2"]
    assert data[0].depth.unique().tolist() == [1.5]
    assert data[0].labels.unique().tolist() == [255]
    with pytest.raises(ValueError, match="camera is unknown"):
        again.add("a_3", jpeg, None)
    path.write_text("no line\n")
    with pytest.raises(SourceError, match="line 1"):
        FolderWriter(tmp_path / "new")
    (tmp_path / "other").mkdir()
    for name in "ab":
        (tmp_path / "other" / f"{name}.jpg").write_bytes(jpeg)
    with pytest.raises(SourceError, match="other images"):
        FolderWriter(tmp_path / "other")
    assert file_name("synthetic/a b") == "synthetic-a-b"


def test_frames_of_a_world_are_frames_of_a_room(walk: Path) -> None:
    """Training divides frames by what comes before the last underscore of their names."""
    rooms = open_dataset("", "train", "synthetic_rooms", length=4, path=2)
    names = [frame_name(rooms, place) for place in range(4)]
    before = [name.rpartition("_")[0] for name in names]
    assert len(set(names)) == 4
    assert before == [rooms.world(place) for place in range(4)]  # type: ignore[attr-defined]
    assert len(set(before)) == 2
    assert frame_name(open_dataset(walk, "all", "recording"), 1) == "walk_000001"
