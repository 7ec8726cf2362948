"""What is masked first, what shows instead, and the pictures of all levels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.augment.appearance import to_bgr, to_hsv
from signattn.deletion.config import DeletionConfig
from signattn.model.encoder import COLUMNS, ROWS
from signattn.preprocess import Image, scale
from signattn.ranks import blurred

Order = NDArray[np.int64]
Floats = NDArray[np.float32]

_PLACE = np.uint64(2**14 - 1)  # room for the number of a pixel: there are 12,800


def masked_order(
    saliency: NDArray[np.floating], blur_px: float, rng: np.random.Generator
) -> Order:
    """Pixels in the order in which they are masked.

    Args:
        saliency: (80, 160) float, at least 0; larger is more salient.
        blur_px: Standard deviation of the map's blur, px; 0 for none.
        rng: Breaks ties.

    Returns:
        (12800,) int64, pixels row by row, the most salient first.
    """
    return _ordered(blurred(saliency, blur_px).ravel(), rng)


def cell_order(saliency: NDArray[np.floating], rng: np.random.Generator) -> Order:
    """Cells in the order in which they are masked, by the mean of a map over each.

    Args:
        saliency: (80, 160) float, at least 0.
        rng: Breaks ties.

    Returns:
        (200,) int64, cells row by row, the most salient first.
    """
    cells = np.asarray(saliency, np.float64).reshape(ROWS, 8, COLUMNS, 8).mean((1, 3))
    return _ordered(cells.ravel(), rng)


def _ordered(values: NDArray[np.float64], rng: np.random.Generator) -> Order:
    """Falling order of values of at least 0, those within 4e-12 of each other at random."""
    # The bits of such numbers rise with them. With a place in their last ones, a plain sort, many
    # times as fast as one of indices, gives the order.
    drawn = rng.permutation(len(values))
    bits = (values[drawn] + 0.0).view(np.uint64)  # −0 becomes 0
    keys = (bits & ~_PLACE) | np.arange(len(values), dtype=np.uint64)
    keys.sort()
    order: Order = drawn[(keys[::-1] & _PLACE).astype(np.int64)]
    return order


def baseline(source: Image, config: DeletionConfig) -> Image:
    """What shows where a frame is masked: a filling of the RGB picture, turned to HSV.

    Args:
        source: (80, 160, 3) uint8, HSV, the frame; for ``donor`` the other one.
        config: Which filling.

    Returns:
        (80, 160, 3) uint8, HSV.
    """
    if config.filling == 'black':
        return np.zeros_like(source)
    if config.filling == 'donor':
        return source
    bgr = to_bgr(np.ascontiguousarray(source))
    if config.filling == 'mean':
        mean = np.rint(bgr.reshape(-1, 3).mean(0)).astype(np.uint8)
        return np.broadcast_to(to_hsv(mean.reshape(1, 1, 3)), source.shape)
    # In float, which takes a quarter of the time of bytes.
    soft = cv2.GaussianBlur(
        bgr.astype(np.float32), (0, 0), config.filling_blur_px, borderType=cv2.BORDER_REFLECT
    )
    return to_hsv(np.rint(soft).astype(np.uint8))


def pixels_of(frame: Image) -> Floats:
    """The network's numbers of a frame (80, 160, 3) uint8: (12800, 3) float32."""
    return np.ascontiguousarray(scale(frame).reshape(3, -1).T)


def write_levels(
    first: Floats, last: Floats, order: Order, counts: NDArray[np.int64], out: Floats
) -> None:
    """The pictures between two, pixel by pixel in an order.

    Args:
        first: (P, C) float32, the pixels before any is changed.
        last: (P, C) float32, the pixels when all are.
        order: (P,) int64, which is changed first.
        counts: (R,) int64, rising, how many are changed in each picture.
        out: (R, P, C) float32, where the pictures go.
    """
    picture, done = first, 0
    for row, count in zip(out, counts, strict=True):
        # From one level to the next few pixels change.
        row[:] = picture
        changed = order[done:count]
        row[changed] = last[changed]
        picture, done = row, count
