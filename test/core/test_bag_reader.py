"""Bags that are sound, cut, damaged or foreign: everything that can be read is, and it is told where it ends."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import pytest

pytest.importorskip("rosbags")

import made_bags

from cinet_core.bags.errors import BagError
from cinet_core.bags.reader import BagReader
from cinet_core.data.bag_paths import is_bag

STORAGES = ("sqlite3", "mcap")


@pytest.fixture
def messages() -> list:
    return made_bags.camera(30)


def read(path: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """Topic and time of the messages that can be read, and the faults."""
    with BagReader(path) as reader:
        found = [(item.topic, time) for item, time, _ in reader.messages()]
        assert len(reader) == len(found) or reader.faults
        return found, reader.faults


def expected(messages: list) -> list[tuple[str, int]]:
    return sorted(((topic, time) for topic, time, _ in messages), key=lambda item: item[1])


@pytest.mark.parametrize("as_file", [False, True], ids=["folder", "file"])
@pytest.mark.parametrize("storage", STORAGES)
def test_a_sound_bag(tmp_path: Path, messages: list, storage: str, as_file: bool) -> None:
    bag = made_bags.write(tmp_path / "bag", messages, storage)
    path = made_bags.storage_file(bag) if as_file else bag
    assert is_bag(path)
    assert read(path) == (expected(messages), [])
    with BagReader(path) as reader:
        assert reader.storage == storage
        (chatter,) = (item for item in reader.connections if item.topic == "/chatter")
        assert [time for _, time, _ in reader.messages([chatter])] == [
            time for topic, time in expected(messages) if topic == "/chatter"
        ]


@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_a_compressed_bag(tmp_path: Path, messages: list, mode: str) -> None:
    assert read(made_bags.write(tmp_path / "bag", messages, zstd=mode)) == (expected(messages), [])


def test_messages_that_are_compressed_are_read_without_metadata(tmp_path: Path, messages: list) -> None:
    plain = made_bags.write(tmp_path / "plain", messages)
    bag = made_bags.write(tmp_path / "bag", messages, zstd="MESSAGE")
    (bag / "metadata.yaml").unlink()
    assert made_bags.contents(bag) == made_bags.contents(plain)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("content", [None, "", "a: [", "rosbag2_bagfile_information: {relative_file_paths: 3}"])
def test_metadata_that_is_missing_or_of_no_use(
    tmp_path: Path, messages: list, storage: str, content: str | None
) -> None:
    bag = made_bags.write(tmp_path / "bag", messages, storage)
    (bag / "metadata.yaml").unlink()
    if content is not None:
        (bag / "metadata.yaml").write_text(content)
    found, faults = read(bag)
    assert found == expected(messages)
    assert len(faults) == 1
    assert "metadata.yaml" in faults[0]


def test_files_of_a_split_bag_come_in_their_order_and_a_missing_one_is_told(tmp_path: Path) -> None:
    parts = [made_bags.camera(3, with_info=number > 0) for number in range(11)]
    bag = tmp_path / "bag"
    bag.mkdir()
    for number, part in enumerate(parts):
        shifted = [(topic, time + number * 10**9, message) for topic, time, message in part]
        one = made_bags.storage_file(made_bags.write(tmp_path / f"part_{number}", shifted, "mcap"))
        one.rename(bag / f"bag_{number}.mcap")
    times = [time for _, time in read(bag)[0]]
    assert times == sorted(times)  # 2 before 10
    assert len(times) == sum(map(len, parts))
    (bag / "metadata.yaml").write_text(
        "rosbag2_bagfile_information: {relative_file_paths: [bag_0.mcap, lost.mcap, bag_1.mcap]}"
    )
    found, faults = read(bag)
    assert len(found) == len(parts[0]) + len(parts[1])
    assert ["lost.mcap" in fault for fault in faults] == [True]


@pytest.mark.parametrize("compression", ["", "STORAGE"], ids=["plain", "zstd"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.9999])
def test_a_cut_mcap_is_read_up_to_the_cut(tmp_path: Path, share: float, compression: str) -> None:
    messages = made_bags.camera(250)  # 2.4 MB, in chunks of one
    file = made_bags.storage_file(made_bags.write(tmp_path / "bag", messages, "mcap", zstd=compression))
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    for path in (file, file.parent):
        found, faults = read(path)
        assert found == expected(messages)[: len(found)]
        assert len(found) > (share * 0.9 if not compression else share / 3) * len(messages)
        assert "ends in the middle of a record, at byte" in faults[0] or "was not closed" in faults[0]
        assert str(len(found)) in faults[0] or "to its end" in faults[0]


def test_an_mcap_that_lost_only_its_index_is_read_whole(tmp_path: Path, messages: list) -> None:
    file = made_bags.storage_file(made_bags.write(tmp_path / "bag", messages, "mcap"))
    file.write_bytes(file.read_bytes()[:-8])
    found, faults = read(file)
    assert found == expected(messages)
    assert faults


def test_a_damaged_chunk_costs_only_itself(tmp_path: Path) -> None:
    messages = made_bags.camera(250)
    bag = made_bags.write(tmp_path / "bag", messages, "mcap", zstd="STORAGE")
    file = made_bags.storage_file(bag)
    content = bytearray(file.read_bytes())
    second = content.index(b"\x28\xb5\x2f\xfd", content.index(b"\x28\xb5\x2f\xfd") + 4)
    content[second : second + 200] = bytes(200)
    file.write_bytes(content)
    found, faults = read(bag)
    assert 0.3 * len(messages) < len(found) < len(messages)
    assert len(set(found)) == len(found)
    assert found == sorted(found, key=lambda item: item[1])
    assert found[-1] == expected(messages)[-1]  # what comes after it is there
    assert any("skipped" in fault for fault in faults)


@pytest.mark.parametrize("share", [0.4, 0.8])
def test_a_cut_db3_is_read_up_to_the_cut(tmp_path: Path, share: float) -> None:
    messages = made_bags.camera(100)
    file = made_bags.storage_file(made_bags.write(tmp_path / "bag", messages))
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    for path in (file, file.parent):
        found, faults = read(path)
        assert found == expected(messages)[: len(found)]
        assert len(found) > 0.8 * share * len(messages)
        assert "cannot be read any further after" in faults[0]
        assert f"{len(found)} messages" in faults[0]


def test_messages_in_the_write_ahead_log_are_read(tmp_path: Path, messages: list) -> None:
    file = made_bags.storage_file(made_bags.write(tmp_path / "bag", messages))
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode=WAL")
    with database:
        topic = database.execute("SELECT id FROM topics WHERE name = '/chatter'").fetchone()[0]
        database.execute(
            "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", (topic, 2**62, b"\0\1\0\0\1\0\0\0\0")
        )
    try:  # as a recorder that still runs, or was killed: the log is not in the file yet
        found, faults = read(file.parent)
    finally:
        database.close()
    assert found == [*expected(messages), ("/chatter", 2**62)]
    assert faults == []


def test_topics_of_a_foreign_type_are_kept(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    made_bags.write(bag, made_bags.camera(2))
    file = made_bags.storage_file(bag)
    with sqlite3.connect(file) as database:  # as a bag of Humble has it: no definition
        database.execute("UPDATE topics SET type = 'vendor_msgs/msg/Odd' WHERE name = '/chatter'")
        database.execute("DELETE FROM message_definitions WHERE topic_type = 'std_msgs/msg/String'")
    found = made_bags.contents(file)
    assert [kind for topic, kind, _, _ in found if topic == "/chatter"] == ["vendor_msgs/msg/Odd"] * 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("old.bag", b"#ROSBAG V2.0\n", "ROS 1 bag; convert it: rosbags-convert"),
        ("empty.mcap", b"", "holds no topic that can be read"),
        ("empty.db3", b"", "holds no topic that can be read"),
        ("magic.mcap", b"\x89MCAP0\r\n", "holds no topic that can be read"),
        ("text.mcap", b"hello" * 100, "does not begin as an MCAP file"),
        ("text.db3", b"hello" * 100, "not a database"),
        ("clip.mp4", b"hello", "must end in .db3 or .mcap"),
        ("huge.mcap", b"\x89MCAP0\r\n\x06" + struct.pack("<Q", 2**62) + b"\0" * 40, "holds no topic"),
    ],
)
def test_what_is_no_bag_is_refused_by_name(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BagError, match=said) as raised:
        BagReader(path)
    assert name in str(raised.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="there is no such bag"):
        BagReader(tmp_path / "nothing.mcap")
    with pytest.raises(BagError, match="holds no file that ends in"):
        BagReader(tmp_path)
