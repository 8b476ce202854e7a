"""config/fastdds*.xml: what they say, that Fast DDS really takes them, and what leaves this machine with each."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cinet_ros.fast_dds import LOCALHOST_PROFILE, PROFILE_VARIABLES, profile_name, profile_variable
from cinet_ros.fast_dds import PROFILE as PROFILE_NAME

CONFIG = Path(__file__).resolve().parents[2] / "config"
PROFILE, LOCALHOST = CONFIG / PROFILE_NAME, CONFIG / LOCALHOST_PROFILE
NAMESPACE = {"dds": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}

# keep_last 5 of all outputs of a 640x480 frame: depth, labels, confidence, mask, three colour images, points
HELD_BYTES = 5 * 640 * 480 * (4 + 1 + 1 + 1 + 3 * 3 + 32)


@pytest.fixture(scope="module")
def profile() -> ElementTree.Element:
    return ElementTree.parse(PROFILE).getroot()


@pytest.mark.parametrize("path", [PROFILE, LOCALHOST])
def test_shared_memory_holds_all_outputs(path: Path) -> None:
    profile = ElementTree.parse(path).getroot()
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


def test_udp_of_localhost_is_left_to_the_middleware() -> None:
    types = [item.text for item in ElementTree.parse(LOCALHOST).getroot().findall(".//dds:type", NAMESPACE)]
    assert types == ["SHM"]


@pytest.mark.parametrize("path", [PROFILE, LOCALHOST])
def test_it_is_the_default_for_every_participant(path: Path) -> None:
    (participant,) = ElementTree.parse(path).getroot().findall("dds:participant", NAMESPACE)
    assert participant.get("is_default_profile") == "true"
    assert participant.findtext("dds:rtps/dds:useBuiltinTransports", namespaces=NAMESPACE) == "false"


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"ROS_DISTRO": "humble"}, PROFILE_NAME),
        ({"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "0"}, PROFILE_NAME),
        ({"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "1"}, LOCALHOST_PROFILE),
        # these limit discovery itself, so that another user's process can be reached as well
        ({"ROS_DISTRO": "jazzy", "ROS_LOCALHOST_ONLY": "1"}, PROFILE_NAME),
        ({"ROS_DISTRO": "kilted", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, PROFILE_NAME),
        ({}, PROFILE_NAME),
    ],
)
def test_profile_fits_the_environment(environment: dict[str, str], name: str) -> None:
    assert profile_name(environment) == name


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


def environment(profile: Path | None, **variables: str) -> dict[str, str]:
    """This process's environment with a profile and with other limits of discovery, or none."""
    dropped = {*PROFILE_VARIABLES, "ROS_LOCALHOST_ONLY", "ROS_AUTOMATIC_DISCOVERY_RANGE"}
    inherited = {key: value for key, value in os.environ.items() if key not in dropped}
    named = {profile_variable(os.environ.get("ROS_DISTRO", "")): str(profile)} if profile is not None else {}
    return inherited | named | variables


def largest_segment(profile: Path | None) -> int:
    result = subprocess.run(
        [sys.executable, "-c", MEASURE],
        env=environment(profile, **stay_here()),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    middleware, size = result.stdout.split()
    if middleware != "rmw_fastrtps_cpp":
        pytest.skip(f"the middleware here is {middleware}, not Fast DDS")
    return int(size)


def stay_here() -> dict[str, str]:
    """What makes a process of this distribution keep to this machine."""
    if os.environ.get("ROS_DISTRO") == "humble":
        return {"ROS_LOCALHOST_ONLY": "1"}
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm on this system")
@pytest.mark.parametrize("profile", [PROFILE, LOCALHOST])
def test_fast_dds_takes_it(profile: Path) -> None:
    assert largest_segment(None) < 2**20
    assert largest_segment(profile) >= HELD_BYTES


TALK = """
import rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node("talker")
publisher = node.create_publisher(String, "hello", 1)
print(rclpy.get_rmw_implementation_identifier(), flush=True)
node.create_timer(0.1, lambda: publisher.publish(String(data="hello")))
rclpy.spin(node)
"""
LISTEN = """
import sys, time
import rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node("listener")
heard = []
node.create_subscription(String, "hello", heard.append, 1)
end = time.monotonic() + 20
while not heard and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.2)
sys.exit(not heard)
"""


@contextmanager
def talker(environment: dict[str, str]) -> Iterator[None]:
    """A process with a node that is up, with Fast DDS below it."""
    process = subprocess.Popen([sys.executable, "-c", TALK], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        middleware = process.stdout.readline().strip()
        if middleware != "rmw_fastrtps_cpp":
            pytest.skip(f"the middleware here is {middleware!r}, not Fast DDS")
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def announcements(environment: dict[str, str], seconds: float) -> int:
    """Datagrams with which a process announces itself to the network beyond this machine (RTPS 2.5, 9.6.2.3).

    Multicast that leaves by an interface is heard by those on this machine who joined the group on that interface. The
    announcements of other processes are told apart by the test's own domain.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: asks for the interface of the way out
        except OSError:
            pytest.skip("this machine has no network that anything could leak to")
        outward: str = probe.getsockname()[0]
    group = "239.255.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((group, 7400 + 250 * int(environment["ROS_DOMAIN_ID"])))
        member = socket.inet_aton(group) + socket.inet_aton(outward)
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        count = 0
        with talker(environment):
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                listener.settimeout(left)
                try:
                    _, (sender, _) = listener.recvfrom(65536)
                except TimeoutError:
                    break
                count += sender == outward  # what comes from 127.0.0.1 went by the loopback interface
    return count


# Fast DDS announces a new participant five times in its first half second, then every three seconds.
LONG_ENOUGH = 1.5


def test_whole_network_is_reached_by_default() -> None:
    assert announcements(environment(PROFILE), LONG_ENOUGH) > 0


def test_nothing_leaves_this_machine_where_it_shall_not() -> None:
    profile = CONFIG / profile_name(os.environ | stay_here())
    assert announcements(environment(profile, **stay_here()), LONG_ENOUGH) == 0
    # whatever the environment says: this one has no UDP but what the middleware adds
    assert announcements(environment(LOCALHOST), LONG_ENOUGH) == 0


@pytest.mark.parametrize("profile", [PROFILE, LOCALHOST])
def test_processes_on_this_machine_find_each_other(profile: Path) -> None:
    here = environment(profile, **stay_here())
    with talker(here):
        assert subprocess.run([sys.executable, "-c", LISTEN], env=here, timeout=60, check=False).returncode == 0
