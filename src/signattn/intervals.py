"""How sure a mean is: bootstrap over blocks of time, and over seeds."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean and where it would lie with other blocks and other seeds.

    Attributes:
        mean: Over all frames and seeds; of a ratio that of the means.
        low: Lower bound; None with fewer than two blocks.
        high: Upper bound; None with fewer than two blocks.
    """

    mean: float
    low: float | None
    high: float | None

    def named(self, name: str) -> dict[str, float | None]:
        """For a file: the mean under a name, None if it's no number, and the bounds beside it."""
        mean = self.mean if math.isfinite(self.mean) else None
        return {name: mean, f'{name}_low': self.low, f'{name}_high': self.high}


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
        ValueError: If values aren't a row for each seed with a block for each frame, or not
            finite.
    """
    drawn = _drawn_means((values,), blocks, seed)
    return _interval(float(values.mean()), None if drawn is None else drawn[0], confidence)


def seed_block_ratio(
    numerator: Floats,
    denominator: Floats,
    blocks: NDArray[np.int64],
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Bootstrap interval of the ratio of two means over the same frames and seeds.

    Both are drawn together, so that what they share takes no part in the doubt. For the share of a
    way that was made, give differences: what was made, and the whole way.

    Args:
        numerator: (S, N) float64, a row for each seed.
        denominator: (S, N) float64, of the same frames and seeds.
        blocks: (N,) int64, which block each frame is in.
        seed: Of the draws.
        confidence: Coverage.

    Returns:
        The ratio of the means, as ``mean``, and the percentile interval; None for its bounds with
        fewer than two blocks, and where the denominator's sign is in doubt, for then the ratio may
        be anything.

    Raises:
        ValueError: As ``seed_block_interval``, and if the shapes differ.
    """
    (ratio,), (drawn,) = _ratios([(numerator, denominator)], blocks, seed)
    return _interval(ratio, drawn, confidence)


def seed_block_ratio_difference(
    one: tuple[Floats, Floats],
    other: tuple[Floats, Floats],
    blocks: NDArray[np.int64],
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Bootstrap interval of a ratio less another one over the same frames, with paired seeds.

    Args:
        one: Numerator and denominator (S, N) float64, as of ``seed_block_ratio``.
        other: Likewise.
        blocks: (N,) int64, which block each frame is in.
        seed: Of the draws.
        confidence: Coverage.

    Returns:
        The difference of the ratios, as ``mean``, and the percentile interval; None for its bounds
        where a ratio has none.

    Raises:
        ValueError: As ``seed_block_ratio``.
    """
    (first, second), (drawn, drawn_other) = _ratios([one, other], blocks, seed)
    sure = None if drawn is None or drawn_other is None else drawn - drawn_other
    return _interval(first - second, sure, confidence)


def _ratios(
    pairs: Sequence[tuple[Floats, Floats]], blocks: NDArray[np.int64], seed: int
) -> tuple[list[float], list[Floats | None]]:
    """Ratios of means, and those of each draw: None where the denominator's sign is in doubt."""
    for numerator, denominator in pairs:
        if numerator.shape != denominator.shape:
            shapes = f'{denominator.shape}, got {numerator.shape}'
            raise ValueError(f'numerator must have the shape of the denominator, {shapes}')
    drawn = _drawn_means(tuple(itertools.chain(*pairs)), blocks, seed)
    means, each = list[float](), list[Floats | None]()
    for place, (numerator, denominator) in enumerate(pairs):
        below = float(denominator.mean())
        means.append(float(numerator.mean()) / below if below else math.nan)
        each.append(None)
        if drawn is not None and below:
            above, under = drawn[2 * place : 2 * place + 2]
            if (np.sign(under) == np.sign(below)).all():
                each[-1] = above / under
    return means, each


def seed_block_p(values: Floats, blocks: NDArray[np.int64], seed: int = 0) -> float:
    """How likely a mean at least so far from 0 is if it is 0, by the same bootstrap.

    To be corrected by ``holm`` where many are compared.

    Args:
        values: (S, N) float64, a row for each seed, such as paired differences.
        blocks: (N,) int64, which block each frame is in.
        seed: Of the draws.

    Returns:
        Two-sided p, at least 2 / (draws + 1); 1 with fewer than two blocks.

    Raises:
        ValueError: As ``seed_block_interval``.
    """
    drawn = _drawn_means((values,), blocks, seed)
    if drawn is None:
        return 1.0
    rarer = min((drawn[0] <= 0).sum(), (drawn[0] >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (RESAMPLES + 1)))


def _drawn_means(
    many: tuple[Floats, ...], blocks: NDArray[np.int64], seed: int
) -> tuple[Floats, ...] | None:
    """Means of values (S, N) with other blocks and seeds, alike for all; None with one block."""
    for values in many:
        if values.ndim != 2 or not values.size or values.shape[1:] != blocks.shape:
            raise ValueError(
                f'values must be (S, N) with blocks (N,), got {values.shape} and {blocks.shape}'
            )
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).any(0).sum())
            raise ValueError(f'values must be finite, got {count} frames that are not: leave out')
    sums, counts = zip(*(block_sums(values, blocks) for values in many), strict=True)
    seeds, number = sums[0].shape
    if number < 2:
        return None
    drawn_seeds, drawn_blocks = _draws(seeds, number, seed)
    frames = seeds * (drawn_blocks @ counts[0])
    return tuple(
        np.einsum('rs,sk,rk->r', drawn_seeds, each, drawn_blocks, optimize=True) / frames
        for each in sums
    )


@lru_cache(maxsize=8)
def _draws(seeds: int, number: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How often each seed (R, S) and each block (R, K) is drawn; most of a bootstrap's time."""
    rng = np.random.default_rng(seed)
    drawn = (rng.multinomial(many, np.full(many, 1 / many), RESAMPLES) for many in (seeds, number))
    of_seeds, of_blocks = drawn
    for each in (of_seeds, of_blocks):
        each.flags.writeable = False  # shared by all who ask for the same
    return of_seeds, of_blocks


def _interval(mean: float, drawn: Floats | None, confidence: float) -> Interval:
    if drawn is None:
        return Interval(mean, None, None)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(drawn, (tail, 100 - tail))
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
