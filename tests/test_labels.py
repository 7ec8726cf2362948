"""Steering and speed at the times of images, interpolated by hand."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

from signattn.bag import BagError, Series, Signals
from signattn.labels import labels_at

MS = 1_000_000  # ns
TOPIC = '/vehicle/steering_report'


def recording(*rows):
    """A recording with rows of (ms, steering angle, speed)."""
    stamps, angles, speeds = zip(*rows, strict=True)
    return holding(np.array(stamps) * MS, angles, speeds)


def holding(stamps, angles, speeds, topic=TOPIC):
    signals = Signals(
        Series.of('steering_angle', stamps, angles), Series.of('speed', stamps, speeds)
    )
    return SimpleNamespace(
        path='drive.bag', steering_topic=topic, speed_topic=topic, signals=lambda: signals
    )


@pytest.fixture
def angles_at(vehicle):
    """Gives a function: steering angles at these ms."""

    def angles(source, *times):
        stamps = np.array([round(ms * MS) for ms in times], np.int64)
        return labels_at(source, stamps, vehicle).steering_angle.tolist()

    return angles


def test_linear_in_time(angles_at):
    source = recording((0, 0.0, 10), (100, 1.0, 10), (300, -1.0, 10))
    assert angles_at(source, 0, 25, 50, 100, 150, 200, 300) == [0, 0.25, 0.5, 1, 0.5, 0, -1]


def test_speed_and_curvature_follow(vehicle):
    source = recording((0, 0.0, 0), (100, 0.8, 20))
    labels = labels_at(source, np.array([0, 50 * MS, 100 * MS]), vehicle)
    np.testing.assert_allclose(labels.speed, [0, 10, 20])
    # 0.4 rad at 10 m/s: 0.4 / 40; 0.8 rad at 20 m/s: 0.8 / (2 · 10 · (1 + 0.01 · 400)) = 0.8/100
    np.testing.assert_allclose(labels.curvature, [0, 0.01, 0.008])


def test_nothing_is_known_outside(angles_at):
    source = recording((100, 1.0, 10), (200, 2.0, 10))
    before, first, last, behind = angles_at(source, 100 - 1e-6, 100, 200, 200 + 1e-6)
    assert (first, last) == (1.0, 2.0)
    assert math.isnan(before)
    assert math.isnan(behind)


def test_a_gap_is_not_bridged_but_its_ends_are_known(angles_at):
    source = recording((0, 1.0, 10), (500, 2.0, 10), (1000 + 1, 3.0, 10), (1100, 4.0, 10))
    assert angles_at(source, 250) == [1.5]  # 0.5 s is no gap yet
    start, inside, end = angles_at(source, 500, 750, 1001)
    assert (start, end) == (2.0, 3.0)
    assert math.isnan(inside)


def test_stamps_of_1e18_ns_stay_exact(vehicle):
    start = 1_479_424_215_880_976_321
    source = holding([start, start + 1], [0.0, 1.0], [10.0, 10.0])
    labels = labels_at(source, np.array([start, start + 1, start + 2]), vehicle)
    np.testing.assert_array_equal(labels.steering_angle, [0, 1, np.nan])


def test_one_label_only(angles_at):
    before, exact, behind = angles_at(recording((100, 0.5, 10)), 99, 100, 101)
    assert exact == 0.5
    assert math.isnan(before)
    assert math.isnan(behind)


def test_an_unknown_angle_stays_unknown_and_spoils_no_neighbour(angles_at):
    source = recording((0, 1.0, 10), (100, math.nan, 10), (200, 2.0, 10))
    found = angles_at(source, 0, 50, 100, 150, 200)
    assert (found[0], found[4]) == (1.0, 2.0)
    assert all(map(math.isnan, found[1:4]))


def test_two_labels_of_one_time(angles_at):
    source = recording((0, 0.0, 10), (100, 1.0, 10), (100, 1.0, 10), (200, 0.0, 10))
    assert angles_at(source, 50, 100, 150) == [0.5, 1.0, 0.5]


@pytest.mark.parametrize('steering', [None, Series.of('steering_angle', [], [])])
def test_no_steering_gives_nan(vehicle, steering):
    source = SimpleNamespace(path='', signals=lambda: Signals(steering, None))
    labels = labels_at(source, np.array([0, 1]), vehicle)
    for values in (labels.steering_angle, labels.speed, labels.curvature):
        np.testing.assert_array_equal(values, [np.nan, np.nan])


def test_a_speed_is_assumed_only_where_none_is_recorded(vehicle):
    silent = recording((0, 0.4, math.nan), (100, 0.8, math.nan))
    stamps = np.array([0, 100 * MS])
    labels = labels_at(silent, stamps, vehicle, assume_speed=10.0)
    np.testing.assert_allclose(labels.speed, [10, 10])
    np.testing.assert_allclose(labels.curvature, [0.01, 0.02])
    recorded = recording((0, 0.4, 0.0), (100, 0.8, 0.0))
    assert labels_at(recorded, stamps, vehicle, assume_speed=10.0).speed.tolist() == [0, 0]


def test_without_a_speed_the_option_is_named(vehicle):
    text = (
        'drive.bag: speed must be recorded or given, got none: the curvature depends on it; '
        'name one with --assume-speed M_PER_S'
    )
    with pytest.raises(BagError, match=f'^{re.escape(text)}$'):
        labels_at(recording((0, 0.4, math.nan)), np.array([0]), vehicle)


@pytest.mark.parametrize('speed', [-1.0, math.nan, math.inf])
def test_an_assumed_speed_that_is_none(vehicle, speed):
    text = f'^--assume-speed must be at least 0 m/s, got {speed}$'
    with pytest.raises(BagError, match=text):
        labels_at(recording((0, 0.4, math.nan)), np.array([0]), vehicle, speed)


def test_a_standing_car_may_tremble_backwards(vehicle):
    source = recording((0, 0.4, -0.09), (100, 0.8, -0.05))
    assert labels_at(source, np.array([0, 100 * MS]), vehicle).speed.tolist() == [0, 0]


@pytest.mark.parametrize('speed', [math.nan, -0.1, -0.5, math.inf])
def test_a_recorded_speed_that_is_none(vehicle, speed):
    source = recording((0, 0.0, 10), (100, 0.0, speed), (200, 0.0, speed), (300, 0.0, 10))
    text = (
        f'^drive.bag: speed must be finite and at least 0 m/s, got {speed} on {TOPIC} '
        'at stamp 100000000 and 1 more$'
    )
    with pytest.raises(BagError, match=text):
        labels_at(source, np.array([0]), vehicle, assume_speed=10.0)


def test_an_angle_that_is_infinite(vehicle):
    source = recording((0, 0.0, 10), (100, -math.inf, 10))
    text = (
        f'^drive.bag: steering angle must be finite or unknown, got -inf on {TOPIC} '
        'at stamp 100000000 and 0 more$'
    )
    with pytest.raises(BagError, match=text):
        labels_at(source, np.array([0]), vehicle)


def test_steering_that_goes_backwards(vehicle):
    source = recording((0, 0.0, 10), (100, 0.0, 10), (99, 0.0, 10))
    text = (
        f'^drive.bag: stamps on {TOPIC} must increase, got 99000000 behind 100000000 '
        'at position 2$'
    )
    with pytest.raises(BagError, match=text):
        labels_at(source, np.array([0]), vehicle)
