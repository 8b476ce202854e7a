"""ScanNet, Hypersim and ARKitScenes: small files in exactly their layouts, of scenes whose depth is known."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from cinet_core.data.arkit_scenes import ArkitScenes
from cinet_core.data.frame_files import SourceError
from cinet_core.data.hypersim import CAMERAS_FILE, SPLIT_FILE, Hypersim, pinhole
from cinet_core.data.registry import kind_at, open_dataset
from cinet_core.data.scannet import ScanNet
from cinet_core.data.scans import scan_members
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.mapping.fuse import fuse_map
from cinet_core.mapping.fused_map import MapSettings
from cinet_core.mapping.posed_frames import open_posed_frames

# --- splits


def split(name: str, places: list[str], official: list[str | None]) -> list[int]:
    return scan_members(
        name,  # type: ignore[arg-type]
        places,
        official,  # type: ignore[arg-type]
        validation_fraction=0.5,
        test_fraction=0.3,
        seed=0,
    )


def test_published_parts_decide_and_the_rest_is_left_out() -> None:
    places, official = ["a", "a", "b", "c", "d"], ["train", "train", "test", "train", None]
    assert split("test", places, official) == [2]
    assert split("trainval", places, official) == [0, 1, 3]
    assert sorted(split("train", places, official) + split("validation", places, official)) == [0, 1, 3]
    assert split("all", places, official) == [0, 1, 2, 3, 4]


def test_a_published_validation_part_is_taken_as_it_is() -> None:
    official = ["train", "validation", "test", "train"]
    assert split("validation", ["a", "b", "c", "d"], official) == [1]
    assert split("trainval", ["a", "b", "c", "d"], official) == [0, 1, 3]


def test_without_a_published_list_places_are_divided() -> None:
    places = [place for place in "abcdefgh" for _ in range(3)]
    parts = [split(name, places, [None] * 24) for name in ("train", "validation", "test")]
    assert sorted(frame for part in parts for frame in part) == list(range(24))
    for place in "abcdefgh":
        assert sum(any(places[frame] == place for frame in part) for part in parts) == 1


def test_one_place_is_a_test_and_nothing_to_train_on() -> None:
    assert split("test", ["a", "a"], [None, None]) == [0, 1]
    with pytest.raises(ValueError, match="all 2 frames belong to one room"):
        split("train", ["a", "a"], [None, None])
    with pytest.raises(ValueError, match="'test' is empty: the published lists name no frame"):
        split("test", ["a", "a"], ["train", "train"])


# --- ScanNet


def write_scan(root: Path, name: str, frames: int = 2, subset: bool = False) -> Path:
    """As SensReader exports a scan, or as scannet_frames_25k has it: the left half is a wall (1), the right a chair."""
    scan = root / name
    for folder in ("color", "depth", "pose", "label" if subset else "label-filt"):
        (scan / folder).mkdir(parents=True)
    image = np.zeros((968, 1296, 3), np.uint8)
    image[:, 648:] = 200
    for number in range(frames):
        stem = f"{number * 100:06d}" if subset else str(number)
        assert cv2.imwrite(str(scan / "color" / f"{stem}.jpg"), image)
        depth = np.full((480, 640), 1500, np.uint16)
        depth[:, 320:] = 2500
        depth[0, 0] = 0
        assert cv2.imwrite(str(scan / "depth" / f"{stem}.png"), depth)
        if subset:
            label = np.full((968, 1296), 1, np.uint8)
            label[:, 648:], label[:4, :50] = 5, 0
            assert cv2.imwrite(str(scan / "label" / f"{stem}.png"), label)
        else:
            label = np.full((968, 1296), 1, np.uint16)
            label[:, 648:], label[:4, :50] = 1163, 0  # an object without an NYU40 name of that number
            assert cv2.imwrite(str(scan / "label-filt" / f"{stem}.png"), label)
        pose = np.eye(4)
        pose[0, 3] = number
        np.savetxt(scan / "pose" / f"{stem}.txt", pose)
    k = np.array([[1170.2, 0, 647.75, 0], [0, 1170.2, 483.75, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    if subset:
        np.savetxt(scan / "intrinsics_color.txt", k)
    else:
        (scan / "intrinsic").mkdir()
        np.savetxt(scan / "intrinsic" / "intrinsic_color.txt", k)
    table = "id\traw_category\tcategory\tcount\tnyu40id\n1\twall\twall\t8277\t1\n1163\tbeanbag\tchair\t3\t5\n"
    (root / "scannetv2-labels.combined.tsv").write_text(table)
    return scan


@pytest.mark.parametrize("subset", [False, True])
def test_scannet_at_the_size_of_its_depth(tmp_path: Path, subset: bool) -> None:
    write_scan(tmp_path, "scene0000_00", subset=subset)
    assert kind_at(tmp_path) == kind_at(tmp_path / "scene0000_00") == "scannet"
    dataset = open_dataset(tmp_path, "all")
    assert isinstance(dataset, ScanNet)
    sample = dataset[1]
    assert (len(dataset), sample.size, sample.name[:12]) == (2, (640, 480), "scene0000_00")
    assert sample.depth[0, 0] == 0
    np.testing.assert_allclose(sample.depth[240, [10, 630]], [1.5, 2.5])
    assert sample.labels[240, [10, 630]].tolist() == [NYU40.classes.index("wall"), NYU40.classes.index("chair")]
    assert sample.labels[0, 5] == UNLABELLED
    assert sample.intrinsics is not None
    assert sample.intrinsics.fx == pytest.approx(1170.2 * 640 / 1296)
    assert sample.intrinsics.cx == pytest.approx(647.75 * 640 / 1296)
    pose = dataset.pose(1)
    assert pose is not None
    assert pose[0, 3] == 1.0


def test_scannet_lists_decide_the_split(tmp_path: Path) -> None:
    for name in ("scene0000_00", "scene0000_01", "scene0001_00", "scene0002_00", "scene0707_00"):
        write_scan(tmp_path / "scans", name, frames=1)
    (tmp_path / "scannetv2_train.txt").write_text("scene0000_00\nscene0000_01\nscene0001_00\n")
    (tmp_path / "scannetv2_val.txt").write_text("scene0002_00\n")
    names = {
        part: [dataset.name(index)[:12] for index in range(len(dataset))]
        for part in ("trainval", "train", "validation", "test")
        for dataset in [ScanNet(tmp_path / "scans", part, validation_fraction=0.4)]  # type: ignore[arg-type]
    }
    assert names["test"] == ["scene0002_00"]
    assert sorted(names["train"] + names["validation"]) == names["trainval"]
    assert {name[:9] for name in names["train"]}.isdisjoint(name[:9] for name in names["validation"])


def test_scannet_frames_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_scan(tmp_path, "scene0003_00", frames=12)
    dataset = ScanNet(tmp_path / "scene0003_00", "test", every=5)
    assert [dataset.name(index) for index in range(len(dataset))] == [f"scene0003_00_{number}" for number in (0, 5, 10)]


def test_scannet_lost_pose_missing_table_and_no_scan(tmp_path: Path) -> None:
    scan = write_scan(tmp_path, "scene0000_00")
    np.savetxt(scan / "pose" / "0.txt", np.full((4, 4), -np.inf))
    assert ScanNet(tmp_path, "all").pose(0) is None
    (tmp_path / "scannetv2-labels.combined.tsv").unlink()
    faults = ScanNet(tmp_path, "all").problems(0)
    assert len(faults) == 1
    assert "scannetv2-labels.combined.tsv" in str(faults[0])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no folder scene0000_00"):
        ScanNet(tmp_path / "empty")


# --- Hypersim

SIZE = (64, 48)
STANDARD = [math.tan(math.pi / 6), 0, 0, 0, 0.75 * math.tan(math.pi / 6), 0, 0, 0, -1]


def write_hdf5(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["dataset"] = values


def write_scene(root: Path, name: str, matrix: list[float] | None = None, frames: tuple[int, ...] = (0, 3)) -> None:
    """A wall 2 m before the camera, across its axis: seen under an angle it is farther along the ray."""
    width, height = SIZE
    camera = pinhole(np.reshape(matrix or STANDARD, (3, 3)), width, height)
    x = (np.arange(width) - camera.cx) / camera.fx
    y = (np.arange(height) - camera.cy) / camera.fy
    distance = 2.0 * np.sqrt(1.0 + x[None] ** 2 + y[:, None] ** 2)
    for number in frames:
        images = root / name / "images"
        (images / "scene_cam_00_final_preview").mkdir(parents=True, exist_ok=True)
        path = images / "scene_cam_00_final_preview" / f"frame.{number:04d}.tonemap.jpg"
        assert cv2.imwrite(str(path), np.full((height, width, 3), 99, np.uint8))
        stem = images / "scene_cam_00_geometry_hdf5" / f"frame.{number:04d}"
        stored = distance.astype(np.float16)
        stored[0, 0] = np.nan
        write_hdf5(stem.with_name(f"{stem.name}.depth_meters.hdf5"), stored)
        labels = np.full((height, width), 1, np.int16)
        labels[:, 32:], labels[0, 0] = 40, -1
        write_hdf5(stem.with_name(f"{stem.name}.semantic.hdf5"), labels)
    detail = root / name / "_detail"
    write_hdf5(detail / "cam_00" / "camera_keyframe_frame_indices.hdf5", np.arange(4))
    write_hdf5(detail / "cam_00" / "camera_keyframe_positions.hdf5", np.arange(12.0).reshape(4, 3))
    write_hdf5(detail / "cam_00" / "camera_keyframe_orientations.hdf5", np.tile(np.eye(3), (4, 1, 1)))
    (detail / "metadata_scene.csv").write_text("parameter_name,parameter_value\nmeters_per_asset_unit,0.0254\n")


def write_cameras(root: Path, cameras: dict[str, list[float]]) -> None:
    header = ["scene_name", *(f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3))]
    lines = [",".join([name, *map(repr, matrix)]) for name, matrix in cameras.items()]
    (root / CAMERAS_FILE).write_text("\n".join([",".join(header), *lines]) + "\n")


def test_hypersim_serves_depth_along_the_axis(tmp_path: Path) -> None:
    write_scene(tmp_path, "ai_001_001")
    assert kind_at(tmp_path) == kind_at(tmp_path / "ai_001_001") == "hypersim"
    dataset = open_dataset(tmp_path, "all")
    sample = dataset[0]
    assert (len(dataset), sample.name, sample.size) == (2, "ai_001_001_cam_00_0000", SIZE)
    known = sample.depth[sample.depth > 0]
    assert len(known) == 64 * 48 - 1
    np.testing.assert_allclose(known, 2.0, rtol=1e-3)  # the files hold half precision
    assert sample.intrinsics is not None
    assert sample.intrinsics.fx == pytest.approx(sample.intrinsics.fy)
    assert 2 * math.degrees(math.atan(32 / sample.intrinsics.fx)) == pytest.approx(60)
    assert sample.labels[10, [0, 63]].tolist() == [0, 39]
    assert sample.labels[0, 0] == UNLABELLED
    assert "every camera is taken to see 60 degrees" in dataset.remarks[0]


def test_hypersim_poses_are_in_metres_and_look_along_z(tmp_path: Path) -> None:
    write_scene(tmp_path, "ai_001_001")
    dataset = Hypersim(tmp_path / "ai_001_001", "test")
    pose = dataset.pose(1)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], np.array([9.0, 10.0, 11.0]) * 0.0254)
    np.testing.assert_allclose(pose[:3, :3], np.diag([1.0, -1.0, -1.0]))  # their camera looks along -z, y up
    (tmp_path / "ai_001_001" / "_detail" / "metadata_scene.csv").unlink()
    assert dataset.pose(1) is None


def test_hypersim_cameras_of_the_table(tmp_path: Path) -> None:
    shifted = [0.5, 0, 0.1, 0, 0.4, 0, 0, 0, -1]
    write_scene(tmp_path, "ai_001_001", shifted)
    write_scene(tmp_path, "ai_002_001")
    tilted = [0.5, 0, 0, 0, 0.4, 0, 0, 0.2, -1]
    write_cameras(tmp_path, {"ai_001_001": shifted, "ai_002_001": tilted})
    dataset = Hypersim(tmp_path, "all")
    assert {dataset.name(index)[:10] for index in range(len(dataset))} == {"ai_001_001"}
    assert "1 scenes are left out, their cameras are tilted: ai_002_001" in dataset.remarks[0]
    intrinsics = dataset[0].intrinsics
    assert intrinsics is not None
    # The ray of a pixel by K is that of M_cam_from_uv, whose y is up and whose z is backward.
    u, v = 10, 40
    ray = np.reshape(shifted, (3, 3)) @ [(2 * u + 1) / 64 - 1, 1 - (2 * v + 1) / 48, 1]
    by_k = [(u - intrinsics.cx) / intrinsics.fx, (v - intrinsics.cy) / intrinsics.fy]
    np.testing.assert_allclose(by_k, [ray[0] / -ray[2], -ray[1] / -ray[2]])
    np.testing.assert_allclose(dataset[0].depth[1:], 2.0, rtol=1e-3)


def test_hypersim_split_as_published(tmp_path: Path) -> None:
    for name in ("ai_001_001", "ai_002_001", "ai_003_001"):
        write_scene(tmp_path, name)
    rows = ["scene_name,camera_name,frame_id,included_in_public_release,exclude_reason,split_partition_name"]
    rows += [f"ai_001_001,cam_00,{frame},True,,train" for frame in (0, 3)]
    rows += ["ai_002_001,cam_00,0,True,,val", "ai_002_001,cam_00,3,False,noisy,val", "ai_003_001,cam_00,3,True,,test"]
    (tmp_path / SPLIT_FILE).write_text("\n".join(rows) + "\n")

    def names(part: str) -> list[str]:
        dataset: SceneDataset = Hypersim(tmp_path, part)  # type: ignore[arg-type]
        return [dataset.name(index) for index in range(len(dataset))]

    assert names("train") == ["ai_001_001_cam_00_0000", "ai_001_001_cam_00_0003"]
    assert names("validation") == ["ai_002_001_cam_00_0000"]
    assert names("test") == ["ai_003_001_cam_00_0003"]
    assert len(names("all")) == 6


# --- ARKitScenes

STAMP = 5512.3
VIDEO = "41048190"


def write_video(root: Path, turned: float = 0.0, frames: int = 3) -> Path:
    """The stored images see an upright room turned by an angle about the optical axis; the camera moves along x."""
    for folder in ("lowres_wide", "lowres_depth", "confidence", "lowres_wide_intrinsics"):
        (root / folder).mkdir(parents=True)
    # A camera that looks along the world's y: x to the right, z up; then it is turned about its axis.
    level = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # world to camera
    turn = cv2.Rodrigues(np.array([0.0, 0.0, math.radians(turned)]))[0]
    rotation = turn @ level
    lines = []
    for number in range(frames):
        seconds = STAMP + number / 10
        stem = f"{VIDEO}_{seconds:.3f}"
        image = np.zeros((192, 256, 3), np.uint8)
        image[:10] = (0, 0, 255)  # the first stored rows are red
        assert cv2.imwrite(str(root / "lowres_wide" / f"{stem}.png"), image)
        depth = np.full((192, 256), 1500, np.uint16)
        depth[:10] = 3000
        assert cv2.imwrite(str(root / "lowres_depth" / f"{stem}.png"), depth)
        confidence = np.full((192, 256), 2, np.uint8)
        confidence[100, 100] = 0
        assert cv2.imwrite(str(root / "confidence" / f"{stem}.png"), confidence)
        pincam = root / "lowres_wide_intrinsics" / f"{VIDEO}_{seconds + 0.001:.3f}.pincam"
        pincam.write_text("256 192 211.9 211.8 127.9 95.4")
        position = np.array([number / 10, 0.0, 1.5])
        vector = cv2.Rodrigues(rotation)[0].ravel()
        lines.append(" ".join(f"{value:.9f}" for value in (seconds, *vector, *(-rotation @ position))))
    (root / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    return root


def test_arkit_frames_camera_and_pose(tmp_path: Path) -> None:
    write_video(tmp_path / "Validation" / VIDEO)
    assert kind_at(tmp_path) == kind_at(tmp_path / "Validation" / VIDEO) == "arkit_scenes"
    dataset = open_dataset(tmp_path, "test")
    assert isinstance(dataset, ArkitScenes)
    sample = dataset[1]
    assert (len(dataset), sample.size, sample.has_labels) == (3, (256, 192), False)
    assert sample.intrinsics is not None
    assert (sample.intrinsics.fx, sample.intrinsics.cy) == (211.9, 95.4)
    np.testing.assert_allclose(sample.depth[[0, 50], 30], [3.0, 1.5])
    assert sample.depth[100, 100] == 0  # the lidar was not sure
    assert ArkitScenes(tmp_path, "test", min_confidence=0)[1].depth[100, 100] == 1.5
    pose = dataset.pose(1)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], [0.1, 0.0, 1.5], atol=1e-6)
    np.testing.assert_allclose(pose[:3, :3] @ [0, 0, 1], [0, 1, 0], atol=1e-6)  # looks along y


@pytest.mark.parametrize(("turned", "corner"), [(0.0, "top"), (90.0, "left"), (180.0, "bottom"), (-90.0, "right")])
def test_arkit_images_are_upright_by_the_poses(tmp_path: Path, turned: float, corner: str) -> None:
    """Where the camera was turned to the right by a quarter, what it stored on top is on the left of the room."""
    dataset = ArkitScenes(write_video(tmp_path / VIDEO, turned), "test")
    sample = dataset[0]
    size = (256, 192) if turned in (0.0, 180.0) else (192, 256)
    assert sample.size == size
    edge = {"top": (0, 90), "left": (90, 0), "bottom": (-1, 90), "right": (90, -1)}[corner]
    assert sample.image[(slice(None), *edge)].tolist() == [255, 0, 0]
    assert sample.depth[edge] == 3.0
    pose = dataset.pose(0)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, :3] @ [0, -1, 0], [0, 0, 1], atol=1e-6)  # up is up
    intrinsics = sample.intrinsics
    assert intrinsics is not None
    assert (intrinsics.width, intrinsics.height) == size


def test_arkit_without_poses_the_table_tells_what_is_up(tmp_path: Path) -> None:
    folder = write_video(tmp_path / "Training" / VIDEO / f"{VIDEO}_frames")  # as 3dod has it
    (folder / "lowres_wide.traj").unlink()
    (tmp_path / "metadata.csv").write_text(f"video_id,visit_id,fold,sky_direction\n{VIDEO},1,Training,Left\n")
    dataset = ArkitScenes(tmp_path, "all")
    assert dataset[0].size == (192, 256)
    assert dataset[0].image[:, 90, -1].tolist() == [255, 0, 0]  # left is turned to the top, and top to the right
    assert dataset.pose(0) is None


def test_arkit_faults(tmp_path: Path) -> None:
    folder = write_video(tmp_path / VIDEO)
    for path in (folder / "lowres_wide_intrinsics").iterdir():
        path.rename(path.with_name(f"{VIDEO}_9{path.name[-13:]}"))
    assert "nor one a millisecond off" in str(ArkitScenes(folder, "all").problems(0)[0])
    (folder / "lowres_wide.traj").write_text("1 2 3\n")
    with pytest.raises(SourceError, match="a line has 3 numbers, not 7"):
        ArkitScenes(folder, "all")
    with pytest.raises(ValueError, match="min_confidence is 3"):
        ArkitScenes(folder, "all", min_confidence=3)
    with pytest.raises(SourceError, match="no video with a folder lowres_wide"):
        ArkitScenes(tmp_path / VIDEO / "confidence")


# --- with poses


def write_recording(root: Path, kind: str) -> Path:
    """One recording of a kind; its folder."""
    if kind == "scannet":
        return write_scan(root, "scene0000_00")
    if kind == "arkit_scenes":
        return write_video(root / "Validation" / VIDEO)
    write_scene(root, "ai_001_001")
    return root / "ai_001_001"


@pytest.mark.parametrize(
    ("kind", "steps", "depth"),
    [
        ("scannet", [1.0, 0.0, 0.0], {1.5, 2.5}),
        ("arkit_scenes", [0.1, 0.0, 0.0], {1.5, 3.0}),
        ("hypersim", [9 * 0.0254, 9 * 0.0254, 9 * 0.0254], {2.0}),  # frames 0 and 3
    ],
)
def test_a_recording_is_mapped(tmp_path: Path, kind: str, steps: list[float], depth: set[float]) -> None:
    folder = write_recording(tmp_path, kind)
    frames = open_posed_frames(str(folder), {})
    first, second = frames[0], frames[1]
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(second.pose[:3, 3] - first.pose[:3, 3], steps, atol=1e-6)
    assert first.depth is not None
    assert depth <= set(np.unique(first.depth.round(2)).tolist()) <= depth | {0.0}
    assert first.image.shape[:2] == first.depth.shape == (first.intrinsics.height, first.intrinsics.width)
    assert (first.labels is None) == (kind == "arkit_scenes")
    fused = fuse_map(
        folder, settings=MapSettings(depth="sensor", voxel_size=0.1, min_weight=0, limit=1), weights=None, kind=kind
    )
    assert fused.report.frames == 1
    # A point of the wall is where pose, intrinsics and depth say.
    row, column, camera = first.intrinsics.height // 2, first.intrinsics.width // 4, first.intrinsics
    ray = np.array([(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1.0])
    wall = first.pose @ np.append(ray * first.depth[row, column], 1.0)
    assert np.linalg.norm(fused.points.xyz - wall[:3], axis=1).min() < 0.1


def test_recordings_of_several_worlds_are_not_mapped_into_one(tmp_path: Path) -> None:
    for name in ("scene0000_00", "scene0000_01"):
        write_scan(tmp_path, name, frames=1)
    with pytest.raises(SourceError, match=r"2 recordings, each with a world of its own: scene0000_00, scene0000_01"):
        open_posed_frames(str(tmp_path), {})


def test_a_set_without_poses_is_not_mapped(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="kind 'folder', which has no poses: give one of recording, rgbd_sequence"):
        open_posed_frames(str(tmp_path), {}, "folder")
    with pytest.raises(SourceError, match="camera-intrinsics"):  # by itself it is taken for one of 7-Scenes
        open_posed_frames(str(tmp_path), {})
