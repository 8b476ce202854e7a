"""The model's settings: validated, complete in JSON, ablations by override."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cinet_core.model import CONFIGS, ModelConfig, get_config
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.model.encoder import Encoder
from cinet_core.model_metadata import read_metadata


@pytest.mark.parametrize("name", CONFIGS)
def test_json_round_trip(name: str) -> None:
    config = get_config(name, sharing="lsu", num_classes=37)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_lite_v1_is_what_the_method_says() -> None:
    lite = get_config("lite_v1")
    assert lite.encoder == "tf_efficientnet_lite0"
    assert (lite.encoder_stride, lite.feature_channels, lite.query_channels) == (16, 128, 32)
    assert lite.decoder_channels == (96, 64, 32)
    assert lite.separable
    assert lite.channels_last
    assert (lite.decoder_strides, lite.logit_stride, lite.depth_activation) == ((4, 2, 1), 1, "softplus")


@pytest.mark.parametrize(
    ("weights", "name", "tasks"),
    [("default", "lite_v1", DEFAULT_TASKS), ("preview", "lite", (*DEFAULT_TASKS, "uncertainty"))],
)
def test_what_ships_is_one_of_them(weights: str, name: str, tasks: tuple[str, ...]) -> None:
    shipped, config = read_metadata(weights).config, get_config(name, tasks=tasks)
    assert config == replace(shipped, name=name, initial_depth=config.initial_depth)


def test_a_file_from_before_says_nothing_of_what_there_was_not() -> None:
    """So that the software of then reads what is saved of such a network now."""
    assert not {"decoder_strides", "skip_strides", "depth_activation", "logit_stride", "tasks"} & set(
        get_config("lite_v1").to_dict()
    )
    assert get_config("lite").to_dict()["decoder_strides"] == [4, 4, 4]


@pytest.mark.parametrize("name", CONFIGS)
def test_defaults_are_the_methods_decisions(name: str) -> None:
    config = get_config(name)
    assert (config.attention_scale, config.attention_divisor, config.sharing) == ("sqrt", "row", "fsm")
    assert config.attention_logit_init == -1.1
    assert config.scene_understanding
    assert config.num_classes == 40


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_classes", 0),
        ("num_classes", 256),
        ("num_classes", True),
        ("num_classes", 4.0),
        ("feature_channels", -1),
        ("feature_channels", 10**9),
        ("query_channels", "8"),
        ("decoder_channels", [1, 2]),
        ("decoder_channels", [1, 2, 0]),
        ("decoder_channels", 3),
        ("encoder_stride", 4),
        ("decoder_strides", [4, 4]),
        ("decoder_strides", [4, 8, 4]),
        ("decoder_strides", [4, 3, 2]),
        ("skip_strides", [8]),
        ("skip_strides", [2, 2]),
        ("logit_stride", 8),
        ("logit_stride", 3),
        ("depth_activation", "relu"),
        ("depth_upsampling", "nearest"),
        ("antialiased", 1),
        ("encoder", ""),
        ("sharing", "both"),
        ("sharing", None),
        ("attention_scale", 1),
        ("attention_divisor", "column"),
        ("separable", 1),
        ("attention_logit_init", float("nan")),
        ("attention_logit_init", -51.0),
        ("initial_depth", 0.0),
        ("initial_depth", float("inf")),
        ("initial_depth", "2"),
    ],
)
def test_unusable_value_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        get_config("lite", **{field: value})


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="did you mean 'lite'"):
        get_config("lit")
    with pytest.raises(ValueError, match="shraing"):
        get_config("lite", shraing="fsm")
    with pytest.raises(ValueError, match="encoder"):
        ModelConfig.from_dict({"name": "x"})


def test_the_names_for_parameters_and_command_lines_need_no_torch() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'timm', 'torchvision'))); "
        "from cinet_core.model.config import CONFIG_NAMES, DEFAULT_CONFIG; "
        "import cinet_core.cli.main; "
        "from cinet_core.model import CONFIGS; print(DEFAULT_CONFIG in CONFIG_NAMES, set(CONFIG_NAMES) == set(CONFIGS))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout.split(), run.stderr) == (["True", "True"], "")


def test_a_new_configuration_is_offered_by_commands_and_by_the_node() -> None:
    """Names stand in no other file: parameters, help and launch arguments follow from `CONFIGS`."""
    root = Path(__file__).parents[2]
    names = re.compile(r"\bresnet(50|101)\b")
    sources = [path for room in ("cinet_core", "cinet_ros", "launch") for path in (root / room).rglob("*.py")]
    sources = [path for path in sources if path.name != "config.py"]
    lines = [(path.name, line) for path in sources for line in path.read_text(encoding="utf-8").splitlines()]
    assert not [(file, line) for file, line in lines if names.search(line) and "nyu_resnet101" not in line]


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_resnets_name_the_imagenet_weights_of_sgd(name: str) -> None:
    """The tag is of the weights alone: offline, without them, the network is the one that it was without the tag."""
    encoder = get_config(name).encoder
    assert encoder == f"{name}.tv_in1k"
    with torch.device("meta"):
        ours, plain = Encoder(encoder, 8), Encoder(name, 8)
    shapes = [{key: value.shape for key, value in one.state_dict().items()} for one in (ours, plain)]
    assert shapes[0] == shapes[1]
    assert (ours.image_mean, ours.image_std, ours.levels) == (plain.image_mean, plain.image_std, plain.levels)
