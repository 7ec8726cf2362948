"""Heatmap, overlay and steering bars, on maps with a single cell."""

import math
import re

import numpy as np
import pytest

from signattn.heatmap import colour, draw_numbers, draw_steering, heatmap, overlay

PREDICTED, TRUE = (255, 170, 30), (120, 230, 120)


def one_cell(row=3, column=7):
    attention = np.zeros((10, 20), np.float32)
    attention[row, column] = 1.0
    return attention


def test_without_blur_a_cell_is_eight_by_eight_pixels():
    want = np.zeros((80, 160), np.float32)
    want[24:32, 56:64] = 1.0
    got = heatmap(one_cell(), 80, 160, blur_px=0)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == np.float32


def test_blur_is_a_gaussian_of_four_pixels():
    heat = heatmap(one_cell(), 80, 160)
    assert heat.max() == 1
    assert heat[27:29, 59:61].min() == pytest.approx(1)  # the middle of the cell
    np.testing.assert_allclose(heat[24:32, 56:64], heat[24:32, 56:64][::-1, ::-1], atol=1e-5)
    # A box of 8 under a Gaussian of 4, d pixels from its middle: Φ((d + 4)/4) − Φ((d − 4)/4).
    box = [
        (math.erf((d + 4) / (4 * 2**0.5)) - math.erf((d - 4) / (4 * 2**0.5))) for d in (0.5, 8.5)
    ]
    assert heat[27, 68] == pytest.approx(box[1] / box[0], abs=0.01)


@pytest.mark.parametrize('factor', [2, 4])
def test_blur_grows_with_the_picture(factor):
    small, large = heatmap(one_cell(), 80, 160), heatmap(one_cell(), 80 * factor, 160 * factor)
    assert large.shape == (80 * factor, 160 * factor)
    blocks = large.reshape(80, factor, 160, factor).mean((1, 3))
    np.testing.assert_allclose(blocks, small, atol=0.02)


def test_the_most_attended_place_is_1_and_the_least_0():
    attention = np.linspace(1, 3, 200, dtype=np.float32).reshape(10, 20)
    heat = heatmap(attention / attention.sum(), 80, 160, blur_px=0)
    assert (heat.min(), heat.max()) == (0, 1)
    np.testing.assert_allclose(heat[::8, ::8], (attention - 1) / 2, atol=1e-5)


@pytest.mark.parametrize('blur_px', [0.0, 4.0])
def test_equal_weights_are_no_heat_at_all(blur_px):
    heat = heatmap(np.full((10, 20), 1 / 200, np.float32), 48, 64, blur_px)
    np.testing.assert_array_equal(heat, np.zeros((48, 64), np.float32))


@pytest.mark.parametrize(('weight', 'warm'), [(1.01 / 200, True), (1 / 200 + 1e-9, False)])
def test_rounding_is_no_heat_but_a_hundredth_is(weight, warm):
    attention = np.full((10, 20), 1 / 200, np.float32)
    attention[3, 7] = weight
    assert heatmap(attention, 80, 160, blur_px=0).any() == warm


def test_the_map_is_not_modified():
    attention = one_cell()
    heatmap(attention, 80, 160)
    np.testing.assert_array_equal(attention, one_cell())


@pytest.mark.parametrize(
    'attention',
    [
        np.zeros((1, 10, 20), np.float32),
        np.full((10, 20), np.nan, np.float32),
        np.full((10, 20), np.inf, np.float32),
    ],
)
def test_what_is_no_map_is_refused(attention):
    text = f'attention must be finite and (10, 20), got {attention.shape}'
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        heatmap(attention, 80, 160)


def test_colours_go_from_blue_to_red():
    cold, middle, hot = colour(np.array([[0.0, 0.5, 1.0]], np.float32))[0].astype(int)
    assert cold.max() < 80
    assert cold.argmin() == 1
    assert middle.argmax() == 1
    assert hot.argmax() == 0


def test_an_overlay_mixes_by_heat_and_strength():
    image = np.full((1, 3, 3), 200, np.uint8)
    heat = np.array([[0.0, 0.5, 1.0]], np.float32)
    laid = overlay(image, heat, strength=0.5)[0].astype(float)
    colours = colour(heat)[0].astype(float)
    assert laid[0].tolist() == [200, 200, 200]
    np.testing.assert_allclose(laid[1], 0.75 * 200 + 0.25 * colours[1], atol=1)
    np.testing.assert_allclose(laid[2], 0.5 * 200 + 0.5 * colours[2], atol=1)


@pytest.mark.parametrize('strength', [0.0, 1.0])
def test_no_strength_shows_the_picture_and_full_strength_hides_it(strength):
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    before, heat = image.copy(), np.ones((8, 8), np.float32)
    want = colour(heat) if strength else image
    np.testing.assert_allclose(overlay(image, heat, strength), want, atol=1)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ('shape', 'strength', 'text'),
    [
        ((4, 5), 0.5, 'heat must be (4, 4) like the picture, got (4, 5)'),
        ((4, 4), -0.01, 'strength must be in [0, 1], got -0.01'),
        ((4, 4), 1.01, 'strength must be in [0, 1], got 1.01'),
    ],
)
def test_an_overlay_that_cannot_be_is_refused(shape, strength, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros(shape, np.float32), strength)


# Steering: on a picture of 480×640 bars are full at 0.4 · 640 = 256 pixels, at 90°.


def bar(image, paint):
    """First and last column of a bar, right of the text; None where there is none."""
    rows = (image == np.array(paint, np.uint8)).all(2)[:, 200:]
    columns = 200 + np.flatnonzero(rows[rows.sum(1).argmax()])
    return (int(columns[0]), int(columns[-1])) if columns.size > 20 else None


def drawn(predicted, true=None):
    return draw_steering(np.zeros((480, 640, 3), np.uint8), predicted, true)


@pytest.mark.parametrize(
    ('degrees', 'end'), [(45, 416 - 106), (-45, 416 + 106), (90, 205), (120, 205), (-500, 627)]
)
def test_left_turns_point_to_the_left_and_end_at_90_degrees(degrees, end):
    image = drawn(math.radians(degrees))
    first, last = bar(image, PREDICTED)
    assert (first if degrees > 0 else last) == end
    assert abs((last if degrees > 0 else first) - 416) <= 1  # the middle line lies on it
    assert bar(image, TRUE) is None


def test_prediction_and_truth_stand_side_by_side():
    image = drawn(math.radians(45), math.radians(-45))
    assert bar(image, PREDICTED)[0] == 310
    assert bar(image, TRUE)[1] == 522


@pytest.mark.parametrize('unknown', [None, math.nan])
def test_an_unknown_angle_draws_no_bar(unknown):
    image = drawn(unknown, unknown)
    assert bar(image, PREDICTED) is None
    assert bar(image, TRUE) is None


@pytest.mark.parametrize('size', [(80, 160), (480, 640), (720, 1280)])
def test_a_picture_of_any_size_is_drawn_on_a_copy(size):
    image = np.zeros((*size, 3), np.uint8)
    got = draw_steering(image, 0.3, -0.3)
    assert got.shape == (size[0] + 2 * max(6, size[0] // 24), size[1], 3)
    np.testing.assert_array_equal(got[: size[0]], image)
    assert got.any()
    assert not image.any()


@pytest.mark.parametrize('size', [(1, 1), (80, 160), (480, 640)])
def test_numbers_stand_below_the_picture_and_fit_its_width(size):
    image = np.full((*size, 3), 40, np.uint8)
    got = draw_numbers(image, 'predicted -0.0123 1/m   driven +0.0123 1/m   at 15.0 m/s, assumed')
    row = max(6, size[1] // 32)
    assert got.shape == (size[0] + row, size[1], 3)
    np.testing.assert_array_equal(got[: size[0]], image)
    written = np.flatnonzero(got[size[0] :].any((0, 2)))
    if size[1] > 1:
        assert 0.5 * size[1] < written[-1] < size[1] - 1
