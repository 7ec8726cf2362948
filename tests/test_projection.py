"""Points of the road in the picture, by numbers worked out by hand."""

import math

import numpy as np
import pytest

from signattn.projection import Lens, Mount, draw_ribbon, project, ribbon, straight_lens

# 90° wide and 200 px: the focal length is 100 px; the axis is at column 99.5, row 49.5.
LENS = straight_lens(math.radians(90), 200, 100)
LEVEL = Mount(height=1.5)


def seen(x, y, mount=LEVEL, lens=LENS):
    return project(np.array([[x, y]], float), mount, lens)[0].tolist()


def test_a_field_of_view_gives_the_focal_length():
    assert LENS.focal == pytest.approx((100, 100))
    assert LENS.centre == (99.5, 49.5)


@pytest.mark.parametrize(
    ('x', 'y', 'column', 'row'),
    [
        (10, 0, 99.5, 49.5 + 15),  # 1.5 m below, 10 m ahead: 100 · 0.15 px under the horizon
        (30, 0, 99.5, 49.5 + 5),
        (10, 2, 99.5 - 20, 49.5 + 15),
        (10, -2, 99.5 + 20, 49.5 + 15),
    ],
)
def test_a_level_camera(x, y, column, row):
    assert seen(x, y) == pytest.approx([column, row])


def test_a_camera_that_looks_down_sees_the_road_ahead_higher_up():
    # Its axis meets the road where tan(pitch) = 1.5 / 10.
    assert seen(10, 0, Mount(1.5, pitch=math.atan(0.15))) == pytest.approx([99.5, 49.5])


def test_a_camera_that_looks_to_the_left_sees_what_lies_there_in_its_middle():
    column, _ = seen(10, 10, Mount(1.5, yaw=math.radians(45)))
    assert column == pytest.approx(99.5)


def test_a_camera_ahead_and_to_the_left_of_base_link():
    assert seen(12, 3, Mount(1.5, x=2, y=1)) == pytest.approx(seen(10, 2))


@pytest.mark.parametrize(('x', 'known'), [(0.5, True), (0.49, False), (-10, False)])
def test_what_is_not_ahead_of_the_camera_is_not_seen(x, known):
    assert math.isfinite(seen(x, 0)[0]) == known


def test_a_picture_of_another_size_shows_the_same():
    # Pixel centres: the middle of 400×200 is at 199.5, 99.5.
    assert seen(10, 2, lens=LENS.resized(400, 200)) == pytest.approx([199.5 - 40, 99.5 + 30])


def test_distortion_bends_as_its_polynomial_says():
    # plumb_bob: a tangent r becomes r · (1 + k1 · r²), here along the column of the axis.
    lens = Lens(200, 100, (100, 100), (99.5, 49.5), (-0.1, 0, 0, 0, 0))
    assert seen(3, 0, lens=lens) == pytest.approx([99.5, 49.5 + 100 * 0.5 * (1 - 0.1 * 0.25)])


@pytest.mark.parametrize('k1', [0.0, 0.1])
def test_a_fisheye_lens_counts_angles(k1):
    lens = Lens(200, 100, (100, 100), (99.5, 49.5), (k1, 0, 0, 0), fisheye=True)
    angle = math.atan(0.5)
    row = 49.5 + 100 * angle * (1 + k1 * angle**2)
    assert seen(3, 0, lens=lens) == pytest.approx([99.5, row])


def test_what_a_polynomial_would_fold_back_is_not_seen():
    # r · (1 − r² / 3) grows up to r = 1 and falls behind it.
    lens = Lens(200, 100, (100, 100), (99.5, 49.5), (-1 / 3, 0, 0, 0, 0))
    points = np.array([[1.5 / 0.98, 0], [1.5 / 1.02, 0], [0.5, 0]])
    known = np.isfinite(project(points, LEVEL, lens)).all(1)
    assert known.tolist() == [True, False, False]


def test_nothing_ahead_is_nothing_seen_through_a_bent_lens_either():
    lens = Lens(200, 100, (100, 100), (99.5, 49.5), (-0.1, 0, 0, 0, 0))
    assert np.isnan(project(np.array([[-1.0, 0.0]]), LEVEL, lens)).all()


def test_a_ribbon_has_its_width_across_the_path():
    edges = ribbon(np.array([0.0, 5.0]), np.array([0.0, 5.0]), np.array([0.0, math.pi / 2]), 0.4)
    np.testing.assert_allclose(edges[0], [[0, 0.2], [4.8, 5]], atol=1e-12)
    np.testing.assert_allclose(edges[1], [[0, -0.2], [5.2, 5]], atol=1e-12)


def straight(length=30.0):
    x = np.linspace(0, length, 61)
    return ribbon(x, np.zeros(61), np.zeros(61))


def test_a_straight_ribbon_is_drawn_from_the_bottom_to_where_it_ends():
    image = np.zeros((100, 200, 3), np.uint8)
    drawn = draw_ribbon(image, straight(), LEVEL, LENS, (0, 200, 0))
    assert not image.any()
    assert set(np.unique(drawn)) == {0, 100}
    rows = np.flatnonzero(drawn.any((1, 2)))
    assert rows[-1] == 99
    assert abs(rows[0] - (49.5 + 5)) <= 1
    columns = np.flatnonzero(drawn[80, :, 1])
    # Row 80 is 1.5 · 100 / 30.5 = 4.92 m ahead, where 0.3 m are 6.1 px.
    assert abs(columns.mean() - 99.5) <= 0.5
    assert 5 <= len(columns) <= 8


def test_a_ribbon_out_of_sight_draws_nothing():
    image = np.full((100, 200, 3), 90, np.uint8)
    behind = ribbon(np.array([-5.0, -1.0]), np.zeros(2), np.zeros(2))
    np.testing.assert_array_equal(draw_ribbon(image, behind, LEVEL, LENS, (255, 0, 0)), image)


def test_the_same_ribbon_on_a_smaller_picture():
    image = np.zeros((100, 200, 3), np.uint8)
    small = draw_ribbon(image[::2, ::2], straight(), LEVEL, LENS, (0, 200, 0))
    rows = np.flatnonzero(small.any((1, 2)))
    assert (small.shape, rows[-1]) == ((50, 100, 3), 49)
    assert abs(rows[0] - (24.5 + 2.5)) <= 1


@pytest.mark.parametrize(('width', 'fits'), [(201, True), (203, False), (199, True), (197, False)])
def test_a_lens_fits_pictures_of_its_proportions(width, fits):
    assert LENS.fits(width, 100) == fits


@pytest.mark.parametrize(
    ('count', 'fisheye', 'known'),
    [(3, False, '0, 4, 5, 8, 12, 14'), (5, True, '4'), (0, True, '4')],
)
def test_coefficients_of_no_model_are_refused(count, fisheye, known):
    text = f'distortion must have one of {known} coefficients, got {count}'
    with pytest.raises(ValueError, match=f'^{text}$'):
        Lens(200, 100, (100, 100), (99.5, 49.5), (0.1,) * count, fisheye)
