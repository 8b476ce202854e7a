"""Recipes as they are read from YAML files and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jsonargparse", reason="training is an extra: pip install 'cinet[train]'")

import cinet_core
from cinet_core.cli import main
from cinet_core.cli.recipe_arguments import as_options
from cinet_core.cli.train import parser
from cinet_core.data.augmentation import Augmentation
from cinet_core.losses import LossWeights
from cinet_core.model import get_config
from cinet_core.training.score import score
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_data import DataSettings
from cinet_core.training.settings_losses import LossSettings, ViewSettings
from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings, StagesSettings
from cinet_core.training.settings_run import RunSettings

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "config" / "train"


def recipe(*arguments: str) -> Recipe:
    return parser("cinet train").parse_args(arguments).recipe


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_are_recipes(path: Path) -> None:
    read = recipe("--config", str(path))
    assert read.name == path.stem
    assert read.run.output == f"runs/{path.stem}"
    assert Recipe(**vars(read)) == read


@pytest.mark.parametrize(
    ("name", "epochs", "rates", "label_set"),
    [
        ("nyu_resnet101", (300, 200, 200), (6e-4, 2e-4, 2e-4), "nyu40"),
        ("sun_resnet101", (60, 40, 40), (6e-4, 3e-4, 3e-4), "sun37"),
    ],
)
def test_the_papers_configurations_have_its_numbers(
    name: str, epochs: tuple[int, ...], rates: tuple[float, ...], label_set: str
) -> None:
    read = recipe("--config", str(CONFIGURATIONS / f"{name}.yaml"), "data.root=somewhere")
    stages = (read.stages.ideal, read.stages.attention, read.stages.consistency)
    assert tuple(stage.epochs for stage in stages) == epochs
    assert tuple(stage.learning_rate for stage in stages) == rates
    assert tuple(stage.schedule for stage in stages) == ("constant", "constant", "poly")
    assert read.model.config == "resnet101"
    assert read.model.pretrained_encoder
    assert read.losses.weights == LossWeights(depth=1, consistency=5, segmentation=0.3, pair=1, normal=5)
    assert (read.data.root, read.data.label_set, read.data.width, read.data.height) == (
        "somewhere",
        label_set,
        640,
        480,
    )
    assert read.data.canonical_focal == 525
    assert read.data.augmentation == Augmentation(rotation=5, scale=(1, 1.6))
    expected = OptimizerSettings(batch_size=8, momentum=0.9, weight_decay=5e-4, encoder_factor=0.1, average_decay=0.999)
    assert read.optimizer == expected


def test_any_value_can_be_replaced_on_the_command_line() -> None:
    read = recipe(
        "--config",
        str(CONFIGURATIONS / "fine_tune.yaml"),
        "data.root=/some/where=else",
        "data.options={validation_fraction: 0.3}",
        "stages.attention.epochs=3",
        "losses.weights.consistency=1",
        "model.overrides={sharing: lsu}",
        "data.mix=[{root: synthetic, probability: 0.25}]",
        "run.devices=2",
    )
    assert read.data.root == "/some/where=else"
    assert read.data.options == {"validation_fraction": 0.3}
    assert read.data.shares == (0.75, 0.25)
    assert read.stages.attention == StageSettings(3, 5e-3)
    assert read.losses.weights == LossWeights(consistency=1)
    assert read.model.overrides == {"sharing": "lsu"}
    assert read.run.devices == 2


def test_recipes_are_read_from_python_as_from_the_command_line(tmp_path: Path) -> None:
    file = CONFIGURATIONS / "fine_tune.yaml"
    values = {"data.root": "my rooms", "data.options": {"validation_fraction": 0.3}, "run.devices": 2, "licence": "1.0"}
    read = cinet_core.read_recipe(file, values=values)
    assert read == recipe(
        "--config", str(file), "data.root=my rooms", "data.options={validation_fraction: 0.3}", "run.devices=2",
        "licence=1.0",
    )  # fmt: skip
    over = tmp_path / "over.yaml"
    over.write_text("run:\n  seed: 5\n")
    assert cinet_core.read_recipe(file, over, values={"data.root": "x"}).run.seed == 5
    with pytest.raises(ValueError, match="batchsize"):
        cinet_core.read_recipe(file, values={"optimizer.batchsize": 4})
    with pytest.raises(ValueError, match="seed is -1"):
        cinet_core.read_recipe(file, values={"data.root": "x", "run.seed": -1})
    with pytest.raises(ValueError, match=r"absent\.yaml"):
        cinet_core.read_recipe(tmp_path / "absent.yaml")


def test_options_and_values_are_told_apart() -> None:
    assert as_options(["--resume", "run.seed=3", "--config", "a/b=c.yaml"]) == [
        "--resume",
        "--run.seed=3",
        "--config",
        "a/b=c.yaml",
    ]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("stages.ideal.epochs=many", "epochs"),
        ("optimizer.batchsize=4", "batchsize"),
        ("run.precision=half", "precision"),
    ],
)
def test_a_wrong_value_names_its_setting(argument: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        recipe("--config", str(CONFIGURATIONS / "fine_tune.yaml"), "data.root=x", argument)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "ablate"])
def test_a_value_that_cannot_be_used_ends_with_2(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--config", str(CONFIGURATIONS / "synthetic_rooms.yaml"), "run.seed=-1"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"cinet {command}: seed is -1: it must be at least 0\n"


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: StageSettings(-1, 0.1), "epochs is -1"),
        (lambda: StageSettings(1, 0.0), "learning_rate is 0.0"),
        (lambda: StagesSettings(StageSettings(0, 1), StageSettings(0, 1), StageSettings(0, 1)), "0 epochs"),
        (lambda: OptimizerSettings(batch_size=0), "batch_size is 0"),
        (lambda: OptimizerSettings(average_decay=1.0), "average_decay is 1.0"),
        (lambda: OptimizerSettings(encoder_factor=0.0), "encoder_factor is 0.0"),
        (lambda: OptimizerSettings(warmup_steps=-1), "warmup_steps is -1"),
        (lambda: OptimizerSettings(frozen_levels=-1), "frozen_levels is -1"),
        (lambda: RunSettings(seed=-1), "seed is -1"),
        (lambda: RunSettings(checkpoint_minutes=-1), "checkpoint_minutes is -1"),
    ],
)
def test_unusable_values_are_refused(build: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def plan_of(losses: LossSettings, **overrides: Any) -> list[tuple[int, bool, bool, bool]]:
    planned = Recipe("test", DataSettings(root="synthetic"), losses=losses).plan(get_config("lite", **overrides))
    return [(p.losses.number, p.losses.ideal_attention, p.losses.attention, p.losses.consistency) for p in planned]


def test_the_plan_has_what_the_network_and_the_losses_have() -> None:
    everything = [(1, True, False, False), (2, False, True, False), (3, False, True, True)]
    assert plan_of(LossSettings()) == everything
    without_sum = [(1, False, False, False), (2, False, False, False), (3, False, False, True)]
    assert plan_of(LossSettings(), scene_understanding=False) == without_sum
    assert plan_of(LossSettings(supervise_attention=False)) == without_sum
    assert plan_of(LossSettings(consistency=False)) == [*everything[:2], (3, False, True, False)]
    assert plan_of(LossSettings(LossWeights(consistency=0))) == [*everything[:2], (3, False, True, False)]


@pytest.mark.parametrize("part", [-0.1, 1.5, float("nan")])
def test_a_part_of_the_gradient_is_from_0_to_1(part: float) -> None:
    with pytest.raises(ValueError, match="sharing_gradient"):
        LossSettings(sharing_gradient=part)


def test_stages_of_no_epochs_are_left_out() -> None:
    stages = StagesSettings(ideal=StageSettings(0, 0.1), attention=StageSettings(3, 0.1))
    planned = Recipe("test", DataSettings(root="synthetic"), stages=stages).plan(get_config("lite"))
    assert [(stage.losses.number, stage.first_epoch, stage.end_epoch) for stage in planned] == [(2, 0, 3), (3, 3, 203)]


def test_what_is_learnt_does_not_depend_on_where() -> None:
    data = DataSettings(root="synthetic")
    here = Recipe("test", data, run=RunSettings(output="here", devices=1, log_every=5))
    there = Recipe("test", DataSettings(root="synthetic", workers=7), run=RunSettings(output="there", devices=4))
    other = Recipe("test", data, run=RunSettings(seed=1))
    assert here.learning() == there.learning() != other.learning()


def test_score() -> None:
    metrics = {"delta1": 0.81, "mean_iou": 0.36, "abs_rel": 0.2}
    assert score(metrics, "joint") == pytest.approx(0.54)
    assert score({"delta1": 0.81}, "joint") == pytest.approx(0.81)
    assert score({"mean_iou": 0.36}, "joint") == pytest.approx(0.36)
    assert score({}, "joint") is None
    assert score(metrics, "delta1") == 0.81
    assert score(metrics, "abs_rel") == -0.2
    assert score({}, "abs_rel") is None
    with pytest.raises(ValueError, match="no score 'loss'"):
        score(metrics, "loss")


def test_weights_of_further_tasks_are_on_record_only_where_there_are_any() -> None:
    """A run of before there were any can go on: what it learns compares equal."""
    plain = Recipe("run", DataSettings("synthetic"))
    assert "tasks" not in plain.learning()["losses"]["weights"]
    losses = LossSettings(LossWeights(tasks={"normals": 2.0}))
    assert Recipe("run", DataSettings("synthetic"), losses=losses).learning()["losses"]["weights"]["tasks"] == {
        "normals": 2.0
    }
    with pytest.raises(ValueError, match="loss weight normals is -1"):
        LossWeights(tasks={"normals": -1.0})


def test_later_settings_are_told_only_where_they_are_used() -> None:
    """What a run of before them was started with is what it is gone on with."""
    plain = Recipe("test", DataSettings(root="synthetic")).to_dict()
    assert not {"init_from", "tasks"} & set(plain["model"])
    assert not {"views", "sharing_gradient"} & set(plain["losses"])
    assert not {"gradient", "tasks"} & set(plain["losses"]["weights"])
    assert not {"sizes", "crop"} & set(plain["data"])
    assert "frozen_statistics" not in plain["optimizer"]
    losses = LossSettings(LossWeights(gradient=0.5), views=ViewSettings(every=2), sharing_gradient=0.5)
    data = DataSettings(root="synthetic", sizes=((48, 32),), crop=0.5)
    optimizer = OptimizerSettings(frozen_statistics="network")
    told = Recipe("test", data, losses=losses, optimizer=optimizer).to_dict()
    assert told["losses"]["views"]["every"] == 2
    assert told["losses"]["sharing_gradient"] == told["losses"]["weights"]["gradient"] == 0.5
    assert (told["data"]["sizes"], told["data"]["crop"]) == ([[48, 32]], 0.5)
    assert told["optimizer"]["frozen_statistics"] == "network"
