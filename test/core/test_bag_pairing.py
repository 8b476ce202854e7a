"""Which messages belong together."""

from __future__ import annotations

from cinet_core.bags.pairing import CameraInfoPairing, nearest_pairs


def paired(events: str, first: int | None = None, expected: bool = True) -> list[tuple[int, int | None]]:
    """Events such as "i1 c1": image and camera_info with these stamps."""
    pairing = CameraInfoPairing[int, int](expected, None if first is None else (first, first))
    found = []
    for event in events.split():
        stamp = int(event[1:])
        found += pairing.image(stamp, stamp) if event[0] == "i" else pairing.info(stamp, stamp)
    assert pairing.waiting == (len(found) < events.count("i"))
    return found + pairing.end()


def test_either_of_the_two_may_come_first() -> None:
    assert paired("i1 c1 i2 c2") == [(1, 1), (2, 2)]
    assert paired("c1 i1 c2 i2") == [(1, 1), (2, 2)]


def test_an_image_waits_for_its_own_calibration_until_the_next_image() -> None:
    assert paired("c1 i1 i2 c2 i3") == [(1, 1), (2, 2), (3, 2)]
    assert paired("i1 i2 c9 i3", first=9) == [(1, 9), (2, 9), (3, 9)]


def test_without_calibration_nothing_waits() -> None:
    assert paired("i1 i2", expected=False) == [(1, None), (2, None)]


def test_nearest_stamps_are_paired_once() -> None:
    assert nearest_pairs([0, 100, 200], [1, 99, 205], 10) == {0: 0, 1: 1, 2: 2}
    assert nearest_pairs([0, 100], [206, 95, 4], 5) == {0: 2, 1: 1}
    assert nearest_pairs([0, 4], [3], 10) == {1: 0}  # the closer image has it
    assert nearest_pairs([0, 4, 8], [5, 6], 5) == {1: 0, 2: 1}
    assert nearest_pairs([0], [11], 10) == {}
    assert nearest_pairs([], [1], 10) == nearest_pairs([1], [], 10) == {}
