"""A map of a room whose surfaces, colours and classes are known exactly; its budget, its votes and its file."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cinet_core.geometry import Intrinsics, project
from cinet_core.label_sets import NYU13, NYU40
from cinet_core.mapping.comparison import Open3DFusion, surface_distance
from cinet_core.mapping.map_file import MapFileError
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.semantic_map import MAX_WEIGHT, SemanticMap
from cinet_core.mapping.votes import CANDIDATES, COUNTS, FULL, Votes, winners, with_votes
from cinet_core.rooms.demo.room import SyntheticFrame, SyntheticRoom

VOXEL = 0.04
CAMERA = Intrinsics(70.0, 70.0, 39.5, 29.5, 80, 60)
WALL, FLOOR, CHAIR = NYU40.ids(["wall", "floor", "chair"])


def fuse_wall(
    semantic_map: SemanticMap, x: float = 0.0, label: int = WALL, confidence: int = 255, distance: float = 1.01
) -> bool:
    """Fuse the view of a wall that faces the camera, which stands at (x, 0, 0) and looks along z."""
    size = (CAMERA.height, CAMERA.width)
    pose = np.eye(4)
    pose[0, 3] = x
    return semantic_map.integrate(
        np.full(size, distance, np.float32),
        np.full(size, label, np.uint8),
        np.full(size, confidence, np.uint8),
        np.full((*size, 3), (200, 100, 50), np.uint8),
        CAMERA,
        pose,
    )


def in_order(points: MapPoints) -> list[tuple[object, ...]]:
    """The points as a sorted list: fusion gives them in no order."""
    rows = zip(points.xyz.tolist(), points.rgb.tolist(), points.labels, points.confidence, strict=True)
    return sorted((*xyz, *rgb, int(label), int(share)) for xyz, rgb, label, share in rows)


@dataclass
class Mapped:
    room: SyntheticRoom
    frames: list[SyntheticFrame]
    map: SemanticMap


@pytest.fixture(scope="module")
def mapped() -> Mapped:
    room = SyntheticRoom(0, 320, 240)
    frames = [room.render(index) for index in range(0, 48, 4)]
    semantic_map = SemanticMap(NYU40, VOXEL, max_blocks=3000)
    for frame in frames:
        sure = np.full(frame.labels.shape, 255, np.uint8)
        assert semantic_map.integrate(
            frame.depth, frame.labels, sure, frame.image, room.intrinsics, frame.camera_to_world
        )
    return Mapped(room, frames, semantic_map)


def test_surface_classes_and_colors_are_those_of_the_room(mapped: Mapped) -> None:
    points = mapped.map.surface(1.0)
    assert len(points) > 20_000
    errors, colors, agree, seen = [], [], 0, 0
    for frame in mapped.frames[::4]:
        camera_from_map = np.linalg.inv(frame.camera_to_world)
        local = points.xyz @ camera_from_map[:3, :3].T + camera_from_map[:3, 3]
        pixel = np.rint(np.nan_to_num(project(local, mapped.room.intrinsics), nan=-1)).astype(int)
        inside = (pixel >= 1).all(axis=1) & (pixel < (319, 239)).all(axis=1)
        u, v = pixel[inside].T
        error = frame.depth[v, u] - local[inside, 2]
        near = np.abs(error) < 2 * VOXEL  # others are hidden behind something
        errors.append(error[near])
        colors.append(frame.image[v, u][near].astype(int) - points.rgb[inside][near])
        agree += int((frame.labels[v, u][near] == points.labels[inside][near]).sum())
        seen += int(near.sum())
    error = np.concatenate(errors)
    assert seen > 5000
    assert abs(np.median(error)) < 0.1 * VOXEL
    assert np.median(np.abs(error)) < 0.25 * VOXEL
    assert agree / seen > 0.96
    assert np.abs(np.concatenate(colors).mean(axis=0)).max() < 3
    assert (points.labels == 255).mean() < 0.03


def test_as_open3d_fuses_the_same_frames(mapped: Mapped) -> None:
    reference = Open3DFusion(VOXEL, 4.0)
    for frame in mapped.frames:
        reference.integrate(frame.depth, mapped.room.intrinsics, frame.camera_to_world)
    distance = surface_distance(mapped.map.surface(1.0).xyz, reference.points(1.0))
    assert distance["to_reference"]["median"] < 0.25 * VOXEL
    assert distance["to_reference"]["p90"] < 2 * VOXEL
    assert distance["from_reference"]["p90"] < 2 * VOXEL


def test_a_slanted_plane_lies_where_it_is() -> None:
    """Half a pixel of error would move it by a centimetre along z."""
    slope = 0.8
    ray = (np.arange(CAMERA.width) - CAMERA.cx) / CAMERA.fx
    depth = np.tile(1.5 / (1.0 - slope * ray), (CAMERA.height, 1)).astype(np.float32)  # z = 1.5 + slope x
    empty = np.full(depth.shape, 255, np.uint8)
    semantic_map = SemanticMap(NYU40, 0.02, max_depth=5.0, max_blocks=4000)
    semantic_map.integrate(depth, empty, empty, np.zeros((*depth.shape, 3), np.uint8), CAMERA, np.eye(4))
    xyz = semantic_map.surface(0.0).xyz
    middle = xyz[np.abs(xyz[:, 0]) < 0.3]
    assert len(middle) > 500
    assert abs(np.mean(middle[:, 2] - 1.5 - slope * middle[:, 0])) < 0.003


def test_votes_weigh_their_confidence() -> None:
    semantic_map = SemanticMap(NYU40, VOXEL, max_blocks=500)
    for label, confidence in ((CHAIR, 40), (CHAIR, 40), (FLOOR, 160)):
        fuse_wall(semantic_map, label=label, confidence=confidence)
    points = semantic_map.surface(0.0)
    assert Counter(points.labels.tolist()).most_common(1)[0][0] == FLOOR
    shares = points.confidence[points.labels == FLOOR]
    assert np.median(shares) == pytest.approx(255 * 160 / 240, abs=1)
    assert (points.rgb == (200, 100, 50)).all()


def test_a_wall_that_voxels_lie_on_exactly_is_there() -> None:
    semantic_map = SemanticMap(NYU40, 0.0625, max_blocks=500)
    fuse_wall(semantic_map, distance=1.0)
    xyz = semantic_map.surface(0.0).xyz
    assert len(xyz) > 100
    np.testing.assert_allclose(xyz[:, 2], 1.0, atol=1e-3)


def test_without_labels_there_is_a_surface_without_labels() -> None:
    semantic_map = SemanticMap(NYU40, VOXEL, max_blocks=500)
    fuse_wall(semantic_map, label=255)
    points = semantic_map.surface(0.0)
    assert len(points) > 100
    assert (points.labels == 255).all()
    assert (points.confidence == 0).all()


@pytest.mark.parametrize("distance", [float("nan"), 0.0, -1.0, float("inf"), 4.5])
def test_a_frame_without_depth_changes_nothing(distance: float) -> None:
    semantic_map = SemanticMap(NYU40, VOXEL, max_blocks=500)
    assert not fuse_wall(semantic_map, distance=distance)
    assert (semantic_map.frames, semantic_map.blocks, len(semantic_map.surface())) == (0, 0, 0)


def test_bad_frames_are_refused_and_change_nothing() -> None:
    semantic_map = SemanticMap(NYU13, VOXEL, max_blocks=500)
    fuse_wall(semantic_map, label=3)
    before = in_order(semantic_map.surface(0.0))
    size = (CAMERA.height, CAMERA.width)
    good = {
        "depth": np.full(size, 1.2, np.float32),
        "labels": np.zeros(size, np.uint8),
        "confidence": np.zeros(size, np.uint8),
        "colour": np.zeros((*size, 3), np.uint8),
        "intrinsics": CAMERA,
        "pose": np.eye(4),
    }
    scaled, mirrored, unknown, far = np.diag([1.1, 1.1, 1.1, 1.0]), np.diag([-1.0, 1, 1, 1]), np.eye(4), np.eye(4)
    unknown[0, 3], far[0, 3] = np.nan, 2000.0
    bad = [("pose", pose, "rigid|finite|origin") for pose in (scaled, mirrored, unknown, far, np.eye(3))]
    bad += [
        ("depth", good["depth"][:-1], "depth is float32"),
        ("depth", good["depth"].astype(np.float64), "float64"),
        ("labels", np.full(size, 13, np.uint8), "a label is 13: the label set has 13 classes"),
        ("confidence", good["confidence"].astype(np.int16), "int16"),
        ("colour", good["labels"], "colour is uint8"),
        ("intrinsics", CAMERA.resized(40, 30), "40x30"),
    ]
    for name, value, text in bad:
        with pytest.raises(ValueError, match=text):
            semantic_map.integrate(**(good | {name: value}))  # type: ignore[arg-type]
    assert in_order(semantic_map.surface(0.0)) == before
    assert semantic_map.frames == 1


def walk(semantic_map: SemanticMap) -> list[int]:
    """Along a wall and back; the blocks in memory after each frame."""
    blocks = []
    for x in (*np.arange(0.0, 8.0, 0.5), *np.arange(8.0, -0.1, -0.5)):
        fuse_wall(semantic_map, x=float(x))
        blocks.append(semantic_map.blocks)
    return blocks


def test_the_budget_holds_and_what_retired_comes_back(tmp_path: Path) -> None:
    free = SemanticMap(NYU40, VOXEL, max_blocks=2000)
    needed = max(walk(free))
    budget = needed // 2
    bounded = SemanticMap(NYU40, VOXEL, max_blocks=budget, retired=tmp_path / "retired")
    assert max(walk(bounded)) <= budget
    assert bounded.retired_blocks > 0
    assert bounded.dropped_blocks == 0
    assert bounded.blocks + bounded.retired_blocks == free.blocks
    # What is in memory is what an unbounded map has there, votes and colours too.
    whole, near = in_order(free.surface(0.0)), in_order(bounded.surface(0.0))
    assert len(near) > 200
    assert set(near) <= set(whole)
    bounded.save(tmp_path / "map.npz")
    assert in_order(SemanticMap.load(tmp_path / "map.npz").surface(0.0)) == whole
    with pytest.raises(ValueError, match="raise max_blocks, or give a folder"):
        SemanticMap.load(tmp_path / "map.npz", max_blocks=budget)
    again = SemanticMap.load(tmp_path / "map.npz", max_blocks=budget, retired=tmp_path / "retired")
    assert again.blocks == budget
    assert again.retired_blocks == free.blocks - budget
    bounded.reset()
    assert (bounded.blocks, bounded.retired_blocks, bounded.frames) == (0, 0, 0)


def test_without_a_folder_far_blocks_are_dropped_and_memory_never_grows() -> None:
    bounded = SemanticMap(NYU40, VOXEL, max_blocks=120)
    hashmap = bounded._blocks.grid.hashmap()
    capacity = hashmap.capacity()
    assert max(walk(bounded)) <= 120
    assert bounded.dropped_blocks > 0
    assert hashmap.capacity() == capacity
    # Memory that other blocks used before is cleared: nothing was seen by more frames than there were.
    assert np.isfinite(bounded.surface(0.0).xyz).all()
    bounded.reset()
    fuse_wall(bounded, label=FLOOR)
    assert set(bounded.surface(0.0).labels.tolist()) <= {FLOOR, 255}
    assert len(bounded.surface(1.0)) == 0


def test_a_view_larger_than_the_budget_is_refused() -> None:
    semantic_map = SemanticMap(NYU40, VOXEL, max_blocks=10)
    with pytest.raises(ValueError, match=r"one view needs \d+ blocks, the budget is 10: raise max_blocks"):
        fuse_wall(semantic_map)
    assert (semantic_map.blocks, semantic_map.frames) == (0, 0)


def test_where_blocks_cannot_be_written_none_is_lost(tmp_path: Path) -> None:
    semantic_map = SemanticMap(NYU40, VOXEL, max_blocks=90, retired=tmp_path)
    for x in (0.0, 4.0):
        fuse_wall(semantic_map, x)
    before = in_order(semantic_map.surface(0.0))
    (folder,) = tmp_path.iterdir()
    shutil.rmtree(folder)
    with pytest.raises(OSError, match="No such file"):
        fuse_wall(semantic_map, 8.0)
    assert in_order(semantic_map.surface(0.0)) == before
    assert semantic_map.frames == 2


def test_weights_are_bounded_so_that_the_map_follows_changes() -> None:
    semantic_map = SemanticMap(NYU40, 0.1, max_blocks=200)
    for _ in range(int(MAX_WEIGHT) + 20):
        fuse_wall(semantic_map)
    blocks = semantic_map._blocks
    assert blocks.read(blocks.keys(), ("weight",)).values["weight"].max() == MAX_WEIGHT
    assert len(semantic_map.surface(MAX_WEIGHT - 1)) > 0
    assert len(semantic_map.surface(MAX_WEIGHT)) == 0
    assert blocks.read(blocks.keys(), ("counts",)).values["counts"].min() >= 0  # no 16-bit sum has overflown
    assert (semantic_map.surface().confidence[semantic_map.surface().labels == WALL] > 250).all()


def test_votes_find_every_class_with_a_fifth_of_all_votes() -> None:
    """The bound of Misra and Gries, on votes in an order that is hard for them: every class is seen again and again."""
    rng = np.random.default_rng(0)
    voxels, rounds, classes = 300, 120, 9
    sums = np.zeros((voxels, classes), dtype=np.int64)
    popularity = rng.dirichlet(np.full(classes, 0.7), size=voxels)
    votes = Votes(np.zeros((voxels, CANDIDATES), np.uint8), np.zeros((voxels, COUNTS), np.int16))
    for _ in range(rounds):
        labels = np.array([rng.choice(classes, p=share) for share in popularity], dtype=np.uint8)
        weights = rng.integers(1, 256, voxels).astype(np.uint8)
        sums[np.arange(voxels), labels] += weights
        votes = with_votes(votes, labels, weights)
    total = sums.sum(axis=1)
    assert total.max() < FULL  # nothing was halved
    assert votes.counts[:, CANDIDATES].tolist() == total.tolist()
    counted = np.zeros_like(sums)
    for place in range(CANDIDATES):
        np.add.at(counted, (np.arange(voxels), votes.classes[:, place]), votes.counts[:, place])
    assert (counted <= sums).all()
    assert (sums - counted <= total[:, None] / (CANDIDATES + 1)).all()
    clear = np.sort(sums, axis=1)[:, -1] - np.sort(sums, axis=1)[:, -2] > total / (CANDIDATES + 1)
    assert clear.sum() > 50
    assert (winners(votes)[0][clear] == sums.argmax(axis=1)[clear]).all()


def test_a_full_sum_is_halved_and_the_shares_stay() -> None:
    votes = Votes(np.zeros((1, CANDIDATES), np.uint8), np.zeros((1, COUNTS), np.int16))
    sure = np.array([255], np.uint8)
    for step in range(400):
        votes = with_votes(votes, np.array([7 if step % 4 else 2], np.uint8), sure)
    label, share = winners(votes)
    assert label.tolist() == [7]
    assert share.item() == pytest.approx(0.75 * 255, abs=3)
    assert 0 < int(votes.counts[0, CANDIDATES]) <= 32767


def test_a_saved_map_goes_on_where_it_was(mapped: Mapped, tmp_path: Path) -> None:
    path = tmp_path / "room.npz"
    mapped.map.save(path)
    loaded = SemanticMap.load(path)
    assert in_order(loaded.surface(1.0)) == in_order(mapped.map.surface(1.0))
    assert (loaded.frames, loaded.blocks, loaded.label_set) == (mapped.map.frames, mapped.map.blocks, NYU40)
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["keys"].shape == (mapped.map.blocks, 3)
    written = loaded.write_ply(tmp_path / "room.ply")
    assert written == len(loaded.surface())
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["room.npz", "room.ply"]


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    semantic_map = SemanticMap(NYU40, 0.1, max_blocks=200)
    fuse_wall(semantic_map)
    path = tmp_path_factory.mktemp("map") / "small.npz"
    semantic_map.save(path)
    return path.read_bytes()


def test_damaged_files_are_no_maps(small_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "map.npz"
    flipped = bytearray(small_file)
    flipped[len(flipped) // 2] ^= 0x40
    for content in (b"", b"PK\x03\x04", small_file[: len(small_file) // 2], bytes(flipped), b"x" * 5000):
        path.write_bytes(content)
        with pytest.raises(MapFileError, match="map"):
            SemanticMap.load(path)
    with pytest.raises(MapFileError, match="no regular file"):
        SemanticMap.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("extra", np.zeros(3), "holds"),
        ("weight", np.array([None, {}]), "object|array of"),
        ("weight", np.zeros((3, 512, 1), np.float32), "weight is float32"),
        ("tsdf", np.nan, "tsdf holds a value outside"),
        ("counts", -5, "counts holds a value outside"),
        ("classes", 40, "a class beyond the 40"),
        ("keys", 2**30, "farther than"),
        ("metadata", np.frombuffer(b'{"format": 99}', np.uint8), "format 99"),
        ("metadata", np.frombuffer(b"[" * 100_000, np.uint8), "metadata"),
        ("metadata", np.zeros(2**21, np.uint8), "more than"),
    ],
)
def test_impossible_values_are_refused(
    small_file: bytes, tmp_path: Path, name: str, array: np.ndarray | float, text: str
) -> None:
    path = tmp_path / "map.npz"
    path.write_bytes(small_file)
    with np.load(path) as loaded:
        arrays = dict(loaded)
    if isinstance(array, np.ndarray):
        arrays[name] = array
    else:
        arrays[name] = np.full_like(arrays[name], array)
        arrays["counts"] = arrays["counts"] if name == "counts" else np.ones_like(arrays["counts"])
    np.savez(path, **arrays)
    with pytest.raises(MapFileError, match=text):
        SemanticMap.load(path)


def test_a_compressed_file_cannot_unpack_into_the_memory(small_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "map.npz"
    path.write_bytes(small_file)
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    with pytest.raises(MapFileError, match="compressed"):
        SemanticMap.load(path)


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"voxel_size": 0.0}, "voxel_size"), ({"max_depth": np.nan}, "max_depth"), ({"max_blocks": 0}, "max_blocks")],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SemanticMap(NYU40, **settings)  # type: ignore[arg-type]
