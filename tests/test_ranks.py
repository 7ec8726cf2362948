"""Orders that can be worked out by hand."""

import numpy as np
import pytest

from signattn.ranks import blurred, rank_correlation, ranks


def test_ranks_are_the_share_below_and_half_of_what_is_equal():
    found = ranks(np.array([[1.0, 2.0], [2.0, 9.0]]))
    assert found.tolist() == [[0.125, 0.5], [0.5, 0.875]]


def test_correlation_by_hand():
    # Differences of the ranks are 1 four times: 1 − 6 · 4 / (4 · 15).
    one, other = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2.0, 1.0], [4.0, 3.0]])
    assert rank_correlation(one, other) == pytest.approx(0.6)


def test_only_the_order_counts():
    noise = np.random.default_rng(0).standard_normal((80, 160))
    assert rank_correlation(noise, np.exp(3 * noise)) == pytest.approx(1.0)
    assert rank_correlation(noise, -noise) == pytest.approx(-1.0)


def test_an_even_map_orders_nothing():
    noise = np.random.default_rng(0).random((80, 160))
    assert rank_correlation(noise, np.full((80, 160), 0.3)) == 0
    assert rank_correlation(np.zeros((80, 160)), np.zeros((80, 160))) == 0


def test_blur_keeps_what_is_even_and_spreads_a_spot():
    assert np.ptp(blurred(np.full((80, 160), 0.1, np.float32))) == 0
    spot = np.zeros((80, 160))
    spot[40, 80] = 1
    soft = blurred(spot)
    assert soft.sum() == pytest.approx(1)
    assert soft[40, 84] / soft[40, 80] == pytest.approx(np.exp(-0.5))  # one σ of 4 px away
    np.testing.assert_array_equal(blurred(spot, 0), spot)
    assert spot.sum() == 1
