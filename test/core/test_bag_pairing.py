"""Which messages belong together."""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cinet_core.bags.clocks import TopicTimes, common_clock
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


def closest_first(stamps: list[int], others: list[int], tolerance: int) -> int:
    """Sum of the gaps of the pairs that are made closest first, by trying all."""
    gaps = sorted(
        (abs(a - b), i, j) for i, a in enumerate(stamps) for j, b in enumerate(others) if abs(a - b) <= tolerance
    )
    used: set[tuple[int, int]] = set()
    total = 0
    for gap, i, j in gaps:
        if (0, i) not in used and (1, j) not in used:
            used |= {(0, i), (1, j)}
            total += 1 + gap
    return total


@settings(max_examples=200, deadline=None)
@given(
    stamps=st.lists(st.integers(0, 10**6), max_size=12, unique=True),
    others=st.lists(st.integers(0, 10**6), max_size=12, unique=True),
    tolerance=st.integers(0, 10**6),
)
def test_pairs_are_those_of_trying_all(stamps: list[int], others: list[int], tolerance: int) -> None:
    differences = [abs(a - b) for a in stamps for b in others]
    assume(len(set(differences)) == len(differences))  # where two gaps are equal, either may come first
    pairs = nearest_pairs(stamps, others, tolerance)
    assert len(set(pairs.values())) == len(pairs)
    assert sum(1 + abs(stamps[i] - others[j]) for i, j in pairs.items()) == closest_first(stamps, others, tolerance)


def test_equal_stamps_are_paired_in_their_order() -> None:
    assert nearest_pairs([7] * 5, [7] * 3, 0) == {0: 0, 1: 1, 2: 2}
    assert nearest_pairs([7, 7, 9], [7, 9, 9], 0) == {0: 0, 2: 1}


@pytest.mark.parametrize("stamp", [lambda n: 0, lambda n: n, lambda n: n // 100], ids=["constant", "rising", "blocks"])
def test_memory_is_linear_in_the_number_of_frames(stamp: Callable[[int], int]) -> None:
    def peak(frames: int) -> int:
        stamps = [stamp(number) for number in range(frames)]
        tracemalloc.start()
        assert len(nearest_pairs(stamps, stamps, 10**9)) == frames
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    few, many = peak(2000), peak(8000)
    assert many < 6 * few  # 16 times, were it quadratic
    assert many < 1000 * 8000


def times(stamps: list[int], recorded: list[int] | None = None) -> TopicTimes:
    found = TopicTimes()
    for number, stamp in enumerate(stamps):
        found.add(stamp, recorded[number] if recorded else number)
    return found


def test_stamps_are_kept_unless_they_are_no_time_or_of_two_clocks() -> None:
    sound = times([10, 20, 30, 40])
    assert common_clock({"/a": sound, "/b": times([11, 21, 31, 41])}, 5) == ""
    assert common_clock({"/a": sound, "/b": times([7])}, 5) == ""
    assert common_clock({"/a": sound, "/b": times([])}, 5) == ""
    assert common_clock({"/a": sound, "/b": times([0])}, 5) == "the header stamps of /b are all 0"
    assert common_clock({"/a": times([9, 9, 9])}, 5) == "the header stamps of /a are all the same"
    assert (
        common_clock({"/a": sound, "/b": times([110, 120, 130])}, 5)
        == "the header stamps of /a and /b are of two clocks"
    )
    # the one was recorded after the other: no clock can pair them
    assert common_clock({"/a": sound, "/b": times([110, 120], [500, 600])}, 5) == ""
    # neither are two clocks that run side by side, so long as no stamp of the one is one of the other
    assert "of two clocks" in common_clock({"/a": sound, "/b": times([25, 35, 45])}, 4)
    assert "only 2 different" in common_clock({"/a": times([10, 20, 10, 20])}, 4)  # recorded of a player that loops


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 19), max_size=9), st.integers(-(10**9), 10**9))
def test_stamps_that_are_0_or_occur_twice_are_set_by_the_time_of_recording(zero: set[int], delay: int) -> None:
    right = [10**15 + 100 * number for number in range(20)]
    stamps, mended = times(
        [0 if number in zero else stamp for number, stamp in enumerate(right)], [stamp + delay for stamp in right]
    ).mended()
    assert list(stamps) == right
    assert mended == len(zero)


def test_a_stretch_that_was_recorded_twice_is_told_apart() -> None:
    assert times([10, 20, 30, 40, 10, 20], [11, 21, 31, 41, 51, 61]).mended() == (array("q", range(10, 70, 10)), 4)
