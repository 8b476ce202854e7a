"""config/fastdds.xml: what it says, and that Fast DDS really takes it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

PROFILE = Path(__file__).resolve().parents[2] / "config" / "fastdds.xml"
NAMESPACE = {"dds": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}

# keep_last 5 of all outputs of a 640x480 frame: depth, labels, confidence, mask, three colour images, points
HELD_BYTES = 5 * 640 * 480 * (4 + 1 + 1 + 1 + 3 * 3 + 32)


@pytest.fixture(scope="module")
def profile() -> ElementTree.Element:
    return ElementTree.parse(PROFILE).getroot()


def test_shared_memory_holds_all_outputs(profile: ElementTree.Element) -> None:
    sizes = [int(item.text or 0) for item in profile.findall(".//dds:segment_size", NAMESPACE)]
    assert sizes == [max(sizes)]
    assert sizes[0] >= max(HELD_BYTES, 64 * 2**20)


def test_udp_stays_beside_shared_memory(profile: ElementTree.Element) -> None:
    described = {
        item.findtext("dds:transport_id", namespaces=NAMESPACE): item.findtext("dds:type", namespaces=NAMESPACE)
        for item in profile.findall(".//dds:transport_descriptor", NAMESPACE)
    }
    used = [item.text for item in profile.findall(".//dds:userTransports/dds:transport_id", NAMESPACE)]
    assert sorted(described[name] or "" for name in used) == ["SHM", "UDPv4"]
    # shared memory is tried first
    assert described[used[0]] == "SHM"


def test_it_is_the_default_for_every_participant(profile: ElementTree.Element) -> None:
    (participant,) = profile.findall("dds:participant", NAMESPACE)
    assert participant.get("is_default_profile") == "true"
    assert participant.findtext("dds:rtps/dds:useBuiltinTransports", namespaces=NAMESPACE) == "false"


# Prints the largest shared-memory segment that Fast DDS has mapped into a process with one node.
MEASURE = """
import re
import rclpy
rclpy.init()
node = rclpy.create_node("segment_size")
sizes = [0]
for line in open("/proc/self/maps"):
    if re.search(r"/dev/shm/fast(dds|rtps)_[0-9a-f]+$", line):
        low, high = (int(value, 16) for value in line.split()[0].split("-"))
        sizes.append(high - low)
print(rclpy.get_rmw_implementation_identifier(), max(sizes))
node.destroy_node()
rclpy.shutdown()
"""


def largest_segment(profile: Path | None) -> int:
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_DEFAULT_PROFILES_FILE")}
    if profile is not None:
        environment |= dict.fromkeys(("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"), str(profile))
    result = subprocess.run(
        [sys.executable, "-c", MEASURE], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    middleware, size = result.stdout.split()
    if middleware != "rmw_fastrtps_cpp":
        pytest.skip(f"the middleware here is {middleware}, not Fast DDS")
    return int(size)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm on this system")
def test_fast_dds_takes_it() -> None:
    assert largest_segment(None) < 2**20
    assert largest_segment(PROFILE) >= HELD_BYTES
