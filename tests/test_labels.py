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
SPEED_TOPIC = '/vehicle/speed'


def recording(*rows):
    """A recording with rows of (ms, steering angle, speed)."""
    stamps, angles, speeds = zip(*rows, strict=True)
    return holding(np.array(stamps) * MS, angles, speeds)


def holding(stamps, angles, speeds):
    steering = Series.of('steering_angle', stamps, angles)
    return saying(steering, Series.of('speed', stamps, speeds))


def saying(steering, speed=None, *, strict=False):
    """A recording with these signals; it keeps its notes."""
    notes = []
    return SimpleNamespace(
        path='drive.bag',
        steering_topic=TOPIC,
        speed_topic=TOPIC if speed is None else SPEED_TOPIC,
        strict=strict,
        signals=lambda: Signals(steering, speed),
        notes=notes,
        note=notes.append,
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
        'name one with --assume-speed M_PER_S, or its topic with --speed'
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


# What is unknown, and what is left out


@pytest.mark.parametrize(
    ('speed', 'note'),
    [
        (math.nan, None),
        (math.inf, '1 of 4 values of speed are infinite; there is no label there'),
        (-0.1, 'the car goes backwards in 1 of 4 messages; there is no label there'),
        (-5.0, 'the car goes backwards in 1 of 4 messages; there is no label there'),
    ],
)
def test_an_unusable_speed_costs_the_labels_around_it(vehicle, speed, note):
    rows = [(0, 0.4, 10), (100, 0.4, speed), (200, 0.4, 10), (300, 0.4, 10)]
    source = recording(*rows)
    stamps = np.array([0, 50, 100, 150, 200, 250]) * MS
    labels = labels_at(source, stamps, vehicle, assume_speed=10.0)
    nan = math.nan
    np.testing.assert_array_equal(labels.speed, [10, nan, nan, nan, 10, 10])
    np.testing.assert_allclose(labels.curvature, [0.01, nan, nan, nan, 0.01, 0.01])
    np.testing.assert_array_equal(labels.steering_angle, [0.4] * 6)
    assert not labels.speed_assumed
    assert source.notes == ([f'{SPEED_TOPIC}: {note}'] if note else [])


def test_a_car_that_only_goes_backwards_has_no_labels(vehicle):
    source = recording((0, 0.4, -2), (100, 0.4, -2))
    labels = labels_at(source, np.array([0, 50 * MS]), vehicle, assume_speed=10.0)
    assert np.isnan(labels.curvature).all()
    assert not labels.speed_assumed


def test_an_infinite_angle_costs_the_labels_around_it(vehicle):
    source = recording((0, 0.4, 10), (100, -math.inf, 10), (200, 0.4, 10))
    labels = labels_at(source, np.array([0, 50, 100, 150, 200]) * MS, vehicle)
    nan = math.nan
    np.testing.assert_array_equal(labels.steering_angle, [0.4, nan, nan, nan, 0.4])
    note = f'{TOPIC}: 1 of 3 values of steering_angle are infinite; there is no label there'
    assert source.notes == [note]


def test_stamps_that_go_backwards_are_left_out(vehicle):
    stamps = [0, 100, 900, 200, 300]
    steering = Series.of('steering_angle', np.array(stamps) * MS, [0.0, 1.0, 99.0, 2.0, 3.0])
    speed = Series.of('speed', np.array(stamps) * MS, [10.0, 10.0, 99.0, 10.0, 10.0])
    source = saying(steering, speed)
    labels = labels_at(source, np.array([50, 150, 250, 900]) * MS, vehicle)
    np.testing.assert_array_equal(labels.steering_angle, [0.5, 1.5, 2.5, math.nan])
    np.testing.assert_array_equal(labels.speed, [10, 10, 10, math.nan])
    assert source.notes == [
        f'{topic}: 1 of 5 stamps go backwards; their values are left out'
        for topic in (TOPIC, SPEED_TOPIC)
    ]


@pytest.mark.parametrize(
    ('stamps', 'values', 'text'),
    [
        ([0, 2, 1], [0, 0, 0], f'stamps on {TOPIC} must increase, got 1 of 3 stamps go backwards'),
        (
            [0, 1, 2],
            [0, math.inf, 0],
            f'{TOPIC} must have finite values, got 1 of 3 values of steering_angle are infinite',
        ),
    ],
)
def test_strict_refuses_what_would_be_left_out(vehicle, stamps, values, text):
    steering = Series.of('steering_angle', stamps, values)
    speed = Series.of('speed', [0, 2], [10.0, 10.0])
    with pytest.raises(BagError, match=f'^drive.bag: {text}$'):
        labels_at(saying(steering, speed, strict=True), np.array([0]), vehicle)


# Other quantities; 1/m · 40 is the angle at 10 m/s, the ratio is 10


def test_an_angle_at_the_tyre(vehicle):
    stamps = [0, 100 * MS]
    source = saying(
        Series.of('tyre_angle', stamps, [0.04, 0.08]), Series.of('speed', stamps, [10, 10])
    )
    labels = labels_at(source, np.array([0, 50 * MS]), vehicle)
    np.testing.assert_allclose(labels.steering_angle, [0.4, 0.6])
    np.testing.assert_allclose(labels.curvature, [0.01, 0.015])


def test_a_curvature(vehicle):
    stamps = [0, 100 * MS]
    source = saying(
        Series.of('curvature', stamps, [0.01, 0.02]), Series.of('speed', stamps, [10, 10])
    )
    labels = labels_at(source, np.array([0, 50 * MS]), vehicle)
    np.testing.assert_allclose(labels.curvature, [0.01, 0.015])
    np.testing.assert_allclose(labels.steering_angle, [0.4, 0.6])


def test_a_yaw_rate_over_speed(vehicle):
    source = saying(
        Series.of('yaw_rate', [0, 100 * MS], [0.1, 0.3]),
        Series.of('speed', [0, 200 * MS], [5.0, 15.0]),
    )
    labels = labels_at(source, np.array([0, 100 * MS, 150 * MS]), vehicle)
    np.testing.assert_allclose(labels.curvature, [0.02, 0.03, math.nan])
    np.testing.assert_allclose(labels.speed, [5, 10, 12.5])
    np.testing.assert_allclose(labels.steering_angle[1], 0.03 * 40)


@pytest.mark.parametrize(
    ('speed', 'curvature'), [(1.0, 0.1), (0.999, math.nan), (0.0, math.nan), (-3.0, math.nan)]
)
def test_a_yaw_rate_says_nothing_about_a_slow_car(vehicle, speed, curvature):
    source = saying(Series.of('yaw_rate', [0], [0.1]), Series.of('speed', [0], [speed]))
    labels = labels_at(source, np.array([0]), vehicle)
    np.testing.assert_allclose(labels.curvature, [curvature])


def test_a_yaw_rate_over_an_assumed_speed(vehicle):
    source = saying(Series.of('yaw_rate', [0], [0.1]))
    labels = labels_at(source, np.array([0]), vehicle, assume_speed=10.0)
    np.testing.assert_allclose(labels.curvature, [0.01])
    np.testing.assert_allclose(labels.steering_angle, [0.4])
    assert labels.speed_assumed
