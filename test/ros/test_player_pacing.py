"""Pacing by a clock that the test moves, and loading on a thread."""

import threading
import time

import pytest

from cinet_core.read_ahead import DEPTH, Preloaded, ReadAhead
from cinet_ros.player.pacing import Intervals, Pacer, Tally


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_deadlines_are_multiples_of_the_interval_whatever_sending_takes():
    clock = Clock()
    pacer = Pacer(clock)
    start = pacer.next_deadline(0.1)
    for number in range(1, 1000):
        clock.now = start + (number - 1) * 0.1 + 0.03 * (number % 3)  # always late, never by a whole interval
        assert pacer.next_deadline(0.1) == pytest.approx(start + number * 0.1, abs=1e-9)
    assert pacer.stalls == 0


def test_a_stall_is_not_followed_by_a_burst():
    clock = Clock()
    pacer = Pacer(clock)
    pacer.next_deadline(0.1)
    clock.now += 5.0
    assert pacer.next_deadline(0.1) == clock.now
    assert pacer.next_deadline(0.1) == pytest.approx(clock.now + 0.1)
    assert pacer.stalls == 1


def test_a_source_that_is_too_slow_sends_each_frame_at_once():
    clock = Clock()
    pacer = Pacer(clock)
    pacer.next_deadline(0.1)
    late = []
    for _ in range(20):
        clock.now += 0.25
        late.append(clock.now - pacer.next_deadline(0.1))
    assert min(late) >= 0.0
    assert max(late) <= 0.1 + 0.25


def test_intervals_follow_recorded_times_and_survive_a_new_start():
    intervals = Intervals(rate=0.0, nominal=0.5)
    seconds = [intervals.since_previous(round(t * 1e9)) for t in (7.0, 7.1, 7.4, 7.0, 7.1)]
    assert seconds == pytest.approx([0.5, 0.1, 0.3, 0.3, 0.1])


def test_a_rate_overrides_recorded_times():
    intervals = Intervals(rate=20.0, nominal=0.5)
    assert [intervals.since_previous(t) for t in (0, 10**9, 5)] == [0.05] * 3


def test_tally_measures_between_first_and_last_frame():
    clock = Clock()
    tally = Tally(clock)
    assert tally.rate == 0.0
    for _ in range(11):
        tally.count()
        clock.now += 0.1
    assert (tally.sent, tally.seconds, tally.rate) == (11, pytest.approx(1.0), pytest.approx(10.0))


def test_read_ahead_keeps_order_and_stays_within_its_depth():
    loaded = 0

    def items():
        nonlocal loaded
        for number in range(50):
            loaded += 1
            yield number

    taken = []
    for number in ReadAhead(items(), lambda: False):
        taken.append(number)
        assert loaded <= len(taken) + DEPTH + 1
    assert taken == list(range(50))


def test_read_ahead_raises_what_loading_raised_after_the_frames_before_it():
    def items():
        yield 1
        raise OSError("the disk is gone")

    iterator = iter(ReadAhead(items(), lambda: False))
    assert next(iterator) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(iterator)


def test_read_ahead_ends_when_stopped_although_loading_hangs():
    release, stop = threading.Event(), threading.Event()

    def items():
        yield 1
        release.wait(30)
        yield 2

    taken, started = [], time.monotonic()
    for item in ReadAhead(items(), stop.is_set):
        taken.append(item)
        stop.set()
    release.set()
    assert taken == [1]
    assert time.monotonic() - started < 5


def test_an_abandoned_read_ahead_ends_its_thread():
    ahead = ReadAhead(iter(range(1000)), lambda: False)
    assert next(iter(ahead)) == 0
    ahead.close()
    assert not any(thread.name == "read_ahead" for thread in threading.enumerate())


def test_closing_ends_preloading():
    def items():
        for number in range(1000):
            time.sleep(0.01)
            yield number

    preloaded = Preloaded(items())
    preloaded.close()
    assert not any(thread.name == "preload" for thread in threading.enumerate())
    assert len(list(preloaded)) < 1000


def test_preloaded_items_are_read_once_and_repeat():
    reads = []
    preloaded = Preloaded(reads.append(number) or number for number in range(5))
    preloaded.wait(lambda: False)
    assert [*preloaded, *preloaded] == [0, 1, 2, 3, 4] * 2
    assert reads == [0, 1, 2, 3, 4]


def test_preloading_raises_what_loading_raised():
    def items():
        raise OSError("no memory")
        yield

    with pytest.raises(OSError, match="no memory"):
        Preloaded(items()).wait(lambda: False)
