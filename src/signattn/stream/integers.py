"""Linear maps in integers: weights of 8 bits times whole numbers of 14, summed without loss."""

import numpy as np
from numpy.typing import NDArray

from signattn.stream.fragment import Fragment

DIGIT = 128
"""Whole numbers go as two digits of 7 bits: with those no processor's sums of bytes overflow."""
LARGEST = DIGIT * DIGIT // 2 - 1
"""Largest whole number that two digits hold, of either sign."""
_HALF = DIGIT * DIGIT // 2


def to_int8(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Round weights to int8, with a scale for each output.

    Args:
        weight: (N, K) float32.

    Returns:
        (N, K) int8 in −127..127.
        (N,) float64, what 1 stands for.
    """
    largest = np.abs(weight).max(1).astype(np.float64)
    scale = np.where(largest > 0, largest / 127, 1.0)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


def linear_int8(weight: NDArray[np.float32], whole: str, out: str) -> Fragment:
    """A linear map of whole numbers, in which nothing is lost but by rounding the weights.

    x = low + 128 · high − 8192, so x · W = low · W + 128 · high · W − 8192 · 1 · W. Both digits
    are rows of one product, so the weights are read once. Its sums are exact in 32 bits, and what
    follows in float64, which ends with one rounding to float32.

    Args:
        weight: (N, K) float32.
        whole: Name of x, (1, K) float32 of whole numbers in ±``LARGEST``.
        out: Name of the result, (1, N) float32.

    Returns:
        The nodes.
    """
    rounded, scale = to_int8(weight)
    text = f"""
    shifted = Add({whole}, half)
    parts = Mul(shifted, per_digit)
    high = Floor(parts)
    above = Mul(high, digit)
    low = Sub(shifted, above)
    digits = Concat<axis=0>(low, high)
    bytes = Cast<to=2>(digits)
    sums = MatMulInteger(bytes, weight_int8)
    wide = Cast<to=11>(sums)
    joined = MatMul(places, wide)
    centred = Sub(joined, centre)
    scaled = Mul(centred, scale)
    {out} = Cast<to=1>(scaled)
    """
    return Fragment(
        text,
        {
            'half': np.float32(_HALF),
            'digit': np.float32(DIGIT),
            'per_digit': np.float32(1 / DIGIT),
            'weight_int8': np.ascontiguousarray(rounded.T),
            'places': np.array([[1.0, DIGIT]]),
            'centre': _HALF * rounded.sum(1, dtype=np.int64).astype(np.float64)[None],
            'scale': scale[None],
        },
    )
