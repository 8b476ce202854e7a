"""From a checkpoint and a camera image to metric depth, labels and confidence."""

from cinet_core.inference.backend import Backend, BackendOutput, DeviceLostError, OutOfDeviceMemoryError
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.predictor import Prediction, Predictor

__all__ = [
    "Backend",
    "BackendOutput",
    "DeployableGraph",
    "DeviceLostError",
    "OutOfDeviceMemoryError",
    "Prediction",
    "Predictor",
]
