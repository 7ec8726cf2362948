"""The motion of the camera in synthetic drives: springs, road and driving."""

import math

import numpy as np
import pytest

from signattn.synthetic import SynthConfig, SynthDrive
from signattn.synthetic.course import TICK, Course
from signattn.synthetic.ego import (
    PITCH,
    PITCH_BY_BRAKING,
    ROLL_BY_BENDS,
    CameraMotion,
    _Spring,
)


class Even:
    """A road without any unevenness, in the place of a source of randomness."""

    def standard_normal(self, count):
        return np.zeros(count)


def course_of(speed, curvature=0.0):
    """A drive of 20 s, its speed (m/s) by time (s)."""
    time = np.arange(0, 20, TICK)
    speeds = np.array([speed(moment) for moment in time])
    station = np.arange(-40.0, 1500.0, 0.5)
    zeros = np.zeros(station.size)
    return Course(
        station=station,
        x=station,
        y=zeros,
        z=zeros,
        heading=zeros,
        offset=zeros,
        time=time,
        travelled=np.cumsum(speeds) * TICK,
        speed=speeds,
        curvature=np.full(time.size, curvature),
        steering_angle=np.zeros(time.size),
    )


def rough(seed=0, speed=15.0, strength=1.0):
    course = course_of(lambda _: speed)
    motion = CameraMotion(course, strength, np.random.default_rng(seed))
    return np.array([motion(index / 20) for index in range(380)])


def test_a_spring_swings_at_its_frequency_and_comes_to_rest():
    step = np.concatenate([np.zeros(10), np.ones(2000)])
    way = _Spring(2.0, 0.1).follow(step)
    assert (way[:10] == 0).all()
    assert way[-1] == pytest.approx(1.0, abs=1e-4)
    turns = np.flatnonzero(np.diff(np.sign(way[20:400] - 1)))
    # Half a period of the damped swing: 1 / (2 · 2 Hz · √(1 - 0.1²)) = 0.2513 s.
    assert np.diff(turns).mean() * TICK == pytest.approx(0.2513, abs=0.005)


def test_braking_dips_the_nose_by_what_the_springs_yield():
    motion = CameraMotion(course_of(lambda t: max(30 - 2 * t, 0.0)), 1.0, Even())
    bounce, pitch, roll, yaw = motion(10.0)
    assert pitch == pytest.approx(2 * PITCH_BY_BRAKING, rel=0.02)
    assert (bounce, roll, yaw) == pytest.approx((0, 0, 0), abs=1e-9)
    assert abs(motion(19.5)[1]) < 0.05 * pitch  # stands since 15 s


def test_a_left_bend_rolls_the_car_to_its_right():
    motion = CameraMotion(course_of(lambda _: 15.0, 0.01), 1.0, Even())
    # 15² · 0.01 = 2.25 m/s²
    assert motion(10.0)[2] == pytest.approx(2.25 * ROLL_BY_BENDS, rel=0.01)
    assert motion.most_roll >= motion(10.0)[2]


def test_strength_scales_the_motion():
    once, twice, none = (rough(strength=strength) for strength in (1.0, 2.0, 0.0))
    np.testing.assert_allclose(twice, 2 * once)
    assert not none.any()


def test_a_standing_car_is_still():
    still = rough(speed=0.0)
    assert (still == still[0]).all()


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_motion_is_that_of_a_car_and_no_white_noise(seed):
    moved = rough(seed)
    change = np.diff(moved, axis=0)
    # m and rad from one picture to the next; the picture of the Udacity camera has 1153 px a rad.
    assert (np.abs(change).max(0) < (0.01, 0.006, 0.006, 0.003)).all()
    assert 0.0004 < change[:, 1].std() < 0.0018
    for column in (0, 1, 2):
        power = np.abs(np.fft.rfft(change[:, column] * np.hanning(379))) ** 2
        frequency = np.fft.rfftfreq(379, 0.05)
        assert power[frequency > 4].sum() < 0.15 * power.sum()
        assert np.corrcoef(change[:-1, column], change[1:, column])[0, 1] > 0.5


def test_pitch_swings_about_its_own_frequency():
    pitch = np.concatenate([rough(seed)[:, 1] for seed in range(6)])
    power = np.abs(np.fft.rfft(pitch - pitch.mean())) ** 2
    frequency = np.fft.rfftfreq(pitch.size, 0.05)
    loudest = (power * frequency).sum() / power.sum()
    assert loudest == pytest.approx(PITCH.frequency, abs=0.6)


def test_the_view_of_a_drive_moves_smoothly():
    drive = SynthDrive(SynthConfig(duration=10, seed=3, width=160, height=120))
    views = [drive.view(index) for index in range(len(drive))]
    for name, most in (('pitch', 0.012), ('roll', 0.008)):
        steps = np.diff([getattr(view, name) for view in views])
        assert np.abs(steps).max() < most
        assert steps.std() > 0
    assert math.isfinite(views[-1].heading)
