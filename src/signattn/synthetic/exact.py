"""The same drive on every machine: arithmetic that doesn't depend on the processor.

Additions, products, quotients and roots are rounded alike everywhere. Sines, powers and sums of
products are not: the fastest variant for a processor may differ in the last bit. Such results are
few and are put on a grid far coarser than that, so that all that is computed from them is equal
to the bit. OpenCV multiplies and adds in one step where a processor can; it is told not to.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

_LOCK = threading.RLock()


def on_grid(values: ArrayLike, bits: int) -> NDArray[np.float64]:
    """Round to multiples of 2**-bits.

    Args:
        values: (...) float.
        bits: Of the fraction that are kept.

    Returns:
        (...) float64.
    """
    scale = float(2**bits)
    return np.asarray(np.rint(np.asarray(values, np.float64) * scale) / scale)


def cos(angle: ArrayLike) -> NDArray[np.float64]:
    """Cosine of angles (...) in rad, on a grid of 2**-24."""
    return on_grid(np.cos(angle), 24)


def sin(angle: ArrayLike) -> NDArray[np.float64]:
    """Sine of angles (...) in rad, on a grid of 2**-24."""
    return on_grid(np.sin(angle), 24)


@contextmanager
def plain_opencv() -> Iterator[None]:
    """Let OpenCV use the instructions that every processor has, and no others, in the block."""
    with _LOCK:
        optimized = cv2.useOptimized()
        cv2.setUseOptimized(False)
        try:
            yield
        finally:
            cv2.setUseOptimized(optimized)


def remap(picture: NDArray[Any], *args: Any, **kwargs: Any) -> NDArray[np.uint8]:
    """``cv2.remap``, equal on every processor."""
    with plain_opencv():
        return np.asarray(cv2.remap(picture, *args, **kwargs), np.uint8)


def warp_affine(picture: NDArray[Any], *args: Any, **kwargs: Any) -> NDArray[np.uint8]:
    """``cv2.warpAffine``, equal on every processor."""
    with plain_opencv():
        return np.asarray(cv2.warpAffine(picture, *args, **kwargs), np.uint8)
