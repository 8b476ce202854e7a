"""The whole network: shapes, parameter counts, odd sizes, gradients, and no N x N map unless asked for."""

import functools
import math
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cinet_core.geometry import CANONICAL_FOCAL, to_canonical
from cinet_core.model import CONFIGS, CINet, ModelConfig, build_model, get_config
from cinet_core.model.scene_understanding import SceneUnderstanding

BASELINE = {"scene_understanding": False, "sharing": "none"}
TINY = {
    "encoder": "test_efficientnet",
    "feature_channels": 24,
    "query_channels": 8,
    "decoder_channels": [16, 12, 8],
    "num_classes": 7,
}


def tiny_config(name: str = "lite", **overrides: Any) -> ModelConfig:
    return get_config(name, **{**TINY, **overrides})


@functools.cache
def on_meta(name: str, **overrides: Any) -> CINet:
    """A network without storage: shapes and dispatched operations are real, and nothing is computed."""
    with torch.device("meta"):
        return CINet(get_config(name, **overrides)).eval()


@pytest.mark.parametrize(
    ("name", "overrides", "parameters"),
    [
        ("resnet101", {}, 55_518_633),
        ("resnet101", {"sharing": "lsu"}, 55_043_625),
        ("resnet101", {"sharing": "none"}, 54_451_241),
        ("resnet101", BASELINE, 54_122_921),
        ("resnet50", {}, 36_526_505),
        ("resnet50", BASELINE, 35_130_793),
        ("lite_v1", {}, 3_271_473),
        ("lite_v1", {"sharing": "lsu"}, 3_190_833),
        ("lite_v1", {"sharing": "none"}, 3_099_697),
        ("lite_v1", BASELINE, 3_074_929),
        ("lite_v1", {"num_classes": 37}, 3_271_473 - 3 * 33),
        # The entry of the features at 1/16, the skip of those at 1/4 and 1/2 (24 + 4 * 16 channels), convex weights.
        ("lite", {}, 3_271_473 + 113 * 128 + (88 + 2) * 32 + 2 * 33 * 96 + 33 * 144),
        ("lite", {"skip_strides": (), "depth_upsampling": "bilinear"}, 3_271_473),
    ],
)
def test_parameter_counts(name: str, overrides: dict[str, Any], parameters: int) -> None:
    assert sum(parameter.numel() for parameter in on_meta(name, **overrides).parameters()) == parameters


def check_shapes(model: CINet, batch: int, height: int, width: int, device: str) -> None:
    config = model.config
    image = torch.zeros(batch, 3, height, width, device=device)
    with torch.inference_mode():
        output = model(image)
    positions = math.ceil(height / 8) * math.ceil(width / 8)
    assert output.depth.shape == (batch, 1, height, width)
    fine, coarse = config.logit_stride, config.decoder_strides[-1]
    assert output.logits.shape == (batch, config.num_classes, math.ceil(height / fine), math.ceil(width / fine))
    for features in (output.depth_features, output.semantic_features):
        channels = config.decoder_channels[-1]
        assert features.shape == (batch, channels, math.ceil(height / coarse), math.ceil(width / coarse))
    for projection in (output.query, output.key):
        assert projection.shape == (batch, positions, config.query_channels)
    assert output.attention is None


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_at_any_size(name: str) -> None:
    model = on_meta(name)
    for batch, height, width in ((1, 480, 640), (2, 241, 319), (1, 16, 16)):
        check_shapes(model, batch, height, width, "meta")


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (63, 95)])
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("lite_v1", {"sharing": "fsm"}),
        ("lite_v1", {"sharing": "lsu"}),
        ("lite_v1", {"sharing": "none"}),
        ("lite", {}),
        ("lite", {"decoder_strides": [4, 4, 2], "logit_stride": 1}),
        ("lite", {"decoder_strides": [8, 4, 4], "skip_strides": [4], "depth_upsampling": "bilinear"}),
        ("lite", {"antialiased": True}),
    ],
)
def test_real_predictions_at_odd_sizes(size: tuple[int, int], name: str, overrides: dict[str, Any]) -> None:
    model = build_model(tiny_config(name, **overrides), seed=0).eval()
    check_shapes(model, 1, *size, "cpu")
    with torch.inference_mode():
        output = model(torch.randn(2, 3, *size))
    assert output.depth.dtype == torch.float32
    assert (output.depth > 0).all()
    assert torch.isfinite(output.depth).all()
    assert torch.isfinite(output.logits).all()


@pytest.mark.parametrize("name", ["resnet50", "lite_v1", "lite"])
def test_real_weights_predict_about_the_initial_depth(name: str) -> None:
    model = build_model(get_config(name, initial_depth=1.7), seed=0).eval()
    with torch.inference_mode():
        depth = model(torch.randn(1, 3, 48, 64)).depth
    assert depth.median() == pytest.approx(1.7, rel=0.15)


def test_depth_stays_positive_where_softplus_underflows() -> None:
    model = build_model(tiny_config("lite_v1"), seed=0).eval()
    torch.nn.init.constant_(model.depth_head.conv.bias, -1e4)
    with torch.inference_mode():
        assert (model(torch.zeros(1, 3, 32, 32)).depth > 0).all()


@pytest.mark.parametrize("answer", [-1e4, 1e4])
def test_depth_stays_positive_and_finite_where_the_exponential_does_not(answer: float) -> None:
    model = build_model(tiny_config(), seed=0).eval()
    torch.nn.init.constant_(model.depth_head.log_depth.bias, answer)
    with torch.inference_mode():
        depth = model(torch.zeros(1, 3, 32, 32)).depth
    assert (depth > 0).all()
    assert (depth < 1000).all()


def test_log_depth_covers_every_lens_and_size_in_use() -> None:
    """Canonical depths of .3 to 15 m, from f_net = 65 (90 degrees at 130 pixels) to 600 pixels."""
    model = build_model(tiny_config(), seed=0).eval()
    assert model.depth_head.log_depth is not None
    for metric, f_net in ((0.3, 600.0), (15.0, 65.0)):
        canonical = to_canonical(metric, f_net, CANONICAL_FOCAL)
        torch.nn.init.constant_(model.depth_head.log_depth.bias, math.log(canonical))
        torch.nn.init.zeros_(model.depth_head.log_depth.weight)
        with torch.inference_mode():
            depth = model(torch.zeros(1, 3, 32, 32)).depth
        torch.testing.assert_close(depth, torch.full_like(depth, canonical))


@pytest.mark.parametrize("name", ["lite_v1", "lite"])
@pytest.mark.parametrize(("sharing", "scene_understanding"), [("fsm", True), ("lsu", True), ("none", False)])
def test_gradients_reach_every_parameter(name: str, sharing: str, scene_understanding: bool) -> None:
    model = build_model(tiny_config(name, sharing=sharing, scene_understanding=scene_understanding), seed=0).train()
    output = model(torch.randn(2, 3, 64, 80, generator=torch.Generator().manual_seed(0)))
    (output.depth.square().mean() + output.logits.square().mean()).backward()
    untouched = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not untouched


def test_teacher_forcing_makes_the_prediction_independent_of_query_and_key() -> None:
    model = build_model(tiny_config(), seed=0).eval()
    image = torch.randn(1, 3, 64, 80)
    labels = torch.randint(0, 7, (1, 64, 80))
    with torch.inference_mode():
        taught, predicted = model(image, labels).depth, model(image).depth
        torch.nn.init.normal_(model.scene_understanding.query.weight)
        assert torch.equal(model(image, labels).depth, taught)
        assert not torch.equal(model(image).depth, predicted)


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    model = build_model(tiny_config(), seed=0).eval()
    images = torch.randn(3, 3, 40, 48)
    with torch.inference_mode():
        together = model(images).depth
        alone = torch.cat([model(image[None]).depth for image in images])
    torch.testing.assert_close(together, alone)


class TensorSizes(TorchDispatchMode):
    """Remembers the shape of every tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.shapes += [tuple(leaf.shape) for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        return result

    def largest_square(self, side: int) -> int:
        """Most elements of a tensor with at least half of an N x N map's rows, or of exactly N * N elements."""
        maps = [
            s for s in self.shapes if (s[-1:] == (side,) and len(s) > 1 and s[-2] * 2 > side) or math.prod(s) == side**2
        ]
        return max(map(math.prod, maps), default=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_inference_never_makes_the_attention_map_unless_asked(name: str) -> None:
    model = on_meta(name)
    image = torch.zeros(1, 3, 480, 640, device="meta")
    positions = 60 * 80
    found = {}
    for keep_attention in (False, True):
        with torch.inference_mode(), TensorSizes() as sizes:
            output = model(image, keep_attention=keep_attention)
        found[keep_attention] = sizes.largest_square(positions)
        assert (output.attention is not None) == keep_attention
    assert found == {False: 0, True: positions**2}


def test_training_never_makes_the_attention_map_either() -> None:
    module = SceneUnderstanding(8, 4, num_classes=7)
    features = torch.randn(1, 8, 60, 80)
    for teacher_labels in (None, torch.zeros(1, 480, 640, dtype=torch.int64)):
        with TensorSizes() as sizes:
            module(features, teacher_labels).features.mean().backward()
        assert sizes.largest_square(60 * 80) == 0


def test_kept_attention_is_the_one_that_was_applied() -> None:
    model = build_model(tiny_config(), seed=0).eval()
    image = torch.randn(1, 3, 64, 80)
    with torch.inference_mode():
        kept, blocked = model(image, keep_attention=True), model(image)
    assert kept.attention.shape == (1, 80, 80)
    torch.testing.assert_close(kept.attention, torch.sigmoid(kept.query @ kept.key.mT))
    torch.testing.assert_close(kept.depth, blocked.depth)


def test_seed_decides_the_weights_and_leaves_the_generators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    seeded.clear()
    first, again, other = (build_model(tiny_config(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not seeded
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["depth_head.log_depth.weight"], other["depth_head.log_depth.weight"])


@pytest.mark.parametrize("shape", [(1, 3, 15, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_unusable_image_is_named(shape: tuple[int, ...]) -> None:
    model = on_meta("lite")
    with pytest.raises(ValueError, match="must be"):
        model(torch.zeros(shape, device="meta"))


def test_memory_format_survives_the_network() -> None:
    model = build_model(tiny_config(), seed=0).eval()
    with torch.inference_mode():
        output = model(torch.randn(2, 3, 64, 80))
    assert output.logits.is_contiguous(memory_format=torch.channels_last)
    assert not output.logits.is_contiguous()


def test_fine_features_reach_depth_and_labels() -> None:
    """An edge that moves by two pixels at full size moves the answer: 1/8 alone hardly sees it."""
    model = build_model(tiny_config(), seed=0).eval()
    for projection in (model.decoders.stages[0].skip.to_depth, model.decoders.stages[0].skip.to_semantic):
        torch.nn.init.normal_(projection.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    image = torch.randn(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        with_skips = model(image)
        model.decoders.stages[0].skip = None
        without = model(image)
    assert (with_skips.depth_features - without.depth_features).abs().mean() > 0.01
    assert (with_skips.semantic_features - without.semantic_features).abs().mean() > 0.01


def test_an_encoder_without_fine_features_goes_without_skips() -> None:
    """ConvNeXt has none at 1/2, and at its own end they are used already."""
    with torch.device("meta"):
        model = CINet(get_config("lite", encoder="convnext_atto", encoder_stride=16))
    assert set(model.encoder.skip_channels) == {4}
    assert model.entry_skip is None
