"""The CI-Net network: one idea of the paper a file, named as in the paper."""

from cinet_core.model.cinet import CINet, CINetOutput, build_model
from cinet_core.model.config import CONFIGS, ModelConfig, get_config
from cinet_core.model.scene_understanding import ideal_attention, ideal_attention_labels

__all__ = [
    "CONFIGS",
    "CINet",
    "CINetOutput",
    "ModelConfig",
    "build_model",
    "get_config",
    "ideal_attention",
    "ideal_attention_labels",
]
