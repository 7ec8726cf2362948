"""Steering angle and curvature (Eq. 3 and its inverse), smoothing (Eq. 2), vehicle files."""

import math
import re

import numpy as np
import pytest

from signattn.vehicle import (
    Vehicle,
    curvature_from_steering,
    load_vehicle,
    smooth,
    steering_from_curvature,
)

# At 10 m/s the angle is 2 · 10 · (1 + 0.01 · 10²) = 40 times the curvature.
TOY = Vehicle('toy', wheelbase=2.0, steering_ratio=10.0, slip_factor=0.01)
YAML = 'name: own\nwheelbase: 3\nsteering_ratio: 15\nslip_factor: 0\n'


def test_curvature_of_a_steering_angle():
    assert curvature_from_steering(1.0, 10.0, TOY) == pytest.approx(1 / 40)
    assert curvature_from_steering(-1.0, 0.0, TOY) == pytest.approx(-1 / 20)
    np.testing.assert_allclose(curvature_from_steering([0.0, 4.0], [0.0, 10.0], TOY), [0, 0.1])


def test_steering_angle_of_a_curvature():
    assert steering_from_curvature(0.1, 10.0, TOY) == pytest.approx(4.0)
    assert steering_from_curvature(-0.1, 0.0, TOY) == pytest.approx(-2.0)


def test_each_undoes_the_other():
    angle, speed = np.linspace(-8, 8, 17), np.linspace(0, 40, 17)
    curvature = curvature_from_steering(angle, speed, TOY)
    np.testing.assert_allclose(steering_from_curvature(curvature, speed, TOY), angle, rtol=1e-14)


@pytest.mark.parametrize('convert', [curvature_from_steering, steering_from_curvature])
def test_unknown_angles_and_speeds_stay_unknown(convert):
    got = convert([math.nan, 1.0, 1.0], [10.0, math.nan, 10.0], TOY)
    assert np.isnan(got).tolist() == [True, True, False]


@pytest.mark.parametrize('convert', [curvature_from_steering, steering_from_curvature])
@pytest.mark.parametrize('speed', [-1e-9, math.inf, -math.inf])
def test_a_speed_that_no_car_has_is_refused(convert, speed):
    text = f'speed must be finite and at least 0 m/s, got {speed}'
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        convert([1.0, 1.0], [5.0, speed], TOY)


def test_the_lincoln_of_the_udacity_drives():
    vehicle = load_vehicle()
    assert vehicle == Vehicle('lincoln_mkz', 2.8498, 14.8, 0.0014)
    # 2.8498 · 14.8 = 42.17704; at 22 m/s times 1 + 0.0014 · 484 = 1.6776.
    assert steering_from_curvature(1.0, 22.0, vehicle) == pytest.approx(42.17704 * 1.6776)


@pytest.mark.parametrize('kind', [str, lambda path: path])
def test_a_vehicle_file_of_ones_own(tmp_path, kind):
    path = tmp_path / 'own.yaml'
    path.write_text(YAML)
    assert load_vehicle(kind(path)) == Vehicle('own', 3, 15, 0)


def test_a_vehicle_that_is_not_shipped_is_refused():
    text = r"^vehicle must be one of \[.*'lincoln_mkz'.*\] or a \.yaml file, got 'lincoln'$"
    with pytest.raises(ValueError, match=text):
        load_vehicle('lincoln')


def test_a_vehicle_file_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / 'none.yaml'
    text = f"vehicle must be an existing .yaml file, got '{path}'"
    with pytest.raises(ValueError, match=re.escape(text)):
        load_vehicle(path)


@pytest.mark.parametrize(
    ('old', 'new', 'text'),
    [
        ('wheelbase', 'wheelbas', "got 'wheelbas'; did you mean 'wheelbase'?"),
        ('slip_factor: 0\n', '', "key 'slip_factor' must be given, got "),
        ('wheelbase: 3', 'wheelbase: 0', 'wheelbase must be a finite number above 0, got 0'),
        ('wheelbase: 3', 'wheelbase: .nan', 'wheelbase must be a finite number above 0, got nan'),
        ('ratio: 15', 'ratio: x', "steering_ratio must be a finite number above 0, got 'x'"),
        ('factor: 0', 'factor: -0.1', 'slip_factor must be a number of at least 0, got -0.1'),
        ('factor: 0', 'factor: .inf', 'slip_factor must be a number of at least 0, got inf'),
    ],
)
def test_a_wrong_vehicle_file_is_refused(tmp_path, old, new, text):
    path = tmp_path / 'own.yaml'
    path.write_text(YAML.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(text)):
        load_vehicle(path)


def test_smoothing_recurses_on_the_smoothed_past():
    # On the raw past, as the paper prints it, the last would be 0.5 · 0 + 0.5 · 8 = 4.
    np.testing.assert_array_equal(smooth([4.0, 8.0, 0.0], 0.5), [4, 6, 3])
    np.testing.assert_allclose(smooth([0.0, 1.0, 1.0], 0.1), [0, 0.1, 0.19])


def test_factor_1_changes_nothing():
    values = np.array([3.0, -1.0, 7.0])
    np.testing.assert_array_equal(smooth(values, 1.0), values)


def test_nothing_is_carried_across_a_hole():
    values = np.array([math.nan, 4.0, 8.0, math.nan, 2.0, 4.0])
    before = values.copy()
    np.testing.assert_array_equal(smooth(values, 0.5), [math.nan, 4, 6, math.nan, 2, 3])
    np.testing.assert_array_equal(values, before)


def test_nothing_smoothed_is_nothing():
    assert smooth([], 0.5).shape == (0,)


@pytest.mark.parametrize('factor', [0.0, -0.5, 1.0001, math.nan])
def test_a_factor_outside_its_range_is_refused(factor):
    with pytest.raises(ValueError, match=re.escape(f'smoothing must be in (0, 1], got {factor}')):
        smooth([1.0], factor)


def test_only_a_series_is_smoothed():
    with pytest.raises(ValueError, match=re.escape('values must have shape (N,), got (1, 2)')):
        smooth([[1.0, 2.0]], 0.5)
