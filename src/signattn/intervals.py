"""How sure a mean is: bootstrap over blocks of time, and over seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean and where it would lie with other blocks and other seeds.

    Attributes:
        mean: Over all frames and seeds.
        low: Lower bound; None with fewer than two blocks.
        high: Upper bound; None with fewer than two blocks.
    """

    mean: float
    low: float | None
    high: float | None


def block_sums(values: Floats, blocks: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Sums over blocks, which is all that a bootstrap over blocks looks at.

    Args:
        values: (S, N) float64, a row for each seed.
        blocks: (N,) int64, which block each frame is in.

    Returns:
        (S, K) float64, sums over each block.
        (K,) float64, frames of each block.
    """
    names, place = np.unique(blocks, return_inverse=True)
    sums = np.array([np.bincount(place, row, len(names)) for row in values], np.float64)
    return sums, np.bincount(place, minlength=len(names)).astype(np.float64)


def seed_block_interval(
    values: Floats, blocks: NDArray[np.int64], seed: int = 0, confidence: float = 0.95
) -> Interval:
    """Bootstrap interval of a mean over frames and seeds.

    Frames of a drive aren't independent, nor are the frames of one network. So whole blocks and
    whole seeds are drawn, each with replacement. For the difference of two networks with paired
    seeds give the differences, frame by frame and seed by seed.

    Args:
        values: (S, N) float64, a row for each seed.
        blocks: (N,) int64, which block each frame is in.
        seed: Of the draws.
        confidence: Coverage.

    Returns:
        The mean and the percentile interval; with one seed over blocks alone.

    Raises:
        ValueError: If values aren't a row for each seed with a block for each frame.
    """
    if values.ndim != 2 or not values.size or values.shape[1:] != blocks.shape:
        raise ValueError(
            f'values must be (S, N) with blocks (N,), got {values.shape} and {blocks.shape}'
        )
    sums, counts = block_sums(values, blocks)
    mean = float(values.mean())
    seeds, number = sums.shape
    if number < 2:
        return Interval(mean, None, None)
    rng = np.random.default_rng(seed)
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES)  # (R, S)
    drawn_blocks = rng.multinomial(number, np.full(number, 1 / number), RESAMPLES)  # (R, K)
    totals = np.einsum('rs,sk,rk->r', drawn_seeds, sums, drawn_blocks, optimize=True)
    means = totals / (seeds * (drawn_blocks @ counts))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, (tail, 100 - tail))
    return Interval(mean, float(low), float(high))


def welch(one: Floats, other: Floats) -> float:
    """P of Welch's t-test, for parity with the paper only: it takes frames for independent.

    Args:
        one: (N,) float64.
        other: (M,) float64.

    Returns:
        Two-sided p.
    """
    return float(stats.ttest_ind(one, other, equal_var=False).pvalue)


def holm(p_values: Floats) -> Floats:
    """p-values corrected for their number by Holm's method.

    Args:
        p_values: (K,) float64 in [0, 1].

    Returns:
        (K,) float64 in [0, 1], in the order given.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected
