"""CI-Net: joint monocular depth estimation and semantic segmentation. Imports no ROS, ever."""

__version__ = "0.1.0"
