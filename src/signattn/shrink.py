"""Area averages of large pictures: the bytes of OpenCV's INTER_AREA in less time.

OpenCV multiplies and adds number by number where a picture doesn't shrink by whole numbers. Sums
of whole rows take a fraction of that time and round to the same byte, except where a mean lies
so near the middle between two bytes that the order of additions decides. Those, about one in a
hundred, are left to OpenCV: it gets a small picture of nothing but what they are the means of.
"""

from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_BLOCK = 25
"""Pixels of the result after which the fractions repeat, for which this pays."""
MIN_AREA = 36
"""Pixels in a mean from which this pays."""
MAX_SIDE = 4096
"""Up to here every size was tried for weights that are the same to the bit in each block."""
MAX_REDONE = 1 / 8
"""Share of the picture; with more, such as in a drawn gradient, OpenCV gets all of it."""
_VECTOR = 32
"""Pixels; a strip of a multiple of them leaves none over where OpenCV adds in vectors."""

Image = NDArray[np.uint8]


def shrink(image: Image, height: int, width: int) -> Image:
    """Shrink a picture by area averaging.

    Args:
        image: (H, W, 3) uint8.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (height, width, 3) uint8: what ``cv2.resize`` gives with INTER_AREA.
    """
    down, across = Fraction(image.shape[0], height), Fraction(image.shape[1], width)
    if max(image.shape) > MAX_SIDE or not _pays(down, across):
        return _by_opencv(image, height, width)
    means = _means(image, down, height, width)
    rounded = np.rint(means)
    means -= rounded
    near = np.flatnonzero(np.abs(means, out=means) > 0.5 - _error(down, across)) // 3
    rows, columns = np.divmod(near, width)
    redo = np.zeros((height // down.denominator, width // across.denominator), bool)
    redo[rows // down.denominator, columns // across.denominator] = True
    if redo.mean() > MAX_REDONE:
        return _by_opencv(image, height, width)
    small = rounded.astype(np.uint8)
    if near.size:
        _redo(small, image, redo)
    return small


def _pays(down: Fraction, across: Fraction) -> bool:
    block = down.denominator * across.denominator
    fits = 1 < block <= MAX_BLOCK  # for whole numbers OpenCV has a fast way
    return fits and min(down, across) >= 2 and down * across >= MIN_AREA


def _by_opencv(image: Image, height: int, width: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _means(image: Image, down: Fraction, height: int, width: int) -> NDArray[np.float32]:
    """(height, width, 3), rows first: sums of whole ones, then shares of those cut through."""
    step, period = down.numerator, down.denominator
    parts = image.reshape(height // period, step, *image.shape[1:])
    sums = np.empty((height, *image.shape[1:]), np.float32)
    for phase in range(period):
        (first, cut_first), (last, cut_last) = (
            divmod(edge * step, period) for edge in (phase, phase + 1)
        )
        whole = parts[:, first + (cut_first > 0) : last]
        sums[phase::period] = np.add.reduce(whole, axis=1, dtype=np.uint16)
        if cut_first:
            sums[phase::period] += np.float32(1 - cut_first / period) * parts[:, first]
        if cut_last:
            sums[phase::period] += np.float32(cut_last / period) * parts[:, last]
    means = np.asarray(cv2.resize(sums, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    means *= np.float32(1 / down)
    return means


def _error(down: Fraction, across: Fraction) -> float:
    """By how much two float32 means can differ: of 255, half a last bit per addition.

    Where n numbers are added one by one, what is rounded is half the sum on average. OpenCV
    adds along rows and down them, ``_means`` along rows; 16 stand for weights, products and ends.
    """
    return float(across + down / 2 + 16) * 255 * 2.0**-24


def _redo(small: Image, image: Image, blocks: NDArray[np.bool_]) -> None:
    """Put OpenCV's own bytes into the blocks of ``small`` that are marked.

    The weights of rows and columns repeat from block to block, so that a block gets the same
    bytes wherever it stands.
    """
    found = np.flatnonzero(blocks)
    target = _in_blocks(small, blocks.shape)
    full = -(-len(found) // _VECTOR) * _VECTOR
    rows, columns = np.divmod(np.resize(found, full), blocks.shape[1])
    strip = np.concatenate(_in_blocks(image, blocks.shape)[rows, :, columns], axis=1)
    height, width = target.shape[1], target.shape[3]
    redone = _by_opencv(strip, height, width * len(rows))
    target[rows, :, columns] = redone.reshape(height, -1, width, 3).swapaxes(0, 1)


def _in_blocks(image: Image, shape: tuple[int, int]) -> Image:
    rows, columns = shape
    height, width = image.shape[:2]
    return image.reshape(rows, height // rows, columns, width // columns, 3)
