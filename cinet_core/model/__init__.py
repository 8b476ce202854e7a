"""The CI-Net network: one idea of the paper a file, named as in the paper.

Names are imported when they are first asked for: the settings of a network (`ModelConfig`) need no PyTorch.
"""

from typing import TYPE_CHECKING

from cinet_core.lazy import lazy_names

if TYPE_CHECKING:
    from cinet_core.model.cinet import CINet, CINetOutput, build_model
    from cinet_core.model.config import CONFIGS, ModelConfig, get_config
    from cinet_core.model.scene_understanding import ideal_attention, ideal_attention_labels
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "CINet": "cinet_core.model.cinet",
            "CINetOutput": "cinet_core.model.cinet",
            "build_model": "cinet_core.model.cinet",
            "CONFIGS": "cinet_core.model.config",
            "ModelConfig": "cinet_core.model.config",
            "get_config": "cinet_core.model.config",
            "ideal_attention": "cinet_core.model.scene_understanding",
            "ideal_attention_labels": "cinet_core.model.scene_understanding",
        },
    )

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
