"""Single steps on single pictures, against values worked out by hand."""

import math

import cv2
import numpy as np
import pytest

from signattn.augment.appearance import (
    add_gradient,
    add_noise,
    blur,
    change_tone,
    ramp,
    through_jpeg,
    to_bgr,
    to_hsv,
    tone_table,
    with_value,
    without_colour,
)


def colours():
    generator = np.random.default_rng(0)
    return generator.integers(0, (180, 256, 256), (80, 160, 3)).astype(np.uint8)


def plain(pixel):
    image = np.empty((80, 160, 3), np.uint8)
    image[:] = pixel
    return image


RED, BLUE, GREY = (0, 255, 255), (120, 255, 255), (0, 0, 100)


def test_grey_is_as_bright_as_the_eye_sees_it():
    grey = without_colour(colours())
    assert not grey[..., :2].any()
    rgb = cv2.cvtColor(colours(), cv2.COLOR_HSV2RGB).astype(float)
    np.testing.assert_allclose(grey[..., 2], rgb @ (0.299, 0.587, 0.114), atol=1)


@pytest.mark.parametrize(
    ('brightness', 'saturation', 'gamma', 'expected'),
    [
        (1, 1, 1, (7, 80, 51)),
        (0.5, 2, 1, (7, 160, 26)),  # 25.5 rounds to the even 26
        (1, 1, 2, (7, 80, 10)),  # 255 · 0.2² = 10.2
        (9, 9, 1, (7, 255, 255)),
        (1, 0, 0.5, (7, 0, 114)),  # 255 · √0.2 = 114.04
    ],
)
def test_tone(brightness, saturation, gamma, expected):
    changed = change_tone(plain((7, 80, 51)), tone_table(brightness, saturation, gamma))
    np.testing.assert_array_equal(changed, plain(expected))


@pytest.mark.parametrize(
    ('direction', 'corners'),
    [
        (0, (-1, 1, -1, 1)),  # top left, top right, bottom left, bottom right
        (math.pi / 2, (-1, -1, 1, 1)),
        (math.pi, (1, -1, 1, -1)),
        (math.pi / 4, (-1, 0, 0, 1)),
        (-math.pi / 4, (0, 1, -1, 0)),
    ],
)
def test_a_ramp_rises_in_its_direction(direction, corners):
    plane = ramp(direction)
    assert (plane.shape, plane.dtype) == ((80, 160), np.float32)
    np.testing.assert_allclose(plane[[0, 0, -1, -1], [0, -1, 0, -1]], corners, atol=1e-6)
    assert plane.mean() == pytest.approx(0, abs=1e-6)


def test_a_gradient_multiplies_and_adds():
    factor, glare = np.ones((2, 80, 160), np.float32)
    factor[0, :3] = (0.5, 1.3, 9)
    glare[0, :3] = (0, -20.4, 0)
    glare[0, 3:5] = (-101, -100)
    lit = add_gradient(plain((7, 80, 100)), factor, glare)
    assert lit[0, :6].tolist() == [
        [7, 80, 50],
        [7, 80, 110],  # 109.6
        [7, 80, 255],
        [7, 80, 0],
        [7, 80, 0],
        [7, 80, 101],
    ]


def test_a_blur_keeps_plain_pictures():
    for pixel in (RED, BLUE, GREY):
        np.testing.assert_array_equal(blur(plain(pixel), 2.0), plain(pixel))


def test_a_blur_spreads_light_by_its_sigma():
    image = plain((0, 0, 0))
    image[:, 80, 2] = 255
    row = blur(image, 2.0)[40, :, 2].astype(float)
    gauss = 255 * np.exp(-((np.arange(160) - 80.0) ** 2) / 8)
    np.testing.assert_allclose(row, gauss / (2 * math.sqrt(2 * math.pi)), atol=1.5)


def test_a_blur_mixes_reds_from_both_ends_of_the_hues_to_red():
    image = plain((2, 255, 255))
    image[::2, :, 0] = 178  # the mean of the numbers would be cyan
    hues = blur(image, 2.0)[10:70, :, 0]
    assert set(np.unique(hues)) <= {0, 1, 179}


def test_noise_has_its_deviation_and_leaves_hue_and_saturation():
    noisy = add_noise(plain((7, 80, 128)), 10.0, np.random.default_rng(0))
    np.testing.assert_array_equal(noisy[..., :2], plain((7, 80, 128))[..., :2])
    change = noisy[..., 2].astype(float) - 128
    assert abs(change.mean()) < 0.3
    assert 9.7 < change.std() < 10.2
    # As of a normal distribution: 68 % within one deviation, no end of a uniform one.
    assert 0.65 < np.mean(abs(change) <= 10) < 0.73
    assert 25 < abs(change).max() <= 29


@pytest.mark.parametrize('level', [0, 255])
def test_noise_stops_at_black_and_white(level):
    noisy = add_noise(plain((0, 0, level)), 10.0, np.random.default_rng(0))[..., 2]
    assert abs(noisy.astype(int) - level).max() <= 29


@pytest.mark.parametrize('pixel', [RED, BLUE, GREY])
def test_jpeg_keeps_plain_pictures_nearly(pixel):
    passed = to_bgr(through_jpeg(plain(pixel), 90)).astype(int)
    # Exchanged channels would make red blue.
    assert abs(passed - to_bgr(plain(pixel))).max() <= 4


def test_jpeg_loses_more_at_lower_quality():
    errors = [
        cv2.absdiff(to_bgr(through_jpeg(colours(), q)), to_bgr(colours())).mean()
        for q in (20, 50, 90)
    ]
    assert errors[0] > errors[1] > errors[2] > 1


def test_conversions_go_back_and_forth():
    assert to_bgr(plain(RED))[0, 0].tolist() == [0, 0, 255]
    assert to_hsv(to_bgr(plain(BLUE)))[0, 0].tolist() == list(BLUE)
    # Every colour there is with a channel of 255, hues near the end of their circle among them.
    bgr = np.indices((256, 256)).transpose(1, 2, 0).astype(np.uint8)
    assert to_hsv(np.dstack([bgr, np.full((256, 256), 255, np.uint8)]))[..., 0].max() < 180


def test_another_brightness_leaves_the_picture_it_came_from():
    image = colours()
    changed = with_value(image, np.full((80, 160), 9, np.uint8))
    np.testing.assert_array_equal(image, colours())
    np.testing.assert_array_equal(changed[..., :2], image[..., :2])
    assert (changed[..., 2] == 9).all()
