"""Intervals that can be worked out, and their coverage on known noise."""

import numpy as np
import pytest

from signattn.intervals import (
    block_sums,
    holm,
    seed_block_interval,
    seed_block_p,
    seed_block_ratio,
    seed_block_ratio_difference,
    welch,
)


def test_sums_over_blocks():
    values = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 1.0]])
    sums, counts = block_sums(values, np.array([7, 7, 3, 7]))
    assert sums.tolist() == [[3.0, 7.0], [1.0, 1.0]]
    assert counts.tolist() == [1.0, 3.0]


def test_equal_values_leave_no_doubt():
    interval = seed_block_interval(np.full((3, 40), 2.5), np.arange(40) // 10)
    assert (interval.mean, interval.low, interval.high) == (2.5, 2.5, 2.5)


def test_one_block_has_no_interval():
    interval = seed_block_interval(np.array([[1.0, 3.0]]), np.array([0, 0]))
    assert (interval.mean, interval.low, interval.high) == (2.0, None, None)


def test_two_blocks_of_one_seed():
    # Means of two draws from the blocks 0 and 1: 0, ½ or 1, with chances ¼, ½, ¼.
    interval = seed_block_interval(np.array([[0.0, 1.0]]), np.array([0, 1]))
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)
    inner = seed_block_interval(np.array([[0.0, 1.0]]), np.array([0, 1]), confidence=0.4)
    assert (inner.low, inner.high) == (0.5, 0.5)


def test_seeds_that_differ_widen_it():
    blocks = np.arange(400) // 10
    noise = np.random.default_rng(0).standard_normal((1, 400))
    alike = seed_block_interval(np.repeat(noise, 5, 0), blocks)
    apart = seed_block_interval(np.repeat(noise, 5, 0) + np.arange(-2, 3)[:, None], blocks)
    assert apart.mean == pytest.approx(alike.mean)
    assert apart.high - apart.low > 3 * (alike.high - alike.low)


def test_it_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    blocks = np.repeat(np.arange(30), 10)
    hits = []
    for _ in range(200):
        shared = np.repeat(rng.standard_normal(30), 10)  # frames of a block go together
        seeds = rng.standard_normal((8, 1)) * 0.3
        values = shared + seeds + rng.standard_normal((8, 300)) * 0.2
        interval = seed_block_interval(values, blocks)
        hits.append(interval.low <= 0 <= interval.high)
    assert 0.86 <= np.mean(hits) <= 0.99


def test_pairing_takes_out_what_both_share():
    rng = np.random.default_rng(2)
    hard = np.repeat(10 * rng.random(20), 10)
    one = hard + rng.standard_normal((5, 200)) * 0.1
    other = hard + 0.3 + rng.standard_normal((5, 200)) * 0.1
    blocks = np.repeat(np.arange(20), 10)
    difference = seed_block_interval(other - one, blocks)
    assert 0.2 < difference.low < 0.3 < difference.high < 0.4
    alone = seed_block_interval(one, blocks)
    assert alone.high - alone.low > 1


@pytest.mark.parametrize('shape', [(4,), (1, 3), (0, 4)])
def test_values_and_blocks_must_go_together(shape):
    with pytest.raises(ValueError, match=r'^values must be \(S, N\) with blocks \(N,\), got '):
        seed_block_interval(np.zeros(shape), np.zeros(4, np.int64))


def test_values_must_be_known():
    values = np.array([[0.0, np.nan, 1.0, np.nan]])
    with pytest.raises(ValueError, match=r'^values must be finite, got 2 frames that are not'):
        seed_block_interval(values, np.arange(4))


# Ratios


def test_a_ratio_that_is_the_same_in_every_block_is_sure():
    below = np.random.default_rng(4).random((3, 40)) + 1
    interval = seed_block_ratio(1.5 * below, below, np.arange(40) // 10)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((1.5, 1.5, 1.5))


def test_the_ratio_is_that_of_the_means_not_the_mean_of_ratios():
    # Blocks (3 of 1) and (1 of 3): 4/4, where the ratios' mean is 5/3. Drawn twice: 3 or ⅓.
    interval = seed_block_ratio(np.array([[3.0, 1.0]]), np.array([[1.0, 3.0]]), np.arange(2))
    assert (interval.mean, interval.low, interval.high) == pytest.approx((1.0, 1 / 3, 3.0))


def test_a_ratio_over_nothing_sure_has_no_bounds():
    one = np.ones((1, 20))
    doubtful = np.tile([1.0, -0.9], (1, 10))
    interval = seed_block_ratio(one, doubtful, np.arange(20))
    assert interval.mean == pytest.approx(20)
    assert (interval.low, interval.high) == (None, None)
    assert np.isnan(seed_block_ratio(one, 0 * one, np.arange(20)).mean)
    # With a negative denominator that is sure there is one.
    sure = seed_block_ratio(one, -2 * one, np.arange(20))
    assert (sure.mean, sure.low, sure.high) == (-0.5, -0.5, -0.5)


def test_ratios_are_drawn_together():
    # 3 and ⅓ of the blocks 0 and 1; of the other half of that: what both share is no doubt.
    one = np.array([[3.0, 1.0]]), np.array([[1.0, 3.0]])
    other = one[0], 2 * one[1]
    interval = seed_block_ratio_difference(one, other, np.arange(2))
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.5, 1 / 6, 1.5))
    same = seed_block_ratio_difference(one, one, np.arange(2))
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_no_bounds_where_either_ratio_has_none():
    sure = np.ones((1, 20)), np.ones((1, 20))
    doubtful = sure[0], np.tile([1.0, -0.9], (1, 10))
    for pair in ((sure, doubtful), (doubtful, sure)):
        interval = seed_block_ratio_difference(*pair, np.arange(20))
        assert abs(interval.mean) == pytest.approx(19)
        assert (interval.low, interval.high) == (None, None)
    alone = seed_block_ratio_difference(sure, sure, np.zeros(20, np.int64))
    assert (alone.mean, alone.low, alone.high) == (0, None, None)


def test_a_ratio_of_one_block_has_no_bounds():
    interval = seed_block_ratio(np.ones((1, 3)), np.full((1, 3), 2.0), np.zeros(3, np.int64))
    assert (interval.mean, interval.low, interval.high) == (0.5, None, None)


def test_a_ratio_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    blocks, hits = np.repeat(np.arange(30), 10), []
    for _ in range(80):
        below = 2 + np.repeat(0.5 * rng.standard_normal(30), 10) + rng.standard_normal((5, 300))
        above = 1.2 * below + 0.3 * np.repeat(rng.standard_normal(30), 10)
        interval = seed_block_ratio(above, below, blocks)
        hits.append(interval.low <= 1.2 <= interval.high)
    assert 0.84 <= np.mean(hits) < 1


def test_a_ratio_is_of_the_same_frames():
    with pytest.raises(ValueError, match=r'^numerator must have the shape of the denominator, '):
        seed_block_ratio(np.ones((1, 3)), np.ones((1, 4)), np.arange(4))


# p-values


def test_p_of_nothing_and_of_something():
    noise = np.random.default_rng(6).standard_normal((1, 200))
    noise -= noise.mean()
    blocks = np.arange(200) // 5
    assert seed_block_p(noise, blocks) > 0.8
    assert seed_block_p(noise + 1, blocks) == pytest.approx(2 / 10_001)
    assert seed_block_p(noise - 1, blocks) == pytest.approx(2 / 10_001)
    assert seed_block_p(noise, 0 * blocks) == 1.0


def test_p_goes_with_the_interval():
    noise = np.random.default_rng(7).standard_normal((1, 100))
    blocks = np.arange(100) // 2
    interval = seed_block_interval(noise, blocks)
    half = interval.mean - interval.low
    assert seed_block_p(noise - interval.mean + 1.05 * half, blocks) < 0.05
    assert seed_block_p(noise - interval.mean + 0.9 * half, blocks) > 0.05


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.04 times 3, 2, 1: 0.03, 0.04, 0.04.
    assert holm(np.array([0.04, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0]


def test_welch_tells_far_from_near():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(200)
    assert welch(noise, noise + 1) < 1e-6
    assert welch(noise, noise) == pytest.approx(1.0)
