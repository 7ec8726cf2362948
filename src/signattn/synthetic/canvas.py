"""What is drawn on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Canvas:
    """A picture in the making, and where it shows the road's geometry so far.

    Attributes:
        picture: (H, W, 4) uint8, RGB and a fourth value that is ignored; OpenCV is faster with
            four.
        mask: (H, W) bool; None where it isn't wanted.
    """

    picture: Bytes
    mask: NDArray[np.bool_] | None

    @classmethod
    def empty(cls, height: int, width: int, *, masked: bool) -> 'Canvas':
        """A canvas of a size in px whose picture is still undefined."""
        mask = np.zeros((height, width), np.bool_) if masked else None
        return cls(np.empty((height, width, 4), np.uint8), mask)

    def part(self, rows: slice, columns: slice = slice(None)) -> 'Canvas':
        """Part of the canvas; what is drawn on it is drawn on the whole."""
        mask = None if self.mask is None else self.mask[rows, columns]
        return Canvas(self.picture[rows, columns], mask)

    def hide(self, hidden: NDArray[np.bool_]) -> None:
        """Clear the mask where (H, W) something stands before the road."""
        if self.mask is not None:
            self.mask[hidden] = False
