"""What units mean."""

import math

import pytest

from signattn.bag.units import Measure, speed_unit, steering_unit


@pytest.mark.parametrize(
    ('unit', 'number', 'value'),
    [
        ('rad', 2.0, 2.0),
        ('deg', 180.0, math.pi),
        ('deg_right', 180.0, -math.pi),
        ('m', 50.0, 0.02),
        ('m', -50.0, -0.02),
        ('m_right', 50.0, -0.02),
        ('m', math.inf, 0.0),
        ('m', 0.0, math.nan),
        ('1/m_right', 0.02, -0.02),
    ],
)
def test_steering(unit, number, value):
    assert steering_unit(unit)(number) == pytest.approx(value, nan_ok=True)


def test_straight_ahead_has_no_sign():
    assert math.copysign(1, steering_unit('deg_right')(0.0)) == 1


@pytest.mark.parametrize(('unit', 'value'), [('m/s', 36.0), ('km/h', 10.0), ('mph', 16.09344)])
def test_speed(unit, value):
    assert speed_unit(unit)(36.0) == pytest.approx(value)


def test_without_a_unit_speed_is_in_m_per_s():
    assert speed_unit(None) == Measure('speed')
