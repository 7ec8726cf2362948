"""Speeds and driven curvature of a recording, as they are played."""

import numpy as np
import pytest

from signattn.bag import Series, Signals
from signattn.nodes.track import Track

S = 1_000_000_000


class Recorded:
    """As much of a recording as is read."""

    path, steering_topic, speed_topic, strict = 'bag', '/steering', '/speed', False

    def __init__(self, steering=None, speed=None):
        self._signals = Signals(steering, speed)

    def signals(self):
        return self._signals

    def note(self, text):
        pass


def series(quantity, seconds, values):
    return Series.of(quantity, [round(at * S) for at in seconds], values)


def track(recorded, vehicle, stamps_s=(), assume_speed=None):
    said = []
    stamps_ns = [round(at * S) for at in stamps_s]
    return Track(recorded, stamps_ns, vehicle, assume_speed, said.append), said


def test_speeds_come_between_their_pictures(vehicle):
    speed = series('speed', [9.0, 9.5, 10, 10.02, 10.05], [1, 2, 3, 4, 5])
    read, _ = track(Recorded(speed=speed), vehicle)
    # Before the first picture those of the last second.
    assert read.speeds(None, 10 * S) == [(9.5 * S, 2), (10 * S, 3)]
    assert read.speeds(10 * S, 10.05 * S) == [(10.02 * S, 4), (10.05 * S, 5)]
    assert read.speeds(10.05 * S, 11 * S) == []
    assert read.speeds(11 * S, 9 * S) == []  # the clock went back


def test_speeds_that_are_none_or_late_are_left_out(vehicle):
    speed = series('speed', [1, 2, 1.5, 3, 4], [1, np.nan, 7, np.inf, 5])
    read, _ = track(Recorded(speed=speed), vehicle)
    assert [value for _, value in read.speeds(0, 9 * S)] == [1, 7, 5]


def test_without_steering_and_speed_nothing_is_known(vehicle):
    read, said = track(Recorded(), vehicle, [1.0])
    assert read.speeds(None, S) == []
    assert read.driven(S) is None
    assert said == []


@pytest.mark.parametrize(
    ('speed', 'assumed'), [(series('speed', [0.8, 1.2], [10, 10]), None), (None, 10.0)]
)
def test_curvature_at_the_pictures(vehicle, speed, assumed):
    # The cart turns its wheel by 40 rad·m · curvature at 10 m/s.
    steering = series('steering_angle', [1, 1.2], [0.4, 0.8])
    read, said = track(Recorded(steering, speed), vehicle, [0.9, 1.0, 1.1], assumed)
    assert read.driven(S) == pytest.approx(0.01)
    assert read.driven(1_100_000_000) == pytest.approx(0.015)
    assert read.driven(900_000_000) is None
    assert said == []


def test_steering_without_speed_is_not_played_and_it_says_why(vehicle):
    steering = series('steering_angle', [1, 1.2], [0.4, 0.8])
    read, said = track(Recorded(steering), vehicle, [1.0])
    assert read.driven(S) is None
    (text,) = said
    assert text.startswith('what was driven is not played: bag: speed must be recorded or given')
