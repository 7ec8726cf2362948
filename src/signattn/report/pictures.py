"""Pictures for the page: frames, heatmaps over them, and what is left of them when masked."""

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.augment.appearance import to_bgr
from signattn.deletion.config import DeletionConfig
from signattn.deletion.pictures import baseline, masked_order
from signattn.heatmap import heatmap, overlay
from signattn.preprocess import HEIGHT, WIDTH, Image

TIMES = 2  # how much larger than the network's pictures


def picture(frame: Image) -> Image:
    """A frame for the eye.

    Args:
        frame: (80, 160, 3) uint8, HSV.

    Returns:
        (160, 320, 3) uint8, RGB.
    """
    rgb = np.ascontiguousarray(to_bgr(np.ascontiguousarray(frame))[..., ::-1])
    size = (TIMES * WIDTH, TIMES * HEIGHT)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def heated(frame: Image, saliency: NDArray[np.floating], blur_px: float) -> Image:
    """A frame with a map over it, from the least salient place to the most.

    Args:
        frame: (80, 160, 3) uint8, HSV.
        saliency: (80, 160) float, at least 0.
        blur_px: Standard deviation of the blur, px.

    Returns:
        (160, 320, 3) uint8, RGB.
    """
    # Some maps span more than float32 holds, which heat is drawn with.
    largest = max(float(saliency.max()), np.finfo(np.float64).tiny)
    small = np.asarray(saliency / largest, np.float32)
    return overlay(picture(frame), heatmap(small, TIMES * HEIGHT, TIMES * WIDTH, blur_px))


def masked(
    frame: Image,
    source: Image,
    saliency: NDArray[np.floating],
    percent: float,
    config: DeletionConfig,
    place: int = 0,
) -> Image:
    """A frame without its most salient pixels.

    Args:
        frame: (80, 160, 3) uint8, HSV.
        source: (80, 160, 3) uint8, HSV, what the filling is made of.
        saliency: (80, 160) float, at least 0.
        percent: How many of them.
        config: Filling, blur and the seed of ties.
        place: Of the frame in its drive: each breaks ties in its own way.

    Returns:
        (160, 320, 3) uint8, RGB.
    """
    order = masked_order(saliency, config.blur_px, np.random.default_rng((config.seed, place)))
    gone = order[: round(percent / 100 * order.size)]
    left = np.array(frame)
    left.reshape(-1, 3)[gone] = baseline(source, config).reshape(-1, 3)[gone]
    return picture(left)
