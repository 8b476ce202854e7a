"""Teachers as users bring them: real ONNX files with descriptions, and what is wrong with either."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import yaml
from painted_walk import HEIGHT, NEAREST, WIDTH, write_teacher, write_walk

from cinet_core.data.registry import open_dataset
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.labelling import SHIPPED, TeacherError, export_teacher, read_description
from cinet_core.labelling.classes import CLASS_TABLES, NONE
from cinet_core.labelling.named import open_teachers
from cinet_core.labelling.network_teacher import NetworkTeacher
from cinet_core.labelling.onnx_teacher import OnnxTeacher
from cinet_core.labelling.teacher import Answer, Teacher, averaged, fitted_affine, vote
from cinet_core.labelling.trusted import unanchored_sigma

CAMERA = Intrinsics.from_fov(WIDTH, HEIGHT, 60)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teachers of all kinds."""
    root = tmp_path_factory.mktemp("teachers")
    write_teacher(root, "metric_depth", "logits", name="both")
    write_teacher(root, "inverse_depth", name="relative", factor=7.0, offset=-2.0)
    write_teacher(root, "labels", name="numbers")
    write_teacher(root, "metric_depth", name="fixed", size=(48, 64))
    return root


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, true depth and true labels of a frame."""
    root = tmp_path_factory.mktemp("walk")
    write_walk(root, 1)
    sample = open_dataset(root, "all", "recording")[0]
    image = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
    return image, np.maximum(sample.depth.numpy(), NEAREST), sample.labels.numpy()


def opened(path: Path) -> OnnxTeacher:
    (teacher,) = open_teachers([path], "cpu")
    assert isinstance(teacher, OnnxTeacher)
    return teacher


def right(depth: np.ndarray | None, truth: np.ndarray) -> float:
    """Part of the pixels within 10 %: eight bits of red are 4 % at 4 m."""
    assert depth is not None
    return float((np.abs(depth / truth - 1) < 0.1).mean())


def test_metres_and_logits(files: Path, frame: tuple[np.ndarray, ...]) -> None:
    image, depth, labels = frame
    teacher = opened(files / "both.yaml")
    assert (teacher.gives_depth, teacher.gives_labels) == ("metric", True)
    answer = teacher.answer(image, CAMERA)
    assert answer.depth is not None
    assert answer.confidence is not None
    assert right(answer.depth, depth) > 0.95
    assert (answer.labels == labels).mean() > 0.95
    assert 0.3 < answer.confidence.mean() <= 1.0


def test_numbers_of_classes(files: Path, frame: tuple[np.ndarray, ...]) -> None:
    answer = opened(files / "numbers.yaml").answer(frame[0], CAMERA)
    assert answer.depth is None
    assert (answer.labels == frame[2]).mean() > 0.95


def test_a_size_that_the_file_fixes_is_taken(files: Path, frame: tuple[np.ndarray, ...]) -> None:
    answer = opened(files / "fixed.yaml").answer(frame[0], CAMERA)
    assert answer.depth is not None
    assert answer.depth.shape == (HEIGHT, WIDTH)
    assert right(answer.depth, frame[1]) > 0.7


def test_units_focal_length_and_order_of_colours(files: Path, frame: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    image, depth, _ = frame
    output = {"name": "metric_depth", "meaning": "metric_depth", "scale": 0.001, "focal": CAMERA.focal / 2}
    described = tmp_path / "other.yaml"
    described.write_text(yaml.safe_dump({"model": str(files / "both.onnx"), "outputs": [output], "color": "bgr"}))
    answer = opened(described).answer(np.ascontiguousarray(image[..., ::-1]), CAMERA)
    assert answer.depth is not None
    assert answer.labels is None
    # A millimetre a unit; the image's focal length is twice the one that the depth is right for.
    assert right(answer.depth / 0.002, depth) > 0.95


def test_mean_of_mirror_image_and_sizes(files: Path, frame: tuple[np.ndarray, ...]) -> None:
    image, depth, labels = frame
    together = averaged(opened(files / "both.yaml"), image, CAMERA, flip=True, scales=(1.0, 0.75))
    assert right(together.depth, depth) > 0.85
    assert (together.labels == labels).mean() > 0.9
    # Where the answers to sizes differ, at edges, the mean is known less well.
    assert together.spread is not None
    edges = cv2.dilate((np.abs(np.diff(np.log(depth), axis=1, append=0)) > 0.2).astype(np.uint8), np.ones((3, 3)))
    assert together.spread[edges > 0].mean() > 3 * together.spread[edges == 0].mean()
    # Relative depth has factor and offset of the first answer.
    once = opened(files / "relative.yaml").answer(image, CAMERA)
    twice = averaged(opened(files / "relative.yaml"), image, CAMERA, flip=True)
    assert once.depth is not None
    assert twice.depth is not None
    np.testing.assert_allclose(twice.depth, once.depth, atol=0.02 * float(np.ptp(once.depth)))


class Drawn(Teacher):
    """Twice as far at each larger size, with an error that is drawn anew for each answer in the left half."""

    label_set = NYU40

    def __init__(self, own: float | None) -> None:
        self._own, self._drawn = own, np.random.default_rng(3)

    def answer(self, image: np.ndarray, camera: Intrinsics, scale: float = 1.0) -> Answer:
        height, width = image.shape[:2]
        errors = self._drawn.normal(0, 0.1, (height, width)) * (np.arange(width) < width // 2)
        depth = (2 * scale * np.exp(errors)).astype(np.float32)
        return Answer(depth, sigma=None if self._own is None else np.full(depth.shape, scale * self._own, np.float32))

    def close(self) -> None:
        pass


def test_what_answers_differ_by_is_their_error_without_their_scale() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    together = averaged(Drawn(None), image, CAMERA, scales=(0.5, 1.0, 2.0))
    assert together.depth is not None
    assert together.spread is not None
    np.testing.assert_allclose(together.depth[:, 80:], 2.0, rtol=1e-5)
    assert together.spread[:, 80:].max() < 0.01
    assert np.sqrt((together.spread[:, :80] ** 2).mean()) == pytest.approx(0.1, rel=0.05)
    assert together.sigma is None
    sigma = unanchored_sigma(together.depth, together.spread, None)
    assert sigma[:, 80:].mean() == pytest.approx(0.15, rel=0.01)
    assert np.sqrt((sigma[:, :80] ** 2).mean()) == pytest.approx(np.hypot(0.15, 2.5 * 0.1), rel=0.05)
    assert unanchored_sigma(together.depth, None, None) == pytest.approx(np.full(together.depth.shape, 0.3))


def test_what_a_teacher_says_of_itself_counts() -> None:
    together = averaged(Drawn(0.1), np.zeros((12, 16, 3), np.uint8), CAMERA, flip=True, scales=(1.0, 2.0))
    assert together.depth is not None
    assert together.sigma is not None
    assert together.sigma == pytest.approx(np.full((12, 16), np.sqrt((0.1**2 + 0.2**2) / 2)))
    assert unanchored_sigma(together.depth, together.spread, together.sigma) is together.sigma


def test_votes_and_fits() -> None:
    labels = [np.array([[1, 2, 255]], np.uint8), np.array([[1, 3, 4]], np.uint8), np.array([[5, 3, 255]], np.uint8)]
    sure = [np.array([[0.5, 0.9, 0.0]], np.float32), np.array([[0.3, 0.4, 0.6]], np.float32)]
    sure.append(np.array([[0.7, 0.6, 0.0]], np.float32))
    winners, confidence = vote(labels, sure)
    assert winners.tolist() == [[1, 3, 4]]
    np.testing.assert_allclose(confidence, [[0.8 / 3, 1.0 / 3, 0.2]], rtol=1e-5)
    x = np.linspace(0, 1, 50)
    wanted = 3 * x - 1
    wanted[::7] += 5  # outliers
    np.testing.assert_allclose(fitted_affine(x, wanted, np.ones(50)), (3, -1), atol=0.05)
    assert np.isnan(fitted_affine(np.ones(50), wanted, np.ones(50))).all()


def test_our_own_network_as_an_onnx_file_answers_alike(weights: Path, tmp_path: Path) -> None:
    """The exported teacher and the checkpoint itself, at the same size of input."""
    export_teacher(weights, tmp_path / "own.yaml")
    exported, own = opened(tmp_path / "own.yaml"), NetworkTeacher(str(weights), "cpu")
    image = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    image = cv2.resize(image, (64, 48), interpolation=cv2.INTER_CUBIC)
    camera = Intrinsics.from_fov(64, 48, 70)
    first, second = exported.answer(image, camera), own.answer(image, camera)
    assert first.depth is not None
    assert second.depth is not None
    np.testing.assert_allclose(first.depth, second.depth, rtol=0.02)
    # Classes are decided before resizing here, and after it there: borders differ.
    assert (first.labels == second.labels).mean() > 0.9
    own.close()


def test_what_is_shipped() -> None:
    for name in SHIPPED:
        description = read_description(name)
        height, width = description.input_size(640, 480)
        assert height % description.multiple == width % description.multiple == 0
        for output in description.outputs:
            assert output.lookup(NYU40).shape == (len(output.classes),)
    assert {name: len(table) for name, table in CLASS_TABLES.items()} == {
        "ade20k": 150,
        "coco_panoptic": 133,
        "coco_things": 80,
    }
    for table in CLASS_TABLES.values():
        NYU40.ids(target for target in table.values() if target != NONE)
    ade = list(CLASS_TABLES["ade20k"])
    assert [ade[place] for place in (0, 3, 7, 19, 65, 149)] == ["wall", "floor", "bed", "chair", "toilet", "flag"]
    coco = list(CLASS_TABLES["coco_panoptic"])
    assert [coco[place] for place in (0, 56, 79, 80, 132)] == ["person", "chair", "toothbrush", "banner", "rug-merged"]


def test_a_class_that_goes_nowhere_is_void(files: Path, frame: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    values = yaml.safe_load((files / "both.yaml").read_text())
    values["model"] = str(files / "both.onnx")
    values["outputs"] = [values["outputs"][1] | {"map": {"wall": None, "floor": "ceiling"}}]
    path = tmp_path / "void.yaml"
    path.write_text(yaml.safe_dump(values))
    answer = opened(path).answer(frame[0], CAMERA)
    wall, floor, ceiling = NYU40.ids(["wall", "floor", "ceiling"])
    assert answer.labels is not None
    assert answer.confidence is not None
    assert (answer.labels[frame[2] == wall] == UNLABELLED).mean() > 0.9
    assert (answer.confidence[answer.labels == UNLABELLED] == 0).all()
    assert (answer.labels[frame[2] == floor] == ceiling).mean() > 0.9


fault = pytest.mark.fault


@fault(area="input", injected="a teacher's ONNX file without its second half", expected="exit status 2, names the file")
def test_a_truncated_file(files: Path, tmp_path: Path, observed: Callable[[str], None]) -> None:
    content = (files / "both.onnx").read_bytes()
    (tmp_path / "both.onnx").write_bytes(content[: len(content) // 2])
    (tmp_path / "both.yaml").write_text((files / "both.yaml").read_text())
    with pytest.raises(TeacherError, match=r"both\.onnx: it is damaged") as caught:
        open_teachers([tmp_path / "both.yaml"], "cpu")
    assert "copy it again" in str(caught.value)
    observed("refused, names the file")


@fault(area="input", injected="a description of a teacher with a wrong key or value", expected="names key and choices")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sizes": 3}, "no key 'sizes'"),
        ({"size": [1, 2, 3]}, "shorter side, or"),
        ({"size": 0}, "size is 0"),
        ({"multiple": 1.5}, "multiple is 1.5"),
        ({"std": [1, 0, 1]}, "above 0"),
        ({"mean": 0.5}, "three numbers"),
        ({"color": "grb"}, "rgb or bgr"),
        ({"outputs": []}, "at least one output"),
        ({"outputs": [{"meaning": "depth"}]}, "choose one of metric_depth"),
        ({"outputs": [{"meaning": "logits"}]}, "needs classes"),
        ({"outputs": [{"meaning": "metric_depth", "classes": ["a"]}]}, "has no classes"),
        ({"outputs": [{"meaning": "logits", "classes": "ade"}]}, "one of ade20k"),
        ({"outputs": [{"meaning": "logits", "classes": ["wall"], "map": {"wal": "wall"}}]}, "none of the classes"),
        ({"outputs": [{"meaning": "metric_depth"}, {"meaning": "inverse_depth"}]}, "mean the same"),
        ({"outputs": [{"meaning": "metric_depth", "scale": -1}]}, "above 0"),
    ],
)
def test_a_wrong_description(change: dict, said: str, tmp_path: Path, observed: Callable[[str], None]) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({"model": "m.onnx", "outputs": [{"meaning": "metric_depth"}], **change}))
    with pytest.raises(TeacherError, match=r"wrong\.yaml") as caught:
        read_description(path)
    assert said in str(caught.value)
    observed("refused by name")


@fault(area="input", injected="a teacher whose answers are not what its description says", expected="names both shapes")
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"name": "depth", "meaning": "metric_depth"}, "no output 'depth'"),
        ({"meaning": "metric_depth"}, "name the one that is meant"),
        ({"name": "logits", "meaning": "metric_depth"}, "one value a pixel"),
        ({"name": "metric_depth", "meaning": "logits", "classes": ["wall", "floor"]}, "a channel for each class"),
        ({"name": "logits", "meaning": "logits", "classes": ["wall", "floor"]}, "a channel for each class"),
        ({"name": "logits", "meaning": "logits", "classes": ["wal"]}, "has no class 'wal'"),
    ],
)
def test_answers_of_another_shape(
    output: dict, said: str, files: Path, tmp_path: Path, observed: Callable[[str], None]
) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump({"model": str(files / "both.onnx"), "outputs": [output]}))
    with pytest.raises(TeacherError, match=r"both\.onnx") as caught:
        opened(path).answer(np.zeros((HEIGHT, WIDTH, 3), np.uint8), CAMERA)
    assert said in str(caught.value)
    observed("refused by name")


def test_numbers_beyond_the_classes(files: Path, frame: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    path = tmp_path / "few.yaml"
    output = {"meaning": "labels", "classes": ["wall"]}
    path.write_text(yaml.safe_dump({"model": str(files / "numbers.onnx"), "outputs": [output]}))
    with pytest.raises(TeacherError, match="names 1 classes"):
        opened(path).answer(frame[0], CAMERA)


def test_an_input_that_is_no_image(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    flat = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [flat], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])
    ])  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    (tmp_path / "m.yaml").write_text(yaml.safe_dump({"model": "m.onnx", "outputs": [{"meaning": "metric_depth"}]}))
    with pytest.raises(TeacherError, match=r"\(1, 3, H, W\) is needed"):
        open_teachers([tmp_path / "m.yaml"], "cpu")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "there is no teacher"),
        (["depth.onnx"], "no description"),
        (["midas=depth.onnx"], "no description"),
        (["segformer_ade20k=missing.onnx"], "no such file"),
        (["missing.yaml"], "no such file"),
        (["missing.safetensors"], "missing.safetensors"),
        (["default", "default"], "once"),
        (["segformer_ade20k.yaml"], "no such file"),
    ],
)
def test_teachers_that_cannot_be_named(names: list[str], said: str) -> None:
    with pytest.raises(TeacherError, match=said):
        open_teachers(names, "cpu")


def test_yaml_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    for text, said in (
        ("a: [", "cannot be read as YAML"),
        ("- 1", "is not a description"),
        ("", "is not a description"),
    ):
        path.write_text(text)
        with pytest.raises(TeacherError, match=said):
            read_description(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TeacherError, match="cannot be read as YAML"):
        read_description(path)
