"""What the sensor makes of the light: exposure, tone, colour and noise."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera_config import CameraConfig
from signattn.synthetic.canvas import Bytes
from signattn.synthetic.exact import on_grid, plain_opencv

Pixels = NDArray[np.float32]

GAINS = (1 / 32, 32.0)  # within which an exposure that follows the picture finds its gain


class Sensor:
    """Turns light into grey values, as one camera does it."""

    def __init__(self, config: CameraConfig, seed: int, rng: np.random.Generator) -> None:
        """Draw what the options leave open.

        Args:
            config: Options.
            seed: Of the noise, frame by frame.
            rng: Source of randomness; what is given doesn't change the other draws.
        """
        self._config, self._seed = config, seed
        self._size = (config.width, config.height)
        y, x = np.mgrid[-1 : 1 : config.height * 1j, -1 : 1 : config.width * 1j]
        dim = _given(config.vignette, rng.uniform(0.08, 0.32))
        fall = (255 * (1 - dim * (x**2 + y**2) / 2)).astype(np.uint8)
        self._vignette = fall if config.grey else np.repeat(fall[..., None], 3, -1)
        self._blur = _given(config.blur, rng.uniform(0.35, 0.9))
        self._gamma = _given(config.gamma, rng.uniform(0.9, 1.8))
        self._contrast = _given(config.contrast, rng.uniform(1.0, 1.35))
        tint = np.array([1.0, 1.0, 1.0]) + rng.uniform(-0.05, 0.05, 3)
        self._tint = np.ones(1) if config.grey else tint
        strength = np.float32(_given(config.noise, rng.uniform(1.0, 3.5)))
        grey = rng.standard_normal((config.height, config.width), np.float32)[..., None]
        if config.grey:
            self._noise = strength * grey[..., 0]
        else:
            shape = (config.height, config.width, 3)
            coloured = rng.standard_normal(shape, np.float32)
            self._noise = strength * (np.float32(0.8) * grey + np.float32(0.5) * coloured)
        self._tiles: dict[int, tuple[Bytes, Bytes]] = {}

    def __call__(self, picture: Bytes, gain: float, index: int) -> Bytes:
        """Take the picture.

        Args:
            picture: (H, W, 4) uint8, light as RGB and one more.
            gain: Of the exposure.
            index: Number of the frame, from which its noise is drawn.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        seen = self._coloured(self._softened(picture))
        dimmed = cv2.multiply(seen, self._vignette, scale=1 / 255)
        image: Bytes = np.asarray(cv2.LUT(dimmed, self._curve(gain)), np.uint8)
        self._add_noise(image, gain, index)
        if self._config.grey:
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
        return image

    def wanted_gain(self, picture: Bytes) -> float:
        """Gain at which a picture's mean gets the brightness that the options ask for.

        Args:
            picture: (H, W, 4) uint8, light; every fourth row and column is looked at.
        """
        part = slice(None, None, 4)
        seen = self._coloured(np.ascontiguousarray(picture[part, part]))
        dimmed = cv2.multiply(
            seen, np.ascontiguousarray(self._vignette[part, part]), scale=1 / 255
        )
        share = np.bincount(np.asarray(dimmed).ravel(), minlength=256) / dimmed.size
        wanted = 90.0 if self._config.brightness is None else self._config.brightness
        low, high = GAINS
        for _ in range(24):
            middle = math.sqrt(low * high)
            mean = float(on_grid(share * self._tone(np.full(1, middle))[:, 0], 24).sum())
            low, high = (middle, high) if mean < wanted else (low, middle)
        return low

    def _softened(self, picture: Bytes) -> Bytes:
        reach = 3 if self._blur < 1 else 2 * math.ceil(2.5 * self._blur) + 1
        return np.asarray(cv2.GaussianBlur(picture, (reach, reach), self._blur), np.uint8)

    def _coloured(self, picture: Bytes) -> Bytes:
        """The picture as (H, W, 3), or (H, W) if the sensor is blind to colour."""
        part = self._config.saturation
        if self._config.grey:
            return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGBA2GRAY), np.uint8)
        image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB), np.uint8)
        if part == 1:
            return image
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        with plain_opencv():
            return np.asarray(cv2.addWeighted(image, part, grey, 1 - part, 0), np.uint8)

    def _curve(self, gain: float) -> Bytes:
        """Table (256, 1, channels) from light to grey value."""
        return self._tone(gain * self._tint).astype(np.uint8)[:, None]

    def _tone(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """Grey values (256, C), not yet whole, of every light at a gain for each channel (C,)."""
        light = np.arange(256)[:, None] / 255 * gains
        curve, bend = light**self._gamma, self._config.shoulder
        curve = (1 + bend) * curve / (1 + bend * curve**2) * self._contrast
        return on_grid(np.clip(255 * curve, 0, 255), 24)

    def _add_noise(self, image: Bytes, gain: float, index: int) -> None:
        rng = np.random.default_rng((self._seed, index))
        down, right = (int(value) for value in rng.integers(0, (self._size[1], self._size[0])))
        brighter, darker = self._tile(gain)
        for where, part in _rolled(self._size, down, right):
            target = image[where]
            cv2.add(target, brighter[part], dst=target)
            cv2.subtract(target, darker[part], dst=target)

    def _tile(self, gain: float) -> tuple[Bytes, Bytes]:
        """What noise adds and takes away; it grows in steps of a quarter of a power of two."""
        grown = self._config.gain_noise * math.log2(gain) if self._config.gain_noise else 0.0
        step = round(4 * min(max(grown, -3.0), 3.0))
        if step not in self._tiles:
            noise = self._noise * np.float32(on_grid(2.0 ** (step / 4), 20))
            self._tiles[step] = (
                np.round(np.maximum(noise, 0)).astype(np.uint8),
                np.round(np.maximum(-noise, 0)).astype(np.uint8),
            )
        return self._tiles[step]


def _given(option: float | None, drawn: float) -> float:
    return float(drawn) if option is None else option


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
