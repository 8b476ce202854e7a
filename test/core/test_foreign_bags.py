"""Bags that are compressed, unpacked by hand, foreign or mixed: each is named for what it is, with a remedy."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("rosbags")

import made_bags
import mcap_files
from mcap_files import Channel

from cinet_core.bags.definitions import message_store
from cinet_core.bags.errors import BagError
from cinet_core.bags.reader import BagReader
from cinet_core.cli import main
from cinet_core.data.bag_paths import is_bag
from cinet_core.data.frame_files import SourceError
from cinet_core.data.frame_sources import open_source
from cinet_core.data.registry import open_dataset

JSON = Channel("/status", "Status", "jsonschema", "json", '{"type": "object"}')
PROTOBUF = Channel("/front", "foxglove.CompressedImage", "protobuf", "protobuf")
ROS1 = Channel("/old/image", "sensor_msgs/Image", "ros1msg", "ros1")
SCHEMALESS = Channel("/blob", "", "", "json")


def unpacked(path: Path) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.decompress(path.read_bytes())


def mcap(path: Path, *foreign: Channel, profile: str = "ros2", camera: int = 5) -> Path:
    """A sound file of a camera's frames, with three messages on each foreign channel."""
    store = message_store()
    rows = sorted(made_bags.camera(camera), key=lambda item: item[1])
    kinds = {topic: message.__msgtype__ for topic, _, message in rows}
    channels = [
        Channel(topic, kind, "ros2msg", "cdr", store.generate_msgdef(kind, ros_version=2)[0])
        for topic, kind in kinds.items()
    ]
    places = {topic: place for place, topic in enumerate(kinds)}
    messages = [
        (places[topic], time, bytes(store.serialize_cdr(message, message.__msgtype__))) for topic, time, message in rows
    ]
    messages += [
        (place, made_bags.START + number, b'{"well": true}')
        for place in range(len(channels), len(channels) + len(foreign))
        for number in range(3)
    ]
    return mcap_files.write(path, [*channels, *foreign], sorted(messages, key=lambda item: item[1]), profile)


def read(path: Path) -> tuple[int, list[str], list[str]]:
    """Number of messages, faults and notes."""
    with BagReader(path) as reader:
        count = sum(1 for _ in reader.messages())
        assert count == len(reader)
        return count, reader.faults, reader.notes


def refusal(path: Path) -> str:
    with pytest.raises(BagError) as raised:
        BagReader(path)
    return str(raised.value)


@pytest.mark.parametrize(
    ("channel", "called", "remedy"),
    [
        (JSON, "/status (JSON Status)", "ros2 bag record"),
        (SCHEMALESS, "/blob (JSON)", "ros2 bag record"),
        (PROTOBUF, "/front (protobuf foxglove.CompressedImage)", "ros2 bag record"),
        (ROS1, "/old/image (ROS 1 sensor_msgs/Image)", "rosbags-convert --src <file>.bag"),
    ],
)
def test_a_foreign_channel_is_passed_over_and_the_rest_is_sound(
    tmp_path: Path, channel: Channel, called: str, remedy: str
) -> None:
    count, faults, (note,) = read(mcap(tmp_path / "bag.mcap", channel))
    assert (count, faults) == (15, [])
    assert called in note
    assert "no message of ROS 2" in note
    assert remedy in note
    alone = refusal(mcap(tmp_path / "alone.mcap", channel, camera=0))
    assert "is sound but holds no message of ROS 2" in alone
    assert called in alone
    assert remedy in alone
    content = (tmp_path / "bag.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(content[: len(content) // 2])
    _, (fault,), (note,) = read_any(cut)
    assert "ends in the middle of a record" in fault
    assert called in note


def read_any(path: Path) -> tuple[int, list[str], list[str]]:
    with BagReader(path) as reader:
        return sum(1 for _ in reader.messages()), reader.faults, reader.notes


def test_a_foreign_channel_costs_the_commands_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: Path
) -> None:
    source, out = mcap(tmp_path / "bag.mcap", JSON, ROS1), tmp_path / "out"
    extract = ["bag", "extract", str(source), str(tmp_path / "data"), "--without-depth"]
    assert main(extract) == 0
    printed = capsys.readouterr()
    assert "passed over: /status (JSON Status)" in printed.out
    assert "DAMAGED" not in printed.err
    device = ["--device", "cpu", "--weights", str(weights), "--outputs", "semantic/image_raw"]
    assert main(["bag", "run", str(source), str(out), *device]) == 0
    assert "DAMAGED" not in capsys.readouterr().err
    copied = [item for item in made_bags.contents(out) if not item[0].startswith("/semantic")]
    assert copied == made_bags.contents(source)  # what is of ROS 2


def test_a_file_of_another_profile_is_sound(tmp_path: Path) -> None:
    for profile in ("", "ros1", "my_recorder"):
        assert read(mcap(tmp_path / "bag.mcap", profile=profile)) == (15, [], [])


def test_an_index_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    path = mcap(tmp_path / "bag.mcap")
    content = bytearray(path.read_bytes())
    content[-28:-20] = (10**6).to_bytes(8, "little")  # where the summary begins
    path.write_bytes(content)
    count, (fault,), _ = read(path)
    assert count == 15
    assert "was read without its index" in fault


def test_foreign_topics_of_a_db3(tmp_path: Path) -> None:
    bag = made_bags.write(tmp_path / "bag", made_bags.camera(3))
    with sqlite3.connect(made_bags.storage_file(bag)) as database:
        database.execute("UPDATE topics SET serialization_format = 'json' WHERE name = '/chatter'")
    count, faults, (note,) = read(bag)
    assert (count, faults) == (6, [])
    assert "/chatter (JSON std_msgs/msg/String)" in note


@pytest.fixture(params=["sqlite3", "mcap"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bag whose file is compressed as a whole."""
    return made_bags.write(tmp_path / "bag", made_bags.camera(5), request.param, zstd="FILE")


def packed_file(bag: Path) -> Path:
    (file,) = bag.glob("*.zstd")
    return file


def test_a_packed_bag_is_read_by_its_folder_and_its_file_says_so(packed: Path) -> None:
    assert read(packed) == (15, [], [])
    said = refusal(packed_file(packed))
    assert f"{packed_file(packed)} is compressed with zstd as a whole: give its folder {packed}" in said


def test_a_packed_bag_without_metadata_is_told_how_to_unpack(packed: Path) -> None:
    (packed / "metadata.yaml").unlink()
    file = packed_file(packed)
    for path in (packed, file):
        assert is_bag(path)
        said = refusal(path)
        assert f"{file} is compressed with zstd as a whole" in said
        assert f"`zstd -d {file}`" in said
    assert "has no metadata.yaml" in refusal(packed)
    file.with_suffix("").write_bytes(unpacked(file))  # zstd keeps what it unpacks
    count, (fault,), _ = read(packed)
    assert count == 15
    assert "has no metadata.yaml" in fault
    assert read(file.with_suffix(""))[0] == 15


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "removed"])
def test_a_bag_unpacked_by_hand_is_sound(packed: Path, keep: bool) -> None:
    file = packed_file(packed)
    file.with_suffix("").write_bytes(unpacked(file))
    if not keep:
        file.unlink()
    count, faults, notes = read(packed)
    assert (count, faults) == (15, [])
    said = f"metadata.yaml names {file.name}; {file.stem}, unpacked from it, is read"
    assert [said in note for note in notes] == ([] if keep else [True])


def test_a_part_that_is_still_packed_is_told(tmp_path: Path) -> None:
    bag = made_bags.write(tmp_path / "bag", made_bags.camera(2), "mcap")
    metadata = (bag / "metadata.yaml").read_text()
    (bag / "metadata.yaml").write_text(
        metadata.replace("- bag.mcap", "- bag.mcap\n  - bag_1.mcap.zstd\n  - bag_2.mcap")
    )
    (bag / "bag_1.mcap.zstd").write_bytes(b"\x28\xb5\x2f\xfd")
    count, (still, gone), _ = read(bag)
    assert count == 6
    assert "bag_1.mcap.zstd is compressed with zstd as a whole: unpack it with `zstd -d" in still
    assert "bag_2.mcap is missing" in gone


def test_a_packed_file_that_is_damaged(packed: Path) -> None:
    file = packed_file(packed)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    said = refusal(packed)
    assert "its compressed files cannot be read" in said
    assert f"`zstd -d {file}`" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.mcap.zst", b"\x28\xb5\x2f\xfd", "compressed with zstd as a whole: unpack it with `zstd -d"),
        ("a.mcap", b"\x28\xb5\x2f\xfd", "compressed with zstd as a whole: unpack it with `zstd -d < "),
        ("a.mcap.zst", b"\x1f\x8b", "compressed with gzip as a whole: unpack it with `gunzip < "),
        ("a.db3.lz4", b"\x04\x22\x4d\x18", "compressed with lz4 as a whole: unpack it with `lz4 -d"),
        ("a.mcap.gz", b"\x1f\x8b", "compressed with gzip as a whole: unpack it with `gunzip"),
        ("a.bag", b"#ROSBAG V2.0\n", "a ROS 1 bag; convert it: rosbags-convert"),
        ("a.mcap", b"#ROSBAG V2.0\n", "a ROS 1 bag; convert it: rosbags-convert"),
        ("a.bag.active", b"#ROSBAG V2.0\n", "its recorder was killed: `rosbag reindex"),
        ("a.db3", b"\x89MCAP0\r\n", "an MCAP file by its content, but its name does not end in .mcap: rename it"),
        ("a.bag", b"\x89MCAP0\r\n", "an MCAP file by its content, but its name does not end in .mcap: rename it"),
        ("a.mcap", b"SQLite format 3\0", "a SQLite file by its content, but its name does not end in .db3: rename it"),
        ("a.mcap", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull fetches it"),
        ("a.mcap", b"<!DOCTYPE html><html>", "is a web page and no bag"),
        ("a.mcap", b"PK\x03\x04", "is a ZIP archive and no bag: unpack it"),
        ("a.mcap", bytes(257) + b"ustar", "is a tar archive and no bag: unpack it"),
        ("metadata.yaml", b"a: 1", "belongs to a bag and is none: give the folder"),
        ("a.db3-wal", b"x", "belongs to a bag and is none: give the folder"),
    ],
)
def test_a_file_is_named_for_what_it_is(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert said in (text := refusal(path))
    assert str(path) in text


def test_folders_are_named_for_what_they_hold(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "walk.bag").write_bytes(b"#ROSBAG V2.0\n")
    assert is_bag(old)
    assert "holds a ROS 1 bag, walk.bag; convert it: rosbags-convert" in refusal(old)
    several = tmp_path / "several"
    for name in ("monday", "tuesday"):
        made_bags.write(several / name, made_bags.camera(1))
    assert "holds some, give one of them: monday, tuesday" in refusal(several)


def test_a_folder_of_two_storages(tmp_path: Path) -> None:
    bag = made_bags.write(tmp_path / "bag", made_bags.camera(2))
    shutil.copy(made_bags.storage_file(made_bags.write(tmp_path / "other", made_bags.camera(3), "mcap")), bag)
    count, faults, notes = read(bag)
    assert (count, faults) == (6, [])
    assert "metadata.yaml does not name other.mcap: not read" in notes[0]
    (bag / "metadata.yaml").unlink()
    assert "files of two kinds (bag.db3, other.mcap)" in refusal(bag)


def test_a_foreign_file_among_the_parts_costs_only_itself(tmp_path: Path) -> None:
    bag = made_bags.write(tmp_path / "bag", made_bags.camera(2), "mcap")
    (bag / "metadata.yaml").unlink()
    (bag / "bag_1.mcap").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    count, faults, _ = read(bag)
    assert count == 6
    assert any("bag_1.mcap is a pointer of Git LFS" in fault for fault in faults)


@pytest.mark.parametrize("suffix", [".mcap", ".mcap.gz", ".mcap.zst"])
def test_the_command_that_unpacks_a_file_works(tmp_path: Path, suffix: str) -> None:
    file = made_bags.storage_file(made_bags.write(tmp_path / "bag", made_bags.camera(2), "mcap"))
    packed = (tmp_path / "a").with_suffix(suffix)
    packed.write_bytes(gzip.compress(file.read_bytes()))
    command = refusal(packed).split("`")[1]
    subprocess.run(command, shell=True, check=True, timeout=60)
    (unpacked,) = (path for path in tmp_path.glob("*.mcap") if path != packed)
    assert unpacked.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["bag", "bag.MCAP", "folder"])
def test_a_bag_in_the_place_of_images_is_named(tmp_path: Path, name: str) -> None:
    bag = made_bags.write(tmp_path / "folder" / "one", made_bags.camera(1), "mcap")
    if name != "folder":
        made_bags.storage_file(bag).rename(tmp_path / name)
        assert is_bag(tmp_path / name)
        assert "its name does not end in .mcap: rename it" in refusal(tmp_path / name)
    for opened in (open_dataset, lambda path: open_source(str(path))):
        with pytest.raises(SourceError, match=r"ROS bag.*cinet bag extract"):
            opened(tmp_path / name)


def test_images_beside_a_bag_are_read(tmp_path: Path) -> None:
    made_bags.write(tmp_path / "bag", made_bags.camera(1), "mcap")
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    assert len(open_source(str(tmp_path))) == 1
