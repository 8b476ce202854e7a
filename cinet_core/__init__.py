"""CI-Net predicts metric depth, semantic labels and a semantic point cloud from one colour image. It never imports ROS.

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
    from cinet_core.adaptation.adapt import adapt
    from cinet_core.adaptation.report import AdaptationReport
    from cinet_core.adaptation.settings import AdaptationSettings
    from cinet_core.bags.errors import BagError
    from cinet_core.bags.extraction import Extraction, extract_bag
    from cinet_core.bags.prediction import PredictedBag, predict_bag
    from cinet_core.data.check_data import DataCheck, check_data
    from cinet_core.data.frame_files import SourceError
    from cinet_core.evaluation.ablation_report import AblationReport
    from cinet_core.evaluation.anchored import AnchorsReport, OdometryErrors, evaluate_anchors
    from cinet_core.evaluation.calibration import Calibration, calibrate
    from cinet_core.evaluation.evaluate_geometry import evaluate_geometry
    from cinet_core.evaluation.geometry_report import GeometryReport
    from cinet_core.evaluation.obstacle_scoring import ObstacleReport, score_obstacles
    from cinet_core.evaluation.report import EvaluationReport
    from cinet_core.evaluation.scoring import evaluate
    from cinet_core.evaluation.steadiness import SteadinessReport, evaluate_steadiness
    from cinet_core.evaluation.suggested_scale import ScaleSuggestion, suggest_scale
    from cinet_core.figures.drawing import DrawnFigures, draw_figures
    from cinet_core.frames.predict_frames import PredictedFrames, predict_frames
    from cinet_core.geometry import Intrinsics
    from cinet_core.inference.export import ExportedCore, ExportedGraph, export, export_any_size
    from cinet_core.inference.load import load
    from cinet_core.inference.prediction import Prediction
    from cinet_core.inference.predictor import Predictor
    from cinet_core.label_sets import LABEL_SETS, UNLABELLED, LabelSet, get_label_set
    from cinet_core.labelling.description import TeacherError
    from cinet_core.labelling.report import LabelReport
    from cinet_core.labelling.run import label_dataset
    from cinet_core.labelling.settings import AgreementSettings, LabelSettings
    from cinet_core.mapping.fuse import fuse_map
    from cinet_core.mapping.fused_map import FusedMap, MapReport, MapSettings
    from cinet_core.model_metadata import CheckpointError, ModelMetadata, read_metadata
    from cinet_core.obstacles.settings import ObstacleSettings
    from cinet_core.odometry.compare import compare_odometry
    from cinet_core.odometry.comparison import OdometryComparison, TrackedDepth
    from cinet_core.progress import Progress
    from cinet_core.selection.report import SelectionReport
    from cinet_core.selection.run import select_frames
    from cinet_core.selection.settings import SelectionSettings
    from cinet_core.training.ablate import ablate
    from cinet_core.training.errors import TrainingError
    from cinet_core.training.plan import TrainingPlan
    from cinet_core.training.recipe_file import read_recipe
    from cinet_core.training.run import TrainingResult
    from cinet_core.training.settings import Recipe
    from cinet_core.training.train import plan_training, train
    from cinet_core.viewer.labelled_recording import record_labelled
    from cinet_core.viewer.source_recording import RecordedSource, record_source
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AblationReport": "cinet_core.evaluation.ablation_report",
            "AgreementSettings": "cinet_core.labelling.settings",
            "AdaptationReport": "cinet_core.adaptation.report",
            "AdaptationSettings": "cinet_core.adaptation.settings",
            "AnchorsReport": "cinet_core.evaluation.anchored",
            "BagError": "cinet_core.bags.errors",
            "Calibration": "cinet_core.evaluation.calibration",
            "CheckpointError": "cinet_core.model_metadata",
            "DataCheck": "cinet_core.data.check_data",
            "DrawnFigures": "cinet_core.figures.drawing",
            "ExportedCore": "cinet_core.inference.export",
            "ExportedGraph": "cinet_core.inference.export",
            "Extraction": "cinet_core.bags.extraction",
            "FusedMap": "cinet_core.mapping.fused_map",
            "GeometryReport": "cinet_core.evaluation.geometry_report",
            "Intrinsics": "cinet_core.geometry",
            "LABEL_SETS": "cinet_core.label_sets",
            "LabelReport": "cinet_core.labelling.report",
            "LabelSet": "cinet_core.label_sets",
            "LabelSettings": "cinet_core.labelling.settings",
            "MapReport": "cinet_core.mapping.fused_map",
            "MapSettings": "cinet_core.mapping.fused_map",
            "ModelMetadata": "cinet_core.model_metadata",
            "ObstacleReport": "cinet_core.evaluation.obstacle_scoring",
            "ObstacleSettings": "cinet_core.obstacles.settings",
            "OdometryErrors": "cinet_core.evaluation.anchored",
            "OdometryComparison": "cinet_core.odometry.comparison",
            "PredictedBag": "cinet_core.bags.prediction",
            "PredictedFrames": "cinet_core.frames.predict_frames",
            "Prediction": "cinet_core.inference.prediction",
            "Predictor": "cinet_core.inference.predictor",
            "Progress": "cinet_core.progress",
            "Recipe": "cinet_core.training.settings",
            "RecordedSource": "cinet_core.viewer.source_recording",
            "EvaluationReport": "cinet_core.evaluation.report",
            "ScaleSuggestion": "cinet_core.evaluation.suggested_scale",
            "SelectionReport": "cinet_core.selection.report",
            "SelectionSettings": "cinet_core.selection.settings",
            "SteadinessReport": "cinet_core.evaluation.steadiness",
            "SourceError": "cinet_core.data.frame_files",
            "TeacherError": "cinet_core.labelling.description",
            "TrackedDepth": "cinet_core.odometry.comparison",
            "TrainingError": "cinet_core.training.errors",
            "TrainingPlan": "cinet_core.training.plan",
            "TrainingResult": "cinet_core.training.run",
            "UNLABELLED": "cinet_core.label_sets",
            "ablate": "cinet_core.training.ablate",
            "adapt": "cinet_core.adaptation.adapt",
            "calibrate": "cinet_core.evaluation.calibration",
            "check_data": "cinet_core.data.check_data",
            "compare_odometry": "cinet_core.odometry.compare",
            "draw_figures": "cinet_core.figures.drawing",
            "evaluate": "cinet_core.evaluation.scoring",
            "evaluate_anchors": "cinet_core.evaluation.anchored",
            "evaluate_geometry": "cinet_core.evaluation.evaluate_geometry",
            "evaluate_steadiness": "cinet_core.evaluation.steadiness",
            "export": "cinet_core.inference.export",
            "export_any_size": "cinet_core.inference.export",
            "extract_bag": "cinet_core.bags.extraction",
            "fuse_map": "cinet_core.mapping.fuse",
            "get_label_set": "cinet_core.label_sets",
            "label_dataset": "cinet_core.labelling.run",
            "load": "cinet_core.inference.load",
            "plan_training": "cinet_core.training.train",
            "predict_bag": "cinet_core.bags.prediction",
            "predict_frames": "cinet_core.frames.predict_frames",
            "read_metadata": "cinet_core.model_metadata",
            "read_recipe": "cinet_core.training.recipe_file",
            "record_labelled": "cinet_core.viewer.labelled_recording",
            "record_source": "cinet_core.viewer.source_recording",
            "score_obstacles": "cinet_core.evaluation.obstacle_scoring",
            "select_frames": "cinet_core.selection.run",
            "suggest_scale": "cinet_core.evaluation.suggested_scale",
            "train": "cinet_core.training.train",
        },
    )

__all__ = [
    "LABEL_SETS",
    "UNLABELLED",
    "AblationReport",
    "AdaptationReport",
    "AdaptationSettings",
    "AgreementSettings",
    "AnchorsReport",
    "BagError",
    "Calibration",
    "CheckpointError",
    "DataCheck",
    "DrawnFigures",
    "EvaluationReport",
    "ExportedCore",
    "ExportedGraph",
    "Extraction",
    "FusedMap",
    "GeometryReport",
    "Intrinsics",
    "LabelReport",
    "LabelSet",
    "LabelSettings",
    "MapReport",
    "MapSettings",
    "ModelMetadata",
    "ObstacleReport",
    "ObstacleSettings",
    "OdometryComparison",
    "OdometryErrors",
    "PredictedBag",
    "PredictedFrames",
    "Prediction",
    "Predictor",
    "Progress",
    "Recipe",
    "RecordedSource",
    "ScaleSuggestion",
    "SelectionReport",
    "SelectionSettings",
    "SourceError",
    "SteadinessReport",
    "TeacherError",
    "TrackedDepth",
    "TrainingError",
    "TrainingPlan",
    "TrainingResult",
    "__version__",
    "ablate",
    "adapt",
    "calibrate",
    "check_data",
    "compare_odometry",
    "draw_figures",
    "evaluate",
    "evaluate_anchors",
    "evaluate_geometry",
    "evaluate_steadiness",
    "export",
    "export_any_size",
    "extract_bag",
    "fuse_map",
    "get_label_set",
    "label_dataset",
    "load",
    "plan_training",
    "predict_bag",
    "predict_frames",
    "read_metadata",
    "read_recipe",
    "record_labelled",
    "record_source",
    "score_obstacles",
    "select_frames",
    "suggest_scale",
    "train",
]
