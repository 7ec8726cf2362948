"""Variations by hand: pictures of one line, and labels that follow them."""

import math
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from signattn.augment import AugmentConfig, augment, move_camera

# With 90° across 160 px the focal length is 80 px.
CAMERA = AugmentConfig(horizontal_fov_deg=90, horizon=0.5, camera_height_m=1.0, recovery_m=10.0)
NOTHING = AugmentConfig(mirror=0)
ALL = AugmentConfig(mirror=0.5, gain=0.5, gamma=0.5, grey=0.5, noise=20, yaw_deg=3, shift_m=0.3)
CURVATURE = np.array([0.01, np.nan, -0.02])


def rng(seed=0):
    return np.random.default_rng(seed)


def colours(count=3):
    return rng().integers(0, (180, 256, 256), (count, 80, 160, 3)).astype(np.uint8)


def line(column=80):
    """One picture of a bright vertical line, 1 px wide."""
    frames = np.zeros((1, 80, 160, 3), np.uint8)
    frames[:, :, column, 2] = 255
    return frames


def columns(frames):
    """Column of the line in each row of the first picture."""
    assert (np.count_nonzero(frames[0, :, :, 2], axis=1) == 1).all()
    return frames[0, :, :, 2].argmax(axis=1)


# No change


def test_a_configuration_that_does_nothing_changes_nothing():
    frames, curvature = augment(colours(), CURVATURE, NOTHING, rng())
    np.testing.assert_array_equal(frames, colours())
    np.testing.assert_array_equal(curvature, CURVATURE)


@pytest.mark.parametrize('seed', range(8))
def test_the_input_is_not_modified_and_shapes_stay(seed):
    frames, curvature = colours(), CURVATURE.copy()
    varied, label = augment(frames, curvature, ALL, rng(seed))
    np.testing.assert_array_equal(frames, colours())
    np.testing.assert_array_equal(curvature, CURVATURE)
    assert (varied.shape, varied.dtype) == (frames.shape, np.uint8)
    assert varied.flags.c_contiguous
    assert np.isnan(label).tolist() == [False, True, False]


def test_read_only_frames_as_of_a_drive_can_be_varied():
    frames = colours()
    frames.flags.writeable = False
    augment(frames, CURVATURE, ALL, rng())


def test_the_same_draws_give_the_same_variation():
    first, second = (augment(colours(), CURVATURE, ALL, rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_switching_one_off_leaves_the_draws_of_the_others():
    both = AugmentConfig(mirror=0.5, gain=0.5, gamma=0.5, yaw_deg=3)
    for seed in range(8):
        _, with_light = augment(colours(), CURVATURE, both, rng(seed))
        _, without = augment(colours(), CURVATURE, replace(both, gain=0, gamma=0), rng(seed))
        np.testing.assert_array_equal(with_light, without)


# Mirror


def test_a_mirror_changes_sides_and_sign():
    frames, curvature = augment(line(3), np.array([0.01]), AugmentConfig(mirror=1), rng())
    assert (columns(frames) == 156).all()  # 159 − 3
    assert curvature.tolist() == [-0.01]


def test_a_mirror_twice_is_nothing():
    config = AugmentConfig(mirror=1)
    frames, curvature = augment(*augment(colours(), CURVATURE, config, rng()), config, rng())
    np.testing.assert_array_equal(frames, colours())
    np.testing.assert_array_equal(curvature, CURVATURE)


def test_half_of_the_sequences_are_mirrored():
    signs = [augment(line(), np.ones(1), AugmentConfig(mirror=0.5), rng(i))[1] for i in range(200)]
    assert 70 < np.sum(np.array(signs) < 0) < 130


# Camera


@pytest.mark.parametrize(('yaw_px', 'column'), [(8, 88), (-8, 72), (0, 80), (20, 100)])
def test_a_turn_moves_the_whole_picture(yaw_px, column):
    # Turned left, all is seen further right: by f · tan(yaw), f = 80 px.
    frames, _ = move_camera(line(), np.zeros(1), math.atan(yaw_px / 80), 0.0, CAMERA)
    assert (columns(frames) == column).all()


@pytest.mark.parametrize('yaw', [0.1, -0.1])
def test_a_turn_is_steered_back(yaw):
    # Pure pursuit of the point 10 m ahead on the old path: −2 · yaw / 10 m.
    _, curvature = move_camera(line(), np.array([0.01]), yaw, 0.0, CAMERA)
    np.testing.assert_allclose(curvature, 0.01 - 0.2 * yaw)


def test_a_shift_moves_rows_in_proportion_to_their_depth_below_the_horizon():
    # A point of the road v px below the horizon moves shift / height · v px: here 0.24 · v.
    frames, _ = move_camera(line(), np.zeros(1), 0.0, 0.24, CAMERA)
    # What is above the horizon is far away and stays.
    below = np.maximum(np.arange(80) - 40, 0)
    assert columns(frames).tolist() == (80 + np.round(0.24 * below)).tolist()


def test_a_picture_squeezed_in_height_moves_further():
    frames, _ = move_camera(line(), np.zeros(1), 0.0, 0.24, CAMERA, stretch=1.5)
    assert columns(frames)[[40, 50, 75]].tolist() == [80, 80 + round(3.6), 80 + round(12.6)]


@pytest.mark.parametrize('shift', [0.5, -0.5])
def test_a_shift_is_steered_back(shift):
    # Pure pursuit: −2 · 0.5 m / (10 m)².
    _, curvature = move_camera(line(), np.array([0.01]), 0.0, shift, CAMERA)
    np.testing.assert_allclose(curvature, 0.01 - 0.02 * shift)


def test_hues_are_never_mixed():
    # Red lies at both ends of the circle of hues: a mean of 2 and 178 would be cyan.
    frames = np.full((1, 80, 160, 3), 255, np.uint8)
    frames[..., 0] = np.where(np.indices((80, 160)).sum(0) % 2, 2, 178)
    config = replace(ALL, mirror=1, grey=0)
    for seed in range(5):
        varied, _ = augment(frames, np.zeros(1), config, rng(seed))
        assert set(np.unique(varied[..., 0])) == {2, 178}


# Light


def test_grey_has_no_colour_and_the_brightness_of_the_eye():
    frames, curvature = augment(colours(), CURVATURE, AugmentConfig(mirror=0, grey=1), rng())
    assert not frames[..., :2].any()
    rgb = cv2.cvtColor(colours()[1], cv2.COLOR_HSV2RGB).astype(float)
    np.testing.assert_allclose(frames[1, ..., 2], rgb @ (0.299, 0.587, 0.114), atol=1)
    np.testing.assert_array_equal(curvature, CURVATURE)


@pytest.mark.parametrize('seed', range(4))
def test_gain_scales_brightness_and_saturation_apart(seed):
    frames = np.empty((1, 80, 160, 3), np.uint8)
    frames[:] = (100, 120, 80)
    varied, _ = augment(frames, np.zeros(1), AugmentConfig(mirror=0, gain=0.5), rng(seed))
    draws = rng(seed)
    draws.random(2)
    brightness, saturation, _ = draws.uniform(-1, 1, 3)
    expected = (100, round(120 * (1 + saturation / 2)), round(80 * (1 + brightness / 2)))
    assert np.unique(varied.reshape(-1, 3), axis=0).tolist() == [list(expected)]


def test_brightness_ends_at_255():
    bright = np.full((1, 80, 160, 3), 255, np.uint8)
    seen = [
        augment(bright, np.zeros(1), AugmentConfig(mirror=0, gain=0.9), rng(i))[0][0, 0, 0]
        for i in range(20)
    ]
    assert {pixel[0] for pixel in seen} == {255}  # the hue stays
    assert max(pixel[2] for pixel in seen) == 255
    assert min(pixel[2] for pixel in seen) < 128


def test_gamma_keeps_black_and_white():
    frames = np.zeros((1, 80, 160, 3), np.uint8)
    frames[0, :, :, 2] = np.arange(160)
    frames[0, :, 159, 2] = 255
    varied, _ = augment(frames, np.zeros(1), AugmentConfig(mirror=0, gamma=0.9), rng(1))
    row = varied[0, 0, :, 2]
    assert (row[0], row[159]) == (0, 255)
    assert (np.diff(row.astype(int)) >= 0).all()
    assert row[80] != 80


def test_noise_is_on_the_brightness_alone():
    frames = np.full((2, 80, 160, 3), 128, np.uint8)
    varied, _ = augment(frames, np.zeros(2), AugmentConfig(mirror=0, noise=20), rng())
    np.testing.assert_array_equal(varied[..., :2], 128)
    spread = varied[..., 2].std()
    assert 0 < spread < 21
    assert abs(varied[..., 2].mean() - 128) < 1
    assert (varied[0] != varied[1]).any()


# Refusals


@pytest.mark.parametrize(
    ('name', 'low', 'high'),
    [
        ('mirror', 0, 1),
        ('max_skip', 1, 10),
        ('gain', 0, 0.9),
        ('gamma', 0, 0.9),
        ('grey', 0, 1),
        ('noise', 0, 255),
        ('yaw_deg', 0, 45),
        ('shift_m', 0, 5),
        ('recovery_m', 1, 1000),
        ('horizontal_fov_deg', 5, 175),
        ('horizon', 0, 1),
        ('camera_height_m', 0.1, 10),
    ],
)
def test_ranges_just_inside_and_outside(name, low, high):
    AugmentConfig(**{name: low})
    AugmentConfig(**{name: high})
    for value in (low - 0.01, high + 0.01, math.nan):
        text = f'{name} must be in [{low:g}, {high:g}], got {value}'
        with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
            AugmentConfig(**{name: value})
