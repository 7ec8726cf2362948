"""Steering read from the motion of the picture alone: a rival that needs no road."""

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.drive import Drive
from signattn.preprocess import NS_PER_S

PAIRS = 5
"""Frame pairs over which the motion is averaged."""


def image_motion(drive: Drive) -> NDArray[np.float64]:
    """Horizontal motion of the picture for each metre driven, averaged over the last frames.

    Args:
        drive: A drive with speed.

    Returns:
        (N,) float64, px/m of the 160 px wide picture; the first frame behind a gap, and frames
        without a speed above 0, have NaN.
    """
    shift = np.full(len(drive), np.nan)
    metres = np.full(len(drive), np.nan)
    stamps, speed = drive.stamps_ns, drive.column('speed')
    for stretch in drive.stretches():
        before = None
        for index in range(stretch.start, stretch.stop):
            brightness = drive.frames[index, :, :, 2]
            if before is not None:
                shift[index] = horizontal_shift(before, brightness)
                metres[index] = speed[index] * (stamps[index] - stamps[index - 1]) / NS_PER_S
            before = brightness
    return _recent(shift, metres, drive.stretches())


def horizontal_shift(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """How far a picture moved to the right, by phase correlation.

    Args:
        before: (H, W) uint8, brightness.
        after: (H, W) uint8, brightness a moment later.

    Returns:
        px, fractions included.
    """
    window = cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
    # Copies: OpenCV multiplies the window into what it's given.
    (shift, _), _ = cv2.phaseCorrelate(before.astype(np.float32), after.astype(np.float32), window)
    return float(shift)


def _recent(
    shift: NDArray[np.float64], metres: NDArray[np.float64], stretches: list[slice]
) -> NDArray[np.float64]:
    motion = np.full(len(shift), np.nan)
    for stretch in stretches:
        for index in range(stretch.start + 1, stretch.stop):
            recent = slice(max(stretch.start + 1, index - PAIRS + 1), index + 1)
            driven = metres[recent].sum()
            if driven > 0:
                motion[index] = shift[recent].sum() / driven
    return motion


def fit_weight(motion: NDArray[np.float64], curvature: NDArray[np.float64]) -> float:
    """The one weight that best turns motion into curvature, by least squares without offset.

    Args:
        motion: (N,) float64, px/m; NaN is left out.
        curvature: (N,) float64, 1/m; NaN is left out.

    Returns:
        rad/px.

    Raises:
        ValueError: If nothing is left to fit.
    """
    usable = np.isfinite(motion) & np.isfinite(curvature)
    energy = float(np.sum(motion[usable] ** 2))
    if energy == 0:
        raise ValueError('motion must have a moving frame with label to be fitted, got none')
    return float(np.sum(motion[usable] * curvature[usable])) / energy
