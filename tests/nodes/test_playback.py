"""When pictures are due, and cameras of other rates."""

import math
from dataclasses import dataclass

import pytest

from signattn.nodes.playback import Playhead, at_rate

S = 1_000_000_000


def test_a_playhead_goes_at_its_rate():
    head = Playhead(100 * S, 7 * S)
    assert head.wait_s(100 * S, 7 * S) == math.inf
    head.steer(2.0, 8 * S)
    assert head.position_ns(8 * S) == 100 * S
    assert head.position_ns(11 * S) == 106 * S
    assert head.wait_s(110 * S, 11 * S) == 2
    assert head.wait_s(105 * S, 11 * S) == -0.5


def test_a_playhead_stands_and_goes_on_from_there():
    head = Playhead(0, 0)
    head.steer(1.0, 0)
    head.steer(0.0, 3 * S)
    assert head.position_ns(60 * S) == 3 * S
    assert head.wait_s(2 * S, 60 * S) == math.inf
    head.steer(0.5, 60 * S)
    assert head.position_ns(64 * S) == 5 * S


def test_a_playhead_that_is_moved_keeps_its_rate():
    head = Playhead(0, 0)
    head.steer(4.0, 0)
    head.seek(50 * S, S)
    assert head.position_ns(2 * S) == 54 * S


@dataclass
class Picture:
    """What ``at_rate`` needs of one: ``stamp_ns``; the number tells which one it is."""

    stamp_ns: int
    number: int


def seen(stamps_ms, camera_hz, max_gap_s=0.5):
    """Stamps (ms) and numbers of what a camera gives of pictures with these stamps."""
    pictures = [Picture(ms * 1_000_000, i) for i, ms in enumerate(stamps_ms)]
    given = at_rate(pictures, camera_hz, max_gap_s)
    return [(picture.stamp_ns / 1e6, picture.number) for picture in given]


def test_a_faster_camera_repeats_pictures():
    assert seen([0, 50, 100], 40) == [(0, 0), (25, 0), (50, 1), (75, 1), (100, 2)]


def test_a_slower_camera_leaves_pictures_out():
    assert seen([0, 50, 100, 150, 200], 10) == [(0, 0), (100, 2), (200, 4)]


def test_the_same_rate_changes_nothing():
    assert seen([7, 57, 107], 20) == [(7, 0), (57, 1), (107, 2)]


def test_between_ticks_the_latest_picture_is_seen():
    assert seen([0, 40, 90], 20) == [(0, 0), (50, 1)]


@pytest.mark.parametrize('again', [1000, 10])
def test_ticks_begin_anew_behind_a_gap_and_when_stamps_go_back(again):
    first = [(0, 0), (50, 1)]
    behind = [(again, 2), (again + 50, 3)]
    assert seen([0, 50, again, again + 50], 20) == first + behind


@pytest.mark.parametrize(('gap_ms', 'anew'), [(500, False), (501, True)])
def test_how_long_a_gap_is(gap_ms, anew):
    # Ticks every 200 ms: at 400 the first picture is still there, unless that was too long ago.
    assert ((400.0, 0) in seen([0, gap_ms], 5)) != anew


def test_without_pictures_there_are_none():
    assert seen([], 20) == []
