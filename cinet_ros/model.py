"""Loads the model that the parameters name on the device that they name."""

from __future__ import annotations

from cinet_core.inference.backend import OutOfDeviceMemoryError
from cinet_core.inference.engine import Network
from cinet_core.inference.networks import RANDOM_WEIGHTS, named_network
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import NYU40, LabelSet
from cinet_core.model_metadata import CheckpointError, read_metadata
from cinet_ros.diagnostics import WARN, Conditions
from cinet_ros.parameters import Settings

NO_WEIGHTS = (
    "no weights given: the parameter `weights` is empty. Set it to `default` for those that ship, or to a checkpoint: "
    "`ros2 launch cinet_ros perception.launch.py weights:=/path/to/model.safetensors`"
)
RANDOM_WARNING = "random weights: depth, labels and points mean nothing; give a trained checkpoint in `weights`"


def label_set_of(settings: Settings) -> LabelSet | None:
    """Return the label set from the header of the weights, or None if they cannot be used, which loading reports."""
    if settings.weights == RANDOM_WEIGHTS:
        return NYU40
    try:
        return read_metadata(settings.weights).label_set
    except CheckpointError:
        return None


def load_predictor(settings: Settings, conditions: Conditions) -> Predictor:
    """Load the weights to the device. Warnings are reported to ``conditions``.

    Raises:
        CheckpointError: the weights cannot be used.
        ValueError: there is no such device, or a class of ``mask_classes`` is unknown.
        OutOfDeviceMemoryError, DeviceLostError: the device does not take the weights, and ``oom_fallback`` is none.
    """
    network = _load_network(settings, conditions)
    settings.check_classes(network.metadata.label_set)  # the file may be another than at the start
    try:
        return _predictor(network, settings, settings.device)
    except OutOfDeviceMemoryError as error:
        if settings.oom_fallback != "cpu":
            raise
        text = f"configured on the CPU: {error}. It is slow: free memory on the device, then clean up and configure"
    conditions.report("fallback", WARN, text, lasting=True)
    return _predictor(network, settings, "cpu")


def _predictor(network: Network, settings: Settings, device: str) -> Predictor:
    return Predictor(
        network,
        device,
        settings.network_size,
        settings.output_size,
        backend=settings.backend,
        precision=settings.precision,
        background=True,
    )


def _load_network(settings: Settings, conditions: Conditions) -> Network:
    random = settings.weights == RANDOM_WEIGHTS
    network = named_network(settings.weights, settings.model_config if random else None)
    if network.metadata.random_weights:
        conditions.report("random", WARN, RANDOM_WARNING, lasting=True)
    if random:
        return network
    if settings.weights_sha256 not in ("", network.sha256):
        raise CheckpointError(
            f"{settings.weights} has the SHA-256 {network.sha256}, weights_sha256 demands "
            f"{settings.weights_sha256}: copy or download it again, or start with the digest of the file you mean"
        )
    return network
