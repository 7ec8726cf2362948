from dataclasses import replace

import numpy as np
import pytest

from signattn.bag import Series
from signattn.inspection.agreement import LEAST_PAIRS, MAX_LAG_S, agreement

S = 1_000_000_000


def wave(seconds):
    return np.sin(seconds / 3) + 0.4 * np.sin(seconds * 1.3)


def steering(images, sign=1.0, lag_s=0.0):
    seconds = (images.stamps_ns - images.stamps_ns[0]) / S
    return Series('steering_angle', images.stamps_ns, sign * wave(seconds - lag_s))


@pytest.fixture
def images(spoilt):
    images = spoilt().images
    seconds = (images.motion_ns - images.stamps_ns[0]) / S
    return replace(images, motion=30 * wave(seconds))


@pytest.mark.parametrize('sign', [1, -1])
@pytest.mark.parametrize('lag_s', [0.0, 0.35, -2.0])
def test_sign_and_lag_are_found(images, sign, lag_s):
    found = agreement(images, steering(images, sign, lag_s), None)
    assert found.correlation == pytest.approx(sign, abs=0.002)
    assert found.lag_s == pytest.approx(lag_s, abs=1e-9)
    assert found.pairs == 100
    assert found.span_s == 39.6


def test_the_unshifted_correlation_is_told_too(images):
    found = agreement(images, steering(images, lag_s=2.0), None)
    assert abs(found.correlation_unshifted) < 0.9


def test_the_picture_turns_with_steering_times_speed(images):
    seconds = (images.stamps_ns - images.stamps_ns[0]) / S
    speed = 1 + seconds / 4
    turn = Series('steering_angle', images.stamps_ns, wave(seconds) / speed)
    found = agreement(images, turn, Series('speed', images.stamps_ns, speed))
    assert found.correlation == pytest.approx(1, abs=0.002)
    assert agreement(images, turn, None).correlation < 0.9
    yaw_rate = Series('yaw_rate', images.stamps_ns, wave(seconds))
    found = agreement(images, yaw_rate, Series('speed', images.stamps_ns, speed))
    assert found.correlation == pytest.approx(1, abs=0.002)


def test_an_unknown_speed_is_as_none(images):
    nothing = Series('speed', images.stamps_ns, np.full(len(images.stamps_ns), np.nan))
    turn = steering(images)
    assert agreement(images, turn, nothing) == agreement(images, turn, None)


def test_unordered_and_unknown_labels_do_no_harm(images):
    turn = steering(images)
    mixed = Series(
        'steering_angle',
        np.concatenate([turn.stamp_ns[::-1], turn.stamp_ns[:3]]),
        np.concatenate([turn.values[::-1], [np.nan] * 3]),
    )
    assert agreement(images, mixed, None).correlation == pytest.approx(1, abs=0.002)


def test_there_is_nothing_to_find_without_steering_motion_turn_or_overlap(images):
    turn = steering(images)
    few = replace(images, motion_ns=images.motion_ns[: LEAST_PAIRS - 1])
    few = replace(few, motion=images.motion[: LEAST_PAIRS - 1])
    still = replace(images, motion=np.zeros(len(images.motion)))
    assert agreement(images, None, None) is None
    assert agreement(few, turn, None) is None
    assert agreement(still, turn, None) is None
    straight = replace(turn, values=np.zeros(len(turn.values)))
    assert agreement(images, straight, None) is None
    single = Series('steering_angle', turn.stamp_ns[:1], turn.values[:1])
    assert agreement(images, single, None) is None
    later = replace(turn, stamp_ns=turn.stamp_ns + 100 * S)
    assert agreement(images, later, None) is None


def test_a_lag_is_searched_no_further_than_a_quarter_of_the_recording(images):
    half = len(images.motion) // 8
    short = replace(images, motion_ns=images.motion_ns[:half], motion=images.motion[:half])
    found = agreement(replace(short), steering(images, lag_s=3.0), None)
    assert found is None or abs(found.lag_s) <= found.span_s / 4 < MAX_LAG_S
