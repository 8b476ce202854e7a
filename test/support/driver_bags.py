"""The topics that drivers of cameras record, and which of them are right: images, their calibration, their depth."""

from __future__ import annotations

from typing import NamedTuple

from field_bags import Row

WIDE, SMALL, TOF = (128, 72), (64, 48), (64, 58)
NOT_REGISTERED = "is not registered to the images of"
NO_DEPTH = "no topic with depth images"


class Driver(NamedTuple):
    """Topics, and what is right: images, their calibration, and depth or why there is none."""

    rows: list[Row]
    image: str
    info: str | None
    depth: str
    rgbd_image: str = ""  # where it is another than `image`


def realsense(name: str, aligned: bool) -> list[Row]:
    def frame(sensor: str) -> str:
        return f"{name.strip('/')}_{sensor}_optical_frame".replace("/", "_")

    rows = [
        Row(f"{name}/infra1/image_rect_raw", "mono8", SMALL, frame("infra1")),
        Row(f"{name}/infra1/camera_info", "info", SMALL, frame("infra1"), 38.5),
        Row(f"{name}/infra2/image_rect_raw", "mono8", SMALL, frame("infra2")),
        Row(f"{name}/infra2/camera_info", "info", SMALL, frame("infra2"), 38.5),
        Row(f"{name}/depth/image_rect_raw", "16UC1", SMALL, frame("depth")),
        Row(f"{name}/depth/camera_info", "info", SMALL, frame("depth"), 38.5),
        Row(f"{name}/color/image_raw", "rgb8", SMALL, frame("color")),
        Row(f"{name}/color/camera_info", "info", SMALL, frame("color"), 61.5),
    ]
    if aligned:
        rows += [
            Row(f"{name}/aligned_depth_to_infra1/image_raw", "16UC1", SMALL, frame("infra1")),
            Row(f"{name}/aligned_depth_to_infra1/camera_info", "info", SMALL, frame("infra1"), 38.5),
            Row(f"{name}/aligned_depth_to_color/image_raw", "16UC1", SMALL, frame("color")),
            Row(f"{name}/aligned_depth_to_color/camera_info", "info", SMALL, frame("color"), 61.5),
            Row(
                f"{name}/aligned_depth_to_color/image_raw/compressedDepth",
                "depth|16UC1; compressedDepth png",
                SMALL,
                frame("color"),
            ),
            Row(
                f"{name}/aligned_depth_to_color/image_raw/compressed",
                "gray|16UC1; jpeg compressed mono8",
                SMALL,
                frame("color"),
            ),
            Row(f"{name}/color/image_raw/compressed", "jpeg|rgb8; jpeg compressed bgr8", SMALL, frame("color")),
            Row(f"{name}/color/image_raw/compressedDepth", "raw|rgb8; compressedDepth ", SMALL, frame("color")),
        ]
    return rows


def azure(prefix: str = "") -> list[Row]:
    rgb, tof = "rgb_camera_link", "depth_camera_link"
    return [
        Row(f"{prefix}/depth/image_raw", "16UC1", TOF, tof),
        Row(f"{prefix}/depth/camera_info", "info", TOF, tof, 50.0),
        Row(f"{prefix}/depth_to_rgb/image_raw", "16UC1", WIDE, rgb),
        Row(f"{prefix}/depth_to_rgb/camera_info", "info", WIDE, rgb, 60.0),
        Row(f"{prefix}/ir/image_raw", "mono16", TOF, tof),
        Row(f"{prefix}/ir/camera_info", "info", TOF, tof, 50.0),
        Row(f"{prefix}/rgb_to_depth/image_raw", "bgra8", TOF, tof),
        Row(f"{prefix}/rgb_to_depth/camera_info", "info", TOF, tof, 50.0),
        Row(f"{prefix}/body_index_map/image_raw", "mono8", TOF, tof),
        Row(f"{prefix}/rgb/image_raw", "bgra8", WIDE, rgb),
        Row(f"{prefix}/rgb/camera_info", "info", WIDE, rgb, 60.0),
    ]


def orbbec(depth_frame: str) -> list[Row]:
    return [
        Row("/camera/ir/image_raw", "mono16", TOF, "camera_ir_optical_frame"),
        Row("/camera/ir/camera_info", "info", TOF, "camera_ir_optical_frame", 50.0),
        Row("/camera/depth/image_raw", "16UC1", WIDE, depth_frame),
        Row("/camera/depth/camera_info", "info", WIDE, depth_frame, 75.0),
        Row("/camera/color/image_raw", "rgb8", WIDE, "camera_color_optical_frame"),
        Row("/camera/color/camera_info", "info", WIDE, "camera_color_optical_frame", 75.0),
    ]


def zed(space: str = "/zed/zed_node") -> list[Row]:
    left, right = "zed_left_camera_optical_frame", "zed_right_camera_optical_frame"
    rows = [
        Row(f"{space}/confidence/confidence_map", "32FC1", WIDE, left),
        Row(f"{space}/depth/depth_registered", "32FC1", WIDE, left),
        Row(f"{space}/depth/camera_info", "info", WIDE, left, 70.0),
        Row(f"{space}/stereo/image_rect_color", "bgra8", (256, 72), left),
        Row(f"{space}/left/image_rect_gray", "mono8", WIDE, left),
        Row(f"{space}/rgb_raw/image_raw_color", "bgra8", WIDE, left),
        Row(f"{space}/rgb_raw/camera_info", "info", WIDE, left, 70.0),
    ]
    for side, frame in (("right", right), ("left", left), ("rgb", left)):
        rows += [Row(f"{space}/{side}/image_rect_color", "bgra8", WIDE, frame)]
        rows += [Row(f"{space}/{side}/camera_info", "info", WIDE, frame, 70.0)]
    return rows


def kinect2() -> list[Row]:
    rows = []
    for quality, size in (("hd", (192, 108)), ("qhd", (96, 54)), ("sd", (51, 42))):
        names = {"image_color": "bgr8", "image_color_rect": "bgr8", "image_depth_rect": "16UC1", "image_mono": "mono8"}
        if quality == "sd":
            names |= {"image_ir": "16UC1", "image_ir_rect": "16UC1", "image_depth": "16UC1"}
        rows += [Row(f"/kinect2/{quality}/{name}", what, size, "kinect2_rgb") for name, what in names.items()]
        rows += [Row(f"/kinect2/{quality}/camera_info", "info", size, "kinect2_rgb", 0.55 * size[0])]
    return rows


OURS = [
    Row("/depth_registered/image_rect", "32FC1", SMALL, "camera_color_optical_frame"),
    Row("/depth_registered/camera_info", "info", SMALL, "camera_color_optical_frame", 61.5),
    Row("/semantic/image_raw", "mono8", SMALL, "camera_color_optical_frame"),
    Row("/semantic/confidence", "mono8", SMALL, "camera_color_optical_frame"),
    Row("/semantic/mask", "mono8", SMALL, "camera_color_optical_frame"),
    Row("/semantic_color/image_raw", "rgb8", SMALL, "camera_color_optical_frame"),
    Row("/semantic_overlay/image_raw", "rgb8", SMALL, "camera_color_optical_frame"),
    Row(
        "/semantic_overlay/image_raw/compressed", "jpeg|rgb8; jpeg compressed bgr8", SMALL, "camera_color_optical_frame"
    ),
]

DRIVERS = {
    "RealSense, aligned": Driver(
        realsense("/camera/camera", True), "/camera/camera/color/image_raw", "/camera/camera/color/camera_info",
        "/camera/camera/aligned_depth_to_color/image_raw",
    ),
    "RealSense, only compressed": Driver(
        [row for row in realsense("/camera", True) if "|" in row.what or row.what == "info"],
        "/camera/color/image_raw/compressed", "/camera/color/camera_info",
        "/camera/aligned_depth_to_color/image_raw/compressedDepth",
    ),
    "RealSense, not aligned": Driver(
        realsense("/camera", False), "/camera/color/image_raw", "/camera/color/camera_info", NOT_REGISTERED
    ),
    "RealSense, aligned to infrared only": Driver(
        [row for row in realsense("/camera", True) if "depth_to_color" not in row.topic],
        "/camera/color/image_raw", "/camera/color/camera_info",
        "--image-topic /camera/infra1/image_rect_raw --depth-topic /camera/aligned_depth_to_infra1/image_raw",
    ),
    "RealSense, infrared only": Driver(
        [row for row in realsense("/camera", True) if "infra" in row.topic],
        "/camera/infra1/image_rect_raw", "/camera/infra1/camera_info", "/camera/aligned_depth_to_infra1/image_raw",
    ),
    "RealSense, colour without its camera_info": Driver(
        [row for row in realsense("/camera", False) if row.topic != "/camera/color/camera_info"],
        "/camera/color/image_raw", None, NOT_REGISTERED,
    ),
    "RealSense, one frame_id for all": Driver(
        [row._replace(frame="camera_link") for row in realsense("/camera", False)],
        "/camera/color/image_raw", "/camera/color/camera_info", "the focal length of the depth is",
    ),
    "two RealSense, of which the rear one aligns": Driver(
        realsense("/front", False) + realsense("/rear", True), "/front/color/image_raw", "/front/color/camera_info",
        "/rear/aligned_depth_to_color/image_raw", "/rear/color/image_raw",
    ),
    "RealSense's own files, converted": Driver(
        [
            Row("/device_0/sensor_0/Infrared_1/image/data", "mono8", SMALL, "1"),
            Row("/device_0/sensor_0/Infrared_1/info/camera_info", "info", SMALL, "1", 38.5),
            Row("/device_0/sensor_0/Depth_0/image/data", "mono16", SMALL, "0"),
            Row("/device_0/sensor_0/Depth_0/info/camera_info", "info", SMALL, "0", 38.5),
            Row("/device_0/sensor_1/Color_0/image/data", "rgb8", SMALL, "0"),
            Row("/device_0/sensor_1/Color_0/info/camera_info", "info", SMALL, "0", 61.5),
        ],
        "/device_0/sensor_1/Color_0/image/data", "/device_0/sensor_1/Color_0/info/camera_info", NOT_REGISTERED,
    ),
    "Azure Kinect": Driver(azure(), "/rgb/image_raw", "/rgb/camera_info", "/depth_to_rgb/image_raw"),
    "Azure Kinect in a namespace": Driver(
        azure("/k4a"), "/k4a/rgb/image_raw", "/k4a/rgb/camera_info", "/k4a/depth_to_rgb/image_raw"
    ),
    "Azure Kinect without depth_to_rgb": Driver(
        [row for row in azure() if "depth_to_rgb" not in row.topic], "/rgb/image_raw", "/rgb/camera_info",
        "--image-topic /rgb_to_depth/image_raw --depth-topic /depth/image_raw",
    ),
    "Azure Kinect, only the depth camera's view": Driver(
        [row for row in azure() if row.topic.startswith(("/rgb_to_depth", "/depth/"))],
        "/rgb_to_depth/image_raw", "/rgb_to_depth/camera_info", "/depth/image_raw",
    ),
    "Orbbec, registered": Driver(
        orbbec("camera_color_optical_frame"), "/camera/color/image_raw", "/camera/color/camera_info",
        "/camera/depth/image_raw",
    ),
    "Orbbec, not registered": Driver(
        orbbec("camera_depth_optical_frame"), "/camera/color/image_raw", "/camera/color/camera_info",
        "depth is in camera_depth_optical_frame, the images in camera_color_optical_frame",
    ),
    "OAK-D": Driver(
        [
            Row("/oak/left/image_raw", "mono8", WIDE, "oak_left"),
            Row("/oak/left/camera_info", "info", WIDE, "oak_left", 80.0),
            Row("/oak/nn/passthrough/image_raw", "bgr8", (30, 30), "oak_rgb"),
            Row("/oak/right/image_raw", "mono8", WIDE, "oak_right"),
            Row("/oak/rgb/preview/image_raw", "bgr8", (30, 30), "oak_rgb"),
            Row("/oak/rgb/preview/camera_info", "info", (30, 30), "oak_rgb", 24.0),
            Row("/oak/stereo/image_raw", "16UC1", WIDE, "oak_rgb"),
            Row("/oak/stereo/camera_info", "info", WIDE, "oak_rgb", 100.0),
            Row("/oak/rgb/image_raw", "bgr8", WIDE, "oak_rgb"),
            Row("/oak/rgb/camera_info", "info", WIDE, "oak_rgb", 100.0),
        ],
        "/oak/rgb/image_raw", "/oak/rgb/camera_info", "/oak/stereo/image_raw",
    ),
    "ZED": Driver(
        zed(), "/zed/zed_node/rgb/image_rect_color", "/zed/zed_node/rgb/camera_info",
        "/zed/zed_node/depth/depth_registered",
    ),
    "ZED, names since 2025": Driver(
        [
            Row("/zed/zed_node/right/color/rect/image", "bgra8", WIDE, "zed_right"),
            Row("/zed/zed_node/right/color/rect/camera_info", "info", WIDE, "zed_right", 70.0),
            Row("/zed/zed_node/rgb/gray/rect/image", "mono8", WIDE, "zed_left"),
            Row("/zed/zed_node/rgb/color/raw/image", "bgra8", WIDE, "zed_left"),
            Row("/zed/zed_node/rgb/color/raw/camera_info", "info", WIDE, "zed_left", 70.0),
            Row("/zed/zed_node/rgb/color/rect/image", "bgra8", WIDE, "zed_left"),
            Row("/zed/zed_node/rgb/color/rect/camera_info", "info", WIDE, "zed_left", 70.0),
            Row("/zed/zed_node/depth/depth_registered", "32FC1", WIDE, "zed_left"),
        ],
        "/zed/zed_node/rgb/color/rect/image", "/zed/zed_node/rgb/color/rect/camera_info",
        "/zed/zed_node/depth/depth_registered",
    ),
    "OpenNI": Driver(
        [
            Row("/camera/ir/image", "16UC1", SMALL, "camera_depth_optical_frame"),
            Row("/camera/depth/image_raw", "16UC1", SMALL, "camera_depth_optical_frame"),
            Row("/camera/depth/image", "32FC1", SMALL, "camera_depth_optical_frame"),
            Row("/camera/depth/camera_info", "info", SMALL, "camera_depth_optical_frame", 57.5),
            Row("/camera/depth_registered/image_raw", "16UC1", SMALL, "camera_rgb_optical_frame"),
            Row("/camera/depth_registered/camera_info", "info", SMALL, "camera_rgb_optical_frame", 52.5),
            Row("/camera/rgb/image_mono", "mono8", SMALL, "camera_rgb_optical_frame"),
            Row("/camera/rgb/image_raw", "rgb8", SMALL, "camera_rgb_optical_frame"),
            Row("/camera/rgb/camera_info", "info", SMALL, "camera_rgb_optical_frame", 52.5),
        ],
        "/camera/rgb/image_raw", "/camera/rgb/camera_info", "/camera/depth_registered/image_raw",
    ),
    "Kinect 2": Driver(
        kinect2(), "/kinect2/hd/image_color_rect", "/kinect2/hd/camera_info", "/kinect2/hd/image_depth_rect"
    ),
    "TUM, from ROS 1": Driver(
        [
            Row("/camera/depth/image", "32FC1", SMALL, "/openni_rgb_optical_frame"),
            Row("/camera/depth/camera_info", "info", SMALL, "/openni_rgb_optical_frame", 52.5),
            Row("/camera/rgb/image_color", "rgb8", SMALL, "/openni_rgb_optical_frame"),
            Row("/camera/rgb/camera_info", "info", SMALL, "/openni_rgb_optical_frame", 52.5),
        ],
        "/camera/rgb/image_color", "/camera/rgb/camera_info", "/camera/depth/image",
    ),
    "Gazebo's depth camera": Driver(
        [
            Row("/depth_camera/depth/image_raw", "32FC1", SMALL, "camera_link"),
            Row("/depth_camera/depth/camera_info", "info", SMALL, "camera_link", 55.0),
            Row("/depth_camera/image_raw", "rgb8", SMALL, "camera_link"),
            Row("/depth_camera/camera_info", "info", SMALL, "camera_link", 55.0),
        ],
        "/depth_camera/image_raw", "/depth_camera/camera_info", "/depth_camera/depth/image_raw",
    ),
    "Gazebo's RGB-D camera and its segmentation": Driver(
        [
            Row("/rgbd_camera/depth_image", "32FC1", SMALL, "robot/rgbd"),
            Row("/segmentation/colored_map", "rgb8", WIDE, "robot/segmentation"),
            Row("/segmentation/labels_map", "mono8", WIDE, "robot/segmentation"),
            Row("/rgbd_camera/image", "rgb8", SMALL, "robot/rgbd"),
            Row("/rgbd_camera/camera_info", "info", SMALL, "robot/rgbd", 55.0),
        ],
        "/rgbd_camera/image", "/rgbd_camera/camera_info", "/rgbd_camera/depth_image",
    ),
    "thermal beside a webcam": Driver(
        [
            Row("/thermal/image_raw", "mono16", WIDE, "thermal"),
            Row("/boson/image_raw", "mono8", WIDE, "boson"),
            Row("/usb_cam/image_raw", "yuv422_yuy2", SMALL, "usb_cam"),
            Row("/usb_cam/camera_info", "info", SMALL, "usb_cam"),
        ],
        "/usb_cam/image_raw", "/usb_cam/camera_info", NO_DEPTH,
    ),
    "thermal only": Driver([Row("/thermal/image_raw", "mono16")], "/thermal/image_raw", None, NO_DEPTH),
    "grey stereo": Driver(
        [Row("/imu0", "text"), Row("/cam1/image_raw", "mono8", frame="b"), Row("/cam0/image_raw", "mono8", frame="a")],
        "/cam0/image_raw", None, NO_DEPTH,
    ),
    "ours beside a RealSense that does not align": Driver(
        [*OURS, *realsense("/camera", False)], "/camera/color/image_raw", "/camera/color/camera_info", NOT_REGISTERED
    ),
    "our depth alone beside a RealSense that does not align": Driver(
        [OURS[0], *realsense("/camera", False)], "/camera/color/image_raw", "/camera/color/camera_info", NOT_REGISTERED
    ),
    "ours with a prefix beside a RealSense": Driver(
        [*(row._replace(topic=f"/front{row.topic}") for row in OURS), *realsense("/camera", True)],
        "/camera/color/image_raw", "/camera/color/camera_info", "/camera/aligned_depth_to_color/image_raw",
    ),
    "ours, of which rgb/image_rect is what the camera saw": Driver(
        [*OURS, Row("/rgb/image_rect", "rgb8", SMALL, "c"), Row("/rgb/camera_info", "info", SMALL, "c", 61.5)],
        "/rgb/image_rect", "/rgb/camera_info", NO_DEPTH,
    ),
    "images drawn by programs": Driver(
        [
            Row("/yolo/dbg_image", "bgr8", WIDE, "cam"),
            Row("/rtabmap/map_image", "rgb8", (300, 300), "map", skip=(1,)),
            Row("/sam/mask", "mono8", SMALL, "cam"),
            Row("/detector/annotated/compressed", "jpeg|jpeg", WIDE, "cam"),
            Row("/camera/image_raw", "bgr8", SMALL, "cam"),
        ],
        "/camera/image_raw", None, NO_DEPTH,
    ),
    "a lidar's images": Driver(
        [
            *(Row(f"/ouster/{name}_image", "mono16", (102, 6)) for name in ("range", "signal", "nearir", "reflec")),
            Row("/flir_camera/image_raw", "bayer_rggb8", SMALL, "flir"),
        ],
        "/flir_camera/image_raw", None, NO_DEPTH,
    ),
    "formats that say only png and jpeg": Driver(
        [
            Row("/cam/depth/image_raw/compressed", "png16|png", SMALL, "cam"),
            Row("/cam/ir/image_raw/compressed", "gray|jpeg", SMALL, "cam"),
            Row("/cam/rgb/image_raw/compressed", "jpeg|jpeg", SMALL, "cam"),
        ],
        "/cam/rgb/image_raw/compressed", None, "/cam/depth/image_raw/compressed",
    ),
    "depth as JPEG is lost": Driver(
        [
            Row("/camera/depth/image/compressed", "gray|16UC1; jpeg compressed mono8"),
            Row("/camera/rgb/image/compressed", "jpeg|rgb8; jpeg compressed bgr8"),
        ],
        "/camera/rgb/image/compressed", None, "depth in 8 bits, which cannot be read",
    ),
    "video beside grey images": Driver(
        [Row("/cam/image/compressed", "raw|h264"), Row("/other/image_raw", "mono8")], "/other/image_raw", None, NO_DEPTH
    ),
    "cameras around a robot": Driver(
        [
            row
            for side in ("back", "down", "right", "front", "left")
            for row in (Row(f"/{side}/image_raw", "bgr8", WIDE, side), Row(f"/{side}/camera_info", "info", WIDE, side))
        ],
        "/front/image_raw", "/front/camera_info", NO_DEPTH,
    ),
    "depth before colour, both without a word in their names": Driver(
        [Row("/a", "16UC1", SMALL, "f"), Row("/b", "bgr8", SMALL, "f")], "/b", None, "/a"
    ),
}  # fmt: skip
