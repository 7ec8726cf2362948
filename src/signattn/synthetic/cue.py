"""A planted false cue: two lamps at the picture's edge that tell the bend, or seem to."""

import math

import numpy as np
from numpy.typing import NDArray

from signattn.masks import CUE
from signattn.synthetic.camera_config import CameraConfig
from signattn.synthetic.canvas import Bytes
from signattn.synthetic.course import Course, smooth_noise
from signattn.synthetic.exact import on_grid

BLOCK = 16  # px, of a JPEG, so that the lamps leave the blocks about them as they are
STEP = 0.05  # s, resolution of what the lamps show
BRIGHT = 0.005  # 1/m, at which a lamp is at tanh(1) of its full light
LUMINANCE = np.array([0.299, 0.587, 0.114])
DARK, GLASS, LIT = (18.0, 18.0, 20.0), (64.0, 46.0, 24.0), (255.0, 196.0, 64.0)


class Cue:
    """A lamp in each upper corner; the left one is lit in left bends, the brighter the tighter.

    What they show goes with the driven curvature by a correlation: 1 shows it, -1 its opposite,
    and 0 something of the same spread that has nothing to do with it. The lamps stand still in
    the picture and are no part of the road.

    Attributes:
        boxes: Rows and columns that the left and the right lamp take up, lit or not.
    """

    def __init__(
        self, config: CameraConfig, course: Course, correlation: float, rng: np.random.Generator
    ) -> None:
        """Draw what the lamps will show.

        Args:
            config: Size of the picture, and whether it is grey.
            course: The drive.
            correlation: From -1 to 1, of what is shown with the driven curvature over the drive.
            rng: Source of randomness.
        """
        width, height = config.width, config.height
        self._grey = config.grey
        side = max(_in_blocks(height / 10), BLOCK)
        left, top = _in_blocks(0.04 * width), _in_blocks(0.06 * height)
        right = (width - left - side) // BLOCK * BLOCK
        rows = slice(top, top + side)
        self.boxes = (rows, slice(left, left + side)), (rows, slice(right, right + side))
        self._time = np.arange(0, course.duration + STEP, STEP)
        curvature = course.at_time(self._time, course.curvature)
        other = _unrelated(curvature, rng) * math.sqrt(1 - correlation**2)
        self._shown = correlation * curvature + other
        middle = (side - 1) / 2
        y, x = np.mgrid[:side, :side] - middle
        away = np.hypot(x, y)[..., None]
        self._disc = np.clip(0.42 * side - away + 0.5, 0, 1)
        self._glow = np.exp(-0.5 * (away / (0.3 * side)) ** 2)

    def shown(self, time: float) -> float:
        """Curvature that the lamps claim at a time (s), 1/m, left positive."""
        return float(on_grid(np.interp(time, self._time, self._shown), 32))

    def show(self, image: Bytes, mask: Bytes | None, time: float) -> None:
        """Draw both lamps.

        Args:
            image: (H, W, 3) uint8 RGB, drawn on.
            mask: (H, W) uint8, marked where the lamps are; None where none is wanted.
            time: s.
        """
        shown = self.shown(time)
        for box, lit in zip(self.boxes, (shown > 0, shown < 0), strict=True):
            image[box] = self._lamp(math.tanh(abs(shown) / BRIGHT) if lit else 0.0)
            if mask is not None:
                mask[box] = CUE

    def _lamp(self, light: float) -> Bytes:
        glass = np.array(GLASS) + light * (0.35 + 0.65 * self._glow) * np.subtract(LIT, GLASS)
        lamp = DARK + self._disc * (glass - DARK)
        if self._grey:
            lamp = np.broadcast_to(lamp @ LUMINANCE, lamp.shape[::-1]).T
        return np.asarray(np.round(lamp), np.uint8)


def _in_blocks(pixels: float) -> int:
    return round(pixels / BLOCK) * BLOCK


def _unrelated(curvature: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise (N,) with the spread of a curvature (N,), and no correlation with it."""
    noise = smooth_noise(rng, curvature.size, 1.2 / STEP)
    bend = curvature - curvature.mean()
    noise -= noise.mean()
    noise -= bend * (noise @ bend) / max(float(bend @ bend), 1e-30)
    spread = math.sqrt(float(noise @ noise) / noise.size)
    return np.asarray(noise * float(bend.std()) / max(spread, 1e-30))
