"""Warps against geometry worked out by hand: pictures of one line, points of a road."""

import math

import numpy as np
import pytest

from signattn.augment import AugmentConfig, augment
from signattn.augment.camera import look_from, mirror, seen_from, steered_back

# With 90° across 160 px the focal length is 80 px.
CAMERA = AugmentConfig(horizontal_fov_deg=90, horizon=0.5, camera_height_m=1.0, recovery_m=10.0)


def line(column=80):
    """A picture of a bright vertical line, 1 px wide."""
    image = np.zeros((80, 160, 3), np.uint8)
    image[:, column, 2] = 255
    return image


def columns(image):
    """Column of the line in each row."""
    assert (np.count_nonzero(image[..., 2], axis=1) == 1).all()
    return image[..., 2].argmax(axis=1)


def test_a_mirror_changes_sides():
    assert (columns(mirror(line(3))) == 156).all()  # 159 − 3


@pytest.mark.parametrize(('yaw_px', 'column'), [(8, 88), (-8, 72), (0, 80), (20, 100)])
def test_a_turn_moves_the_whole_picture(yaw_px, column):
    # Turned left, all is seen further right: in the middle by f · tan(yaw), f = 80 px.
    moved = look_from(line(), seen_from(math.atan(yaw_px / 80), 0.0, CAMERA))
    assert (columns(moved) == column).all()


def test_a_turn_moves_the_sides_of_a_wide_picture_further():
    # From 40° right of the axis to 43°: 80 · tan(40°) = 67.1 px, 80 · tan(43°) = 74.6 px.
    moved = look_from(line(round(79.5 + 67.1)), seen_from(math.radians(3), 0.0, CAMERA))
    assert moved[40, :, 2].argmax() == round(79.5 + 74.6)


def test_no_motion_takes_each_pixel_from_itself():
    source_x, source_y = seen_from(0.0, 0.0, CAMERA, 1.5)
    x, y = np.meshgrid(np.arange(160), np.arange(80))
    np.testing.assert_allclose(source_x, x, atol=1e-4)
    np.testing.assert_allclose(source_y, y, atol=1e-4)


def test_a_shift_moves_rows_in_proportion_to_their_depth_below_the_horizon():
    # A point of the road v px below the horizon moves shift / height · v px: here 0.24 · v.
    moved = look_from(line(), seen_from(0.0, 0.24, CAMERA))
    # What is above the horizon is far away and stays.
    below = np.maximum(np.arange(80) - 40, 0)
    assert columns(moved).tolist() == (80 + np.round(0.24 * below)).tolist()


def test_a_picture_squeezed_in_height_moves_further():
    moved = look_from(line(), seen_from(0.0, 0.24, CAMERA, stretch=1.5))
    assert columns(moved)[[40, 50, 75]].tolist() == [80, 80 + round(3.6), 80 + round(12.6)]


def projected(right, ahead, focal, horizon, height, stretch):
    """Column and row of a point on the road, m from the camera."""
    return 79.5 + focal * right / ahead, horizon + focal / stretch * height / ahead


@pytest.mark.parametrize('stretch', [1.0, 1.5])
@pytest.mark.parametrize(('yaw', 'shift'), [(0.05, 0.0), (0.0, -0.8), (-0.04, 0.6)])
def test_points_of_the_road_are_seen_where_the_moved_camera_sees_them(yaw, shift, stretch):
    config = AugmentConfig(horizontal_fov_deg=60, horizon=0.35, camera_height_m=1.3)
    focal = 80 / math.tan(math.radians(30))
    source_x, source_y = seen_from(yaw, shift, config, stretch)
    checked = 0
    for row in range(32, 80, 6):
        for column in range(0, 160, 13):
            # The road's point under this pixel, in m right of and ahead of the moved camera …
            ahead = focal / stretch * 1.3 / (row - 28)
            right = (column - 79.5) / focal * ahead
            # … and of the first one: shifted to the left by `shift`, turned to the left by yaw.
            x = right * math.cos(yaw) - ahead * math.sin(yaw) - shift
            z = right * math.sin(yaw) + ahead * math.cos(yaw)
            expected = projected(x, z, focal, 28, 1.3, stretch)
            got = (source_x[row, column], source_y[row, column])
            np.testing.assert_allclose(got, expected, atol=1e-3)
            checked += 1
    assert checked == 8 * 13


@pytest.mark.parametrize('yaw', [0.1, -0.1])
def test_a_turn_is_steered_back(yaw):
    # Pure pursuit of the point 10 m ahead on the old path: −2 · yaw / 10 m.
    assert steered_back(yaw, 0.0, 10.0) == pytest.approx(-0.2 * yaw)


@pytest.mark.parametrize('shift', [0.5, -0.5])
def test_a_shift_is_steered_back(shift):
    # Pure pursuit: −2 · 0.5 m / (10 m)².
    assert steered_back(0.0, shift, 10.0) == pytest.approx(-0.02 * shift)


@pytest.mark.parametrize(('yaw', 'shift'), [(0.02, 0.3), (-0.02, 0.3), (0.03, -0.5), (0.0, 0.4)])
def test_the_arc_that_is_steered_meets_the_old_path(yaw, shift):
    # The old path is the axis; the car stands `shift` m left of it and is turned by yaw.
    curvature, step = steered_back(yaw, shift, 30.0), 0.01
    heading = yaw + curvature * step * np.arange(3000)
    ahead, left = step * np.cos(heading).sum(), shift + step * np.sin(heading).sum()
    assert ahead == pytest.approx(30.0, abs=0.05)
    assert left == pytest.approx(0.0, abs=0.01)


def test_a_turned_and_shifted_sequence_has_the_label_that_steers_back():
    config = AugmentConfig(mirror=0, yaw_deg=2, shift_m=0.4, recovery_m=10.0)
    draws = np.random.default_rng(1)
    draws.random(2)
    draws.uniform(-1, 1, 3)
    yaw, shift = draws.standard_normal(2) * (math.radians(2), 0.4)
    frames, curvature = augment(
        line()[None], np.array([0.01]), config, np.random.default_rng(1), 1.5
    )
    assert curvature == pytest.approx([0.01 - 0.02 * shift - 0.2 * yaw])
    np.testing.assert_array_equal(frames[0], look_from(line(), seen_from(yaw, shift, config, 1.5)))


def test_a_mirrored_sequence_moved_is_the_moved_one_mirrored():
    # Turned left and mirrored is mirrored and turned right: geometry has no side.
    moved = look_from(mirror(line(40)), seen_from(0.03, 0.2, CAMERA))
    other = mirror(look_from(line(40), seen_from(-0.03, -0.2, CAMERA)))
    # Where a source lies halfway between two pixels, either is right.
    assert np.count_nonzero(moved != other) <= 80
    assert abs(moved[..., 2].argmax(axis=1) - other[..., 2].argmax(axis=1)).max() <= 1
    assert steered_back(0.03, 0.2, 30) == -steered_back(-0.03, -0.2, 30)
