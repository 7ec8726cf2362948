"""What is drawn on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signattn.masks import NOTHING, SCENERY

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Canvas:
    """A picture in the making, and what its pixels show so far.

    Attributes:
        picture: (H, W, 4) uint8, RGB and a fourth value that is ignored; OpenCV is faster with
            four.
        mask: (H, W) uint8, values of ``signattn.masks``; None where it isn't wanted.
    """

    picture: Bytes
    mask: Bytes | None

    @classmethod
    def empty(cls, height: int, width: int, *, masked: bool) -> 'Canvas':
        """A canvas of a size in px whose picture is still undefined."""
        mask = np.full((height, width), NOTHING, np.uint8) if masked else None
        return cls(np.empty((height, width, 4), np.uint8), mask)

    def part(self, rows: slice, columns: slice = slice(None)) -> 'Canvas':
        """Part of the canvas; what is drawn on it is drawn on the whole."""
        mask = None if self.mask is None else self.mask[rows, columns]
        return Canvas(self.picture[rows, columns], mask)

    def hide(self, hidden: NDArray[np.bool_]) -> None:
        """Mark where (H, W) something stands before the road."""
        if self.mask is not None:
            np.copyto(self.mask, SCENERY, where=hidden)
