"""CI-Net: metric depth, semantic labels and a semantic point cloud from one colour image. Imports no ROS, ever.

>>> import cinet_core
>>> with cinet_core.load("default", device="cpu") as predictor:
...     prediction = predictor("docs/example_room.jpg", fov=57)
>>> prediction.depth.shape, prediction.points().shape
((240, 320), (240, 320, 3))
>>> prediction.class_names[:2]
('wall', 'floor')

What this module names is public, and imported when it is first asked for: importing it takes no PyTorch.
"""

from typing import TYPE_CHECKING

from cinet_core.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cinet_core.bags.errors import BagError
    from cinet_core.bags.extraction import Extraction, extract_bag
    from cinet_core.data.frame_files import SourceError
    from cinet_core.evaluation.report import Report
    from cinet_core.evaluation.scoring import evaluate
    from cinet_core.evaluation.suggested_scale import ScaleSuggestion, suggest_scale
    from cinet_core.geometry import Intrinsics
    from cinet_core.inference.export import ExportedGraph, export
    from cinet_core.inference.load import load
    from cinet_core.inference.prediction import Prediction
    from cinet_core.inference.predictor import Predictor
    from cinet_core.label_sets import LABEL_SETS, UNLABELLED, LabelSet, get_label_set
    from cinet_core.mapping.fuse import fuse_map
    from cinet_core.mapping.fused_map import FusedMap, MapReport, MapSettings
    from cinet_core.model_metadata import CheckpointError, ModelMetadata, read_metadata
    from cinet_core.odometry.comparison import OdometryComparison, TrackedDepth, compare_odometry
    from cinet_core.progress import Progress
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "LABEL_SETS": "cinet_core.label_sets",
            "UNLABELLED": "cinet_core.label_sets",
            "BagError": "cinet_core.bags.errors",
            "CheckpointError": "cinet_core.model_metadata",
            "ExportedGraph": "cinet_core.inference.export",
            "Extraction": "cinet_core.bags.extraction",
            "FusedMap": "cinet_core.mapping.fused_map",
            "Intrinsics": "cinet_core.geometry",
            "LabelSet": "cinet_core.label_sets",
            "MapReport": "cinet_core.mapping.fused_map",
            "MapSettings": "cinet_core.mapping.fused_map",
            "ModelMetadata": "cinet_core.model_metadata",
            "OdometryComparison": "cinet_core.odometry.comparison",
            "Prediction": "cinet_core.inference.prediction",
            "Predictor": "cinet_core.inference.predictor",
            "Progress": "cinet_core.progress",
            "Report": "cinet_core.evaluation.report",
            "ScaleSuggestion": "cinet_core.evaluation.suggested_scale",
            "SourceError": "cinet_core.data.frame_files",
            "TrackedDepth": "cinet_core.odometry.comparison",
            "compare_odometry": "cinet_core.odometry.comparison",
            "evaluate": "cinet_core.evaluation.scoring",
            "export": "cinet_core.inference.export",
            "extract_bag": "cinet_core.bags.extraction",
            "fuse_map": "cinet_core.mapping.fuse",
            "get_label_set": "cinet_core.label_sets",
            "load": "cinet_core.inference.load",
            "read_metadata": "cinet_core.model_metadata",
            "suggest_scale": "cinet_core.evaluation.suggested_scale",
        },
    )

__all__ = [
    "LABEL_SETS",
    "UNLABELLED",
    "BagError",
    "CheckpointError",
    "ExportedGraph",
    "Extraction",
    "FusedMap",
    "Intrinsics",
    "LabelSet",
    "MapReport",
    "MapSettings",
    "ModelMetadata",
    "OdometryComparison",
    "Prediction",
    "Predictor",
    "Progress",
    "Report",
    "ScaleSuggestion",
    "SourceError",
    "TrackedDepth",
    "__version__",
    "compare_odometry",
    "evaluate",
    "export",
    "extract_bag",
    "fuse_map",
    "get_label_set",
    "load",
    "read_metadata",
    "suggest_scale",
]
