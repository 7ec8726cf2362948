"""Saliency maps blurred alike, and compared by the order of their pixels."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from signattn.heatmap import BLUR_PX

Floats = NDArray[np.float64]


def blurred(saliency: NDArray[np.floating], blur_px: float = BLUR_PX) -> Floats:
    """A map as the measures see it.

    Args:
        saliency: (80, 160) float.
        blur_px: Standard deviation of the Gaussian blur, px; 0 for none.

    Returns:
        (80, 160) float64. Even places stay exactly even.
    """
    even = np.asarray(saliency, np.float64)
    if blur_px <= 0:
        return even
    soft = cv2.GaussianBlur(even, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT)
    return np.asarray(soft, np.float64)


def ranks(saliency: NDArray[np.floating]) -> Floats:
    """Place of each pixel in the order of a map.

    Args:
        saliency: (80, 160) float.

    Returns:
        (80, 160) float64 in (0, 1), the share of the pixels that are below, of equal ones half;
        their mean is ½.
    """
    place = np.asarray(stats.rankdata(saliency, axis=None), np.float64)
    return ((place - 0.5) / place.size).reshape(saliency.shape)


def rank_correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """How far two maps order the pixels alike (Spearman).

    Args:
        one: (80, 160) float.
        other: (80, 160) float.

    Returns:
        In [-1, 1]; 0 if one of them is even, for an even map orders nothing.
    """
    first, second = ranks(one) - 0.5, ranks(other) - 0.5
    # Not by a norm, which goes through BLAS and its threads.
    spread = math.sqrt((first * first).sum() * (second * second).sum())
    return float((first * second).sum() / spread) if spread > 0 else 0.0
