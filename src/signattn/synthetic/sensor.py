"""What lens and sensor do to the picture."""

import math

import cv2
import numpy as np

from signattn.synthetic.canvas import Bytes, Canvas
from signattn.synthetic.config import SynthConfig

MARGIN = 12  # px drawn beyond each border, for the roll


class Sensor:
    """What lens and sensor do to the picture: roll, vignette, exposure, noise."""

    def __init__(self, config: SynthConfig, rng: np.random.Generator) -> None:
        """Draw a lens and a sensor.

        Args:
            config: Size of the picture, and seed of its noise.
            rng: Source of randomness.
        """
        self._size = (config.width, config.height)
        y, x = np.mgrid[-1 : 1 : config.height * 1j, -1 : 1 : config.width * 1j]
        fall = 1 - float(rng.uniform(0.08, 0.32)) * (x**2 + y**2) / 2
        self._vignette = np.repeat((255 * fall).astype(np.uint8)[..., None], 3, -1)
        self._blur = float(rng.uniform(0.35, 0.9))
        self._gamma = float(rng.uniform(0.9, 1.8))
        self._contrast = float(rng.uniform(1.0, 1.35))
        self._tint = np.array([1.0, 1.0, 1.0]) + rng.uniform(-0.05, 0.05, 3)
        strength = float(rng.uniform(1.0, 3.5))
        shape = (config.height, config.width, 3)
        grey = rng.standard_normal((config.height, config.width), np.float32)[..., None]
        noise = strength * (0.8 * grey + 0.5 * rng.standard_normal(shape, np.float32))
        self._brighter = np.round(np.maximum(noise, 0)).astype(np.uint8)
        self._darker = np.round(np.maximum(-noise, 0)).astype(np.uint8)
        self._seed = config.seed

    def __call__(
        self, canvas: Canvas, roll: float, exposure: float, index: int
    ) -> tuple[Bytes, Bytes | None]:
        """Take the picture.

        Args:
            canvas: What is before the camera, with ``MARGIN`` beyond each border.
            roll: rad, clockwise positive.
            exposure: Gain.
            index: Number of the frame, from which its noise is drawn.

        Returns:
            The picture (H, W, 3) uint8 RGB, and the mask (H, W) uint8 or None.
        """
        height, width = canvas.picture.shape[:2]
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), math.degrees(roll), 1.0
        )
        matrix[:, 2] -= MARGIN
        turned = cv2.warpAffine(canvas.picture, matrix, self._size, flags=cv2.INTER_LINEAR)
        turned = cv2.GaussianBlur(turned, (3, 3), self._blur)
        image = cv2.cvtColor(turned, cv2.COLOR_RGBA2RGB)
        cv2.multiply(image, self._vignette, dst=image, scale=1 / 255)
        cv2.LUT(image, self._curve(exposure), dst=image)
        rng = np.random.default_rng((self._seed, index))
        down, right = (int(value) for value in rng.integers(0, (self._size[1], self._size[0])))
        for where, part in _rolled(self._size, down, right):
            target = image[where]
            cv2.add(target, self._brighter[part], dst=target)
            cv2.subtract(target, self._darker[part], dst=target)
        if canvas.mask is None:
            return np.asarray(image, np.uint8), None
        mask = cv2.warpAffine(canvas.mask, matrix, self._size, flags=cv2.INTER_NEAREST)
        return np.asarray(image, np.uint8), np.asarray(mask, np.uint8)

    def _curve(self, exposure: float) -> Bytes:
        """Table (256, 1, 3) from light to pixel value."""
        light = np.arange(256)[:, None] / 255 * exposure * self._tint
        curve = np.clip(light, 0, None) ** self._gamma
        curve = 1.12 * curve / (1 + 0.12 * curve**2) * self._contrast
        return np.clip(255 * curve, 0, 255).astype(np.uint8)[:, None]


def _rolled(
    size: tuple[int, int], down: int, right: int
) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Pieces of a picture and the pieces of a tile, rolled by (down, right), that fill them."""
    width, height = size
    pieces = []
    for y0, y1, from_y in ((0, height - down, down), (height - down, height, 0)):
        for x0, x1, from_x in ((0, width - right, right), (width - right, width, 0)):
            if y1 > y0 and x1 > x0:
                part = (slice(from_y, from_y + y1 - y0), slice(from_x, from_x + x1 - x0))
                pieces.append(((slice(y0, y1), slice(x0, x1)), part))
    return pieces
