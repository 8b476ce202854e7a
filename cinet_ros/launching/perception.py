"""Arguments of perception.launch.py: the launch files that include it declare them too, and hand them on."""

from __future__ import annotations

from cinet_ros.launching.arguments import Table
from cinet_ros.launching.nodes import COMMON_ARGUMENTS, SHARE
from cinet_ros.launching.parameters import parameter_arguments
from cinet_ros.parameters import Settings

LAUNCH_FILE = SHARE / "launch" / "perception.launch.py"

PARAMETERS = (
    "weights",
    "model_config",
    "device",
    "backend",
    "precision",
    "network_width",
    "network_height",
    "cameras",
    "image_transport",
    "input_rectified",
    "assumed_fov",
    "depth_scale",
    "mask_classes",
    "anchor",
    "temporal",
    "autostart",
)
"""Parameters of the perception node that are arguments: what one sets daily. The others are for the parameter file."""

ANCHOR_TOPICS = {
    "anchor_odom": "anchor/odom",
    "anchor_scan": "anchor/scan",
    "anchor_depth": "anchor/depth/image",
    "anchor_depth_info": "anchor/depth/camera_info",
    "anchor_points": "anchor/points",
    "anchor_imu": "anchor/imu",
}
"""Arguments that name a topic of anchors, and the node's own name of it."""

ARGUMENTS: Table = {
    "image": (
        "",
        "topic of the camera's images (compressed ones: <image>/compressed); of several cameras one for each, in the "
        "order of cameras:=, or one with {camera} in it, such as /{camera}/image_raw; '': image, of a named camera "
        "<name>/image",
    ),
    "camera_info": ("", "topic of the camera's calibration, as image; '': camera_info, <name>/camera_info"),
    "anchor_odom": ("", "topic of the robot's odometry, for anchor:= and temporal:=; '': anchor/odom"),
    "anchor_scan": ("", "topic of a lidar's scan, for anchor:=scan; '': anchor/scan"),
    "anchor_depth": ("", "topic of a sparse or slow depth image, for anchor:=depth; '': anchor/depth/image"),
    "anchor_depth_info": ("", "topic of its calibration; '': anchor/depth/camera_info"),
    "anchor_points": ("", "topic of a cloud of measured points, for anchor:=depth; '': anchor/points"),
    "anchor_imu": ("", "topic of an inertial unit, for anchor:=floor with anchor_up: imu; '': anchor/imu"),
    "params_file": (str(SHARE / "config" / "perception.yaml"), "parameters of the perception node; none: no file"),
    **parameter_arguments(Settings, PARAMETERS, "params_file"),
    **COMMON_ARGUMENTS,
    "respawn": ("false", "start the perception node anew when it ends by itself, true or false; robots want true"),
    "source": (
        "",
        "play this in place of each camera: synthetic, an image, folder, video or ROS 2 bag; '' or none: no player",
    ),
    "rate": ("", "frames per second of the player; '': as in player_params_file, else the source's own"),
    "loop": (
        "",
        "whether the player starts again at the end, true or false: then everything ends with it; '': as in "
        "player_params_file, else true",
    ),
    "encoding": (
        "",
        "encoding of the player's images; '': as in player_params_file, without one rgb8, which a bag of compressed "
        "images is decoded to, or compressed with image_transport:=compressed; source: as recorded",
    ),
    "player_params_file": ("", "parameters of the player, such as config/player.yaml"),
    "end_with_player": ("true", "end everything when the player has played all of it, true or false"),
    "rviz": ("false", "show everything in RViz, true or false"),
    "rviz_frame": (
        "camera_optical_frame",
        "fixed frame of RViz: the frame_id of the camera's images; of several cameras a frame that TF has for all",
    ),
}
