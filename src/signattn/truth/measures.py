"""How far a saliency map lies on pixels that are known to be causal."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.heatmap import BLUR_PX
from signattn.ranks import blurred, rank_correlation

TOLERANCE_PX = 4.0
"""Half a cell: no map of 10×20 cells can point more finely."""

Floats = NDArray[np.float64]
Maps = NDArray[np.floating]


class Measures(NamedTuple):
    """What was measured of a map in each frame; NaN where nothing is causal.

    Attributes:
        energy: (N,) float64 in [0, 1], share of the map's sum that lies on causal pixels.
        pointing: (N,) float64 in [0, 1], whether its highest pixel lies near a causal one; of
            several highest ones the share that does.
        rank_correlation: (N,) float64 in [-1, 1], of the map with the causal share of each pixel.
    """

    energy: Floats
    pointing: Floats
    rank_correlation: Floats


def measure(
    saliency: Maps,
    covered: NDArray[np.floating],
    *,
    blur_px: float = BLUR_PX,
    tolerance_px: float = TOLERANCE_PX,
) -> Measures:
    """Measure maps against the truth, all with the same blur.

    A map that is 0 everywhere counts as even: its energy is that of its area.

    Args:
        saliency: (N, 80, 160) float, at least 0, not blurred.
        covered: (N, 80, 160) float in [0, 1], how much of a pixel is causal.
        blur_px: Standard deviation of the blur, px.
        tolerance_px: px, how far from a causal pixel the highest one may lie.

    Returns:
        The three measures.

    Raises:
        ValueError: If the shapes differ, or saliency is negative or not finite.

    Source: Zhang et al., Top-down neural attention by excitation backprop, 2018 (pointing game);
    Wang et al., Score-CAM, 2020 (energy).
    """
    if saliency.shape != covered.shape:
        raise ValueError(f'saliency must be {covered.shape}, got {saliency.shape}')
    if not (np.isfinite(saliency).all() and (saliency >= 0).all()):
        raise ValueError(f'saliency must be finite and at least 0, got {saliency.min()}')
    found = np.full((3, len(covered)), np.nan)
    for index, (one, truth) in enumerate(zip(saliency, covered, strict=True)):
        if truth.any():
            soft = blurred(one, blur_px)
            found[:, index] = (
                energy_on(soft, truth),
                _pointing(soft, truth, tolerance_px),
                rank_correlation(soft, truth),
            )
    return Measures(*found)


def energy_on(saliency: Maps, covered: NDArray[np.floating]) -> float:
    """Share of a map's sum that lies on some pixels.

    Args:
        saliency: (80, 160) float, at least 0.
        covered: (80, 160) float in [0, 1].

    Returns:
        In [0, 1]; of a map that is 0 everywhere the area's share.
    """
    total = float(saliency.sum())
    return float((saliency * covered).sum()) / total if total > 0 else float(covered.mean())


def _pointing(saliency: Floats, covered: NDArray[np.floating], tolerance_px: float) -> float:
    reach = int(tolerance_px)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x**2 + y**2 <= tolerance_px**2).astype(np.uint8)
    near = cv2.dilate((covered > 0).astype(np.uint8), disc)
    return float(near[saliency == saliency.max()].mean())
