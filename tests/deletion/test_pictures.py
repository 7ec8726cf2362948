"""Orders and pictures that can be worked out."""

import numpy as np
import pytest

from signattn.augment.appearance import to_bgr
from signattn.deletion import DeletionConfig, masked_order
from signattn.deletion.pictures import baseline, cell_order, pixels_of, write_levels
from signattn.preprocess import scale


def rng(seed=0):
    return np.random.default_rng(seed)


# Which is masked first


def test_the_most_salient_pixel_is_masked_first():
    saliency = rng().permutation(12_800).reshape(80, 160).astype(np.float64)
    order = masked_order(saliency, 0.0, rng(1))
    assert saliency.ravel()[order].tolist() == list(range(12_799, -1, -1))


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_it_is_the_order_of_a_plain_sort(dtype):
    saliency = ((1 + rng().permutation(12_800)) / 12_800) ** 8
    saliency = saliency.reshape(80, 160).astype(dtype)
    order = masked_order(saliency, 0.0, rng(1))
    np.testing.assert_array_equal(order, np.argsort(-saliency.ravel().astype(np.float64)))


def test_maps_as_steep_as_doubles_go_keep_their_order():
    saliency = np.exp(-np.linspace(0, 700, 12_800)).reshape(80, 160)
    order = masked_order(saliency, 0.0, rng())
    np.testing.assert_array_equal(order, np.arange(12_800))


def test_ties_are_broken_by_noise_of_a_seed():
    even = np.zeros((80, 160))
    even[0] = -0.0
    order = masked_order(even, 0.0, rng(1))
    assert sorted(order.tolist()) == list(range(12_800))
    np.testing.assert_array_equal(order, masked_order(even, 0.0, rng(1)))
    assert (order != masked_order(even, 0.0, rng(2))).mean() > 0.99
    # No part of the picture comes first.
    first = order[:1280]
    assert abs((first // 160).mean() - 39.5) < 2
    assert abs((first % 160).mean() - 79.5) < 4


def test_ties_are_broken_within_their_value_alone():
    saliency = np.repeat([3.0, 7.0, 5.0, 1.0], 3200).reshape(80, 160)
    order = masked_order(saliency, 0.0, rng())
    for part, rows in enumerate(((20, 40), (40, 60), (0, 20), (60, 80))):
        found = np.sort(order[3200 * part : 3200 * (part + 1)])
        np.testing.assert_array_equal(found, np.arange(rows[0] * 160, rows[1] * 160))


def test_the_blur_rounds_a_point_off():
    saliency = np.zeros((80, 160))
    saliency[40, 80] = 1.0
    order = masked_order(saliency, 4.0, rng())
    y, x = np.divmod(order[:300], 160)
    distance = np.hypot(y - 40, x - 80)
    assert order[0] == 40 * 160 + 80
    assert distance.max() < 1.1 * np.sqrt(300 / np.pi)
    assert (np.diff(distance) > -0.2).all()


def test_cells_are_ordered_by_their_mean():
    saliency = np.zeros((80, 160))
    saliency[8:16, 24:32] = 1.0  # row 1, column 3
    saliency[0, 0] = 63.0  # less in the mean
    order = cell_order(saliency, rng())
    assert order[:2].tolist() == [23, 0]
    assert sorted(order.tolist()) == list(range(200))


# What shows instead


@pytest.fixture
def flag():
    """Left half red, right half blue: 0 and 240 degrees."""
    frame = np.full((80, 160, 3), (0, 255, 255), np.uint8)
    frame[:, 80:, 0] = 120
    return frame


def test_black(flag):
    filling = baseline(flag, DeletionConfig(filling='black'))
    assert filling.shape == flag.shape
    assert not filling.any()


def test_the_mean_is_that_of_rgb_not_of_hues(flag):
    """Of red and blue it is a dark purple, 300 degrees, where the mean of the hues is green."""
    filling = baseline(flag, DeletionConfig(filling='mean'))
    assert filling.shape == flag.shape
    assert np.unique(filling.reshape(-1, 3), axis=0).tolist() == [[150, 255, 128]]


def test_the_blur_is_that_of_rgb_not_of_hues(flag):
    filling = baseline(flag, DeletionConfig(filling='blurred'))
    assert filling[40, 0].tolist() == [0, 255, 255]
    assert filling[40, -1].tolist() == [120, 255, 255]
    middle = to_bgr(filling)[40, 79:81].astype(int)
    assert abs(middle[0, 2] - 130) <= 8  # red goes
    assert (middle[:, 1] == 0).all()  # and never is there green
    np.testing.assert_array_equal(filling, np.broadcast_to(filling[:1], filling.shape))


def test_a_wider_blur_hides_more():
    frame = np.zeros((80, 160, 3), np.uint8)
    frame[38:42, :, 2] = 255
    near, far = (
        baseline(frame, DeletionConfig(filling_blur_px=width))[40, 80, 2] for width in (2.0, 8.0)
    )
    assert far < near / 2


@pytest.mark.parametrize('filling', ['black', 'mean', 'blurred'])
def test_the_frame_is_not_modified(flag, filling):
    before = flag.copy()
    flag.setflags(write=False)
    baseline(flag, DeletionConfig(filling=filling))
    np.testing.assert_array_equal(flag, before)


# The pictures of all levels


def test_levels_by_hand():
    first, last = np.zeros((4, 1), np.float32), np.arange(1, 5, dtype=np.float32)[:, None]
    pictures = np.empty((4, 4, 1), np.float32)
    write_levels(first, last, np.array([2, 0, 3, 1]), np.array([0, 1, 1, 4]), pictures)
    assert pictures[..., 0].tolist() == [[0, 0, 0, 0], [0, 0, 3, 0], [0, 0, 3, 0], [1, 2, 3, 4]]
    assert first.tolist() == [[0.0]] * 4


def test_pixels_are_the_networks_numbers(flag):
    np.testing.assert_array_equal(
        pixels_of(flag).reshape(80, 160, 3).transpose(2, 0, 1), scale(flag)
    )
