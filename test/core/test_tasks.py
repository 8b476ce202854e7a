"""The tasks as objects: that their specifications and learning halves fit each other and the network."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.prediction import PREDICTION_FILES
from cinet_core.label_sets import NYU40
from cinet_core.messages.encoding import ImageBuffer
from cinet_core.messages.topics import COMPRESSED, IMAGES, TOPICS, topics_of
from cinet_core.model import CINet, ModelConfig, build_model, get_config
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.model_metadata import TrainingCamera
from cinet_core.tasks import (
    DEPTH,
    SEGMENTATION,
    TASKS,
    HeadSpec,
    OutputSpec,
    RenderSettings,
    TaskSpec,
    erase,
    get_task,
    output_names,
    output_specs,
    task_specs,
)
from cinet_core.tasks.learning import LEARNING, task_learning

ALL = tuple(task.name for task in TASKS)
SIZE = (48, 64)


@pytest.fixture(scope="module")
def network() -> CINet:
    """With all tasks that there are."""
    config = get_config("lite", encoder="test_efficientnet", feature_channels=16, decoder_channels=[8, 8, 8], tasks=ALL)
    return build_model(config, seed=0).eval()


def test_every_task_has_both_halves_in_one_order() -> None:
    assert [task.spec for task in LEARNING] == list(TASKS)
    assert TASKS[:2] == (DEPTH, SEGMENTATION)
    assert ALL[:2] == DEFAULT_TASKS


@pytest.mark.parametrize("what", ["outputs", "metrics", "topics", "files"])
def test_names_are_unique_over_all_tasks(what: str) -> None:
    entries = [entry for task in TASKS for entry in getattr(task, what)]
    names = [entry.kind if what == "files" else entry.name for entry in entries]
    assert len(set(names)) == len(names)


def test_tasks_are_found_by_name_in_their_own_order() -> None:
    assert task_specs(("segmentation", "depth")) == (DEPTH, SEGMENTATION)
    assert [task.spec for task in task_learning(("segmentation", "depth"))] == [DEPTH, SEGMENTATION]
    assert output_names(DEFAULT_TASKS) == ("depth", "labels", "confidence")
    with pytest.raises(ValueError, match=r"there is no task 'segmentatoin'.*did you mean 'segmentation'"):
        get_task("segmentatoin")


def test_a_graph_gives_what_the_specifications_say(network: CINet) -> None:
    image = torch.randint(0, 256, (2, *SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for output_size in (SIZE, (30, 41)):
        graph = DeployableGraph(network, TrainingCamera(), SIZE, SIZE, output_size)
        with torch.inference_mode():
            outputs = graph(image, torch.tensor([[60.0, 60.0, 31.5, 23.5]] * 2))
        assert tuple(outputs) == graph.output_names == output_names(ALL)
        for spec in output_specs(ALL):
            channels = (spec.channels,) if spec.channels else ()
            assert outputs[spec.name].shape == (2, *output_size, *channels), spec.name
            assert outputs[spec.name].dtype == getattr(torch, spec.dtype), spec.name


def test_every_topic_can_be_filled_and_every_file_and_tile_drawn() -> None:
    generator = np.random.default_rng(0)
    outputs = {
        spec.name: generator.integers(0, 2, (*SIZE, spec.channels)[: 3 if spec.channels else 2]).astype(spec.dtype)
        for spec in output_specs(ALL)
    }
    image = generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    for task in TASKS:
        for tile in task.render(outputs, RenderSettings(image, NYU40, 240)):
            assert tile.title
            assert tile.images[0].shape == image.shape
        for file in task.files:
            stored = file.image(outputs)
            assert stored.dtype in (np.uint8, np.uint16)
            assert stored.shape[:2] == SIZE
            assert file.kind in PREDICTION_FILES


def test_topics_of_a_network_are_those_of_its_tasks() -> None:
    assert topics_of(ALL) == TOPICS
    of_depth = topics_of(("depth",))
    assert {"depth_registered/image_rect", "depth_registered/image_rect/compressedDepth", "points"} <= of_depth.keys()
    assert not {"semantic/image_raw", "semantic/image_raw/compressed"} & of_depth.keys()
    own = {topic.name for topic in DEPTH.topics}
    assert {COMPRESSED[name][0] if name in COMPRESSED else name for name in of_depth} & IMAGES.keys() == {
        *own,
        "rgb/image_rect",
    }


def test_an_image_of_three_floats_a_pixel() -> None:
    def image(**fields: object) -> SimpleNamespace:
        return SimpleNamespace(**fields)

    types = SimpleNamespace(image=image, header=lambda: None, allocate=lambda size: bytearray(size))
    buffer = ImageBuffer(types, "32FC3", 2, 3)  # type: ignore[arg-type]
    values = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    buffer.fill(values, "header")
    assert (buffer.message.encoding, buffer.message.step) == ("32FC3", 36)
    np.testing.assert_array_equal(np.frombuffer(buffer.message.data, np.float32), np.arange(18))


def test_what_is_erased_is_invalid_in_every_output() -> None:
    outputs = {spec.name: np.ones((2, 3, 3)[: 3 if spec.channels else 2], spec.dtype) for spec in output_specs(ALL)}
    erase(outputs, np.array([[True, False, False]] * 2))
    for spec in output_specs(ALL):
        np.testing.assert_array_equal(outputs[spec.name][:, 0], np.full_like(outputs[spec.name][:, 0], spec.invalid))
        assert (outputs[spec.name][:, 1:] == 1).all()


def test_a_configuration_names_its_tasks() -> None:
    config = get_config("lite")
    assert config.tasks == DEFAULT_TASKS
    assert "tasks" not in config.to_dict(), "software of before has to read such a checkpoint"
    for tasks, problem in (
        (("depth",), "every network has depth and segmentation"),
        (("depth", "depth", "segmentation"), "each once"),
        (["depth", "segmentation"], "must be a tuple"),
    ):
        with pytest.raises(ValueError, match=re.escape(problem)):
            replace(config, tasks=tasks)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is no task 'smell'"):
        build_model(replace(config, tasks=(*DEFAULT_TASKS, "smell")))
    for further in ALL[2:]:
        own = {**config.to_dict(), "tasks": [*DEFAULT_TASKS, further]}
        assert ModelConfig.from_dict(own).to_dict() == own


def test_a_seed_gives_the_paper_s_network_the_same_weights_whatever_else_it_learns(
    network: CINet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task of this test alone, on a network that the checkpoint of another one describes."""
    task = TaskSpec("edges", "Edges", (OutputSpec("edges", "uint8", 0, "Test."),), (), (), (), lambda *_: [],
                    head=HeadSpec("both", 2, (0.5, -0.5)))  # fmt: skip
    monkeypatch.setattr("cinet_core.tasks.TASKS", (*TASKS, task))
    plain = build_model(replace(network.config, tasks=DEFAULT_TASKS), seed=0)
    more = build_model(replace(network.config, tasks=(*DEFAULT_TASKS, "edges")), seed=0)
    weights, further = plain.state_dict(), more.state_dict()
    assert set(further) - set(weights) == {"task_heads.edges.conv.weight", "task_heads.edges.conv.bias"}
    assert all(torch.equal(value, further[name]) for name, value in weights.items())
    assert further["task_heads.edges.conv.bias"].tolist() == [0.5, -0.5]
    image = torch.zeros(1, 3, *SIZE)
    output = more.eval()(image)
    assert output.extra["edges"].shape == (1, 2, *SIZE)
    assert torch.equal(output.depth, plain.eval()(image).depth)
    with pytest.raises(ValueError, match="2 channels has 1 biases"):
        HeadSpec("depth", 2, (0.0,))
