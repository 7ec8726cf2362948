"""Pictures in parts: the network's cells, or superpixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.augment.appearance import to_bgr
from signattn.model.encoder import CELLS, COLUMNS, ROWS
from signattn.preprocess import HEIGHT, WIDTH, Image

Labels = NDArray[np.int64]


def cell_labels() -> Labels:
    """The network's cells.

    Returns:
        (80, 160) int64, 0 to 199 row by row, 8×8 pixels each.
    """
    cells = np.arange(CELLS).reshape(ROWS, COLUMNS)
    return np.kron(cells, np.ones((HEIGHT // ROWS, WIDTH // COLUMNS), np.int64))


def superpixels(picture: Image, side_px: int) -> Labels:
    """Parts of a picture that follow its edges.

    A watershed that rises from markers on a grid: where the picture is even, squares; elsewhere
    they end at edges.

    Args:
        picture: (80, 160, 3) uint8, HSV.
        side_px: Distance of the markers, px.

    Returns:
        (80, 160) int64, 0 to the number of parts − 1.

    Source: Machairas et al., Waterpixels, IEEE Trans. Image Processing 2015.
    """
    markers = np.zeros((HEIGHT, WIDTH), np.int32)
    rows, columns = (range(side_px // 2, size, side_px) for size in (HEIGHT, WIDTH))
    places = [(row, column) for row in rows for column in columns]
    for number, (row, column) in enumerate(places, 1):
        markers[row - 1 : row + 1, column - 1 : column + 1] = number
    parts = np.asarray(cv2.watershed(to_bgr(picture), markers), np.float32)
    while (parts <= 0).any():  # lines between parts, and where they cross, go to one of them
        parts = np.where(parts <= 0, cv2.dilate(parts, np.ones((3, 3), np.uint8)), parts)
    return parts.astype(np.int64) - 1
