"""Sun and shade along the road."""

import cv2
import numpy as np

from signattn.synthetic.canvas import Bytes
from signattn.synthetic.course import Array, Course, smooth_noise
from signattn.synthetic.exact import on_grid
from signattn.synthetic.ground import Ground
from signattn.synthetic.markings import smooth_noise_on


class Light:
    """Sun and shade along the road, and how the camera's exposure follows."""

    def __init__(self, course: Course, shade: float | None, rng: np.random.Generator) -> None:
        """Draw where there is shade.

        Args:
            course: The road and how it is driven.
            shade: Strength of the shadows from 0 to 1; None draws it.
            rng: Source of randomness.
        """
        self._start = float(course.station[0])
        along = np.arange(self._start, course.station[-1], 0.1)[::5]
        drawn = float(rng.uniform(0.1, 1.0))
        sun = drawn if shade is None else shade
        woods = smooth_noise_on(along, 6, rng)
        deep = smooth_noise_on(along, 10, rng) + float(rng.uniform(-1.4, 0.8))
        self._strength = 0.68 * sun * np.clip(0.9 * woods + float(rng.uniform(-0.3, 1.1)), 0, 1)
        self._open = 1 - 0.62 * sun * np.clip(0.8 * deep, 0, 1)
        self._course = course
        seen = self._open * (1 - 0.5 * self._strength)
        kernel = np.ones(100) / 100  # 50 m ahead
        ahead = np.convolve(np.pad(seen, (0, 99), mode='edge'), kernel, mode='valid')
        wanted = (0.75 / np.maximum(ahead, 0.1)) ** 0.65
        time = np.arange(0, course.duration + 0.1, 0.05)
        place = course.at_time(time, course.travelled)
        target = np.interp(place, along, wanted)
        reached = np.empty_like(target)
        value = float(target[0])
        for index, goal in enumerate(target):
            value += 0.07 * (float(goal) - value)
            reached[index] = value
        drift = np.exp(0.08 * smooth_noise(rng, time.size, 60))
        self._time = time
        self._exposure = on_grid(reached * drift * float(rng.uniform(0.8, 1.2)), 20)

    def at(self, station: float) -> float:
        """Brightness about a station (m), 1 in the sun."""
        return float(self._pick(self._open, np.array([station]))[0])

    def exposure(self, time: float) -> float:
        """Gain of the camera at a time (s)."""
        return float(np.interp(time, self._time, self._exposure))

    def lay(self, seen: Bytes, ground: Ground) -> Bytes:
        """Light on the ground.

        Args:
            seen: (R, W, 4) uint8, colour and shadow.
            ground: The rows.

        Returns:
            (R, W, 4) uint8, RGB and one more.
        """
        brightness = 255 * self._pick(self._open, ground.station)
        depth = np.minimum(brightness * self._pick(self._strength, ground.station), 255)
        shadow = seen[..., 3].astype(np.uint16) * depth.astype(np.uint16)[:, None] >> 8
        light = (brightness.astype(np.uint16)[:, None] - shadow).astype(np.uint8)
        shaded = cv2.multiply(seen, cv2.cvtColor(light, cv2.COLOR_GRAY2RGBA), scale=1 / 255)
        return np.asarray(shaded, np.uint8)

    def _pick(self, values: Array, station: Array) -> Array:
        index = ((station - self._start) * 2).astype(int)
        return np.asarray(values[np.clip(index, 0, values.size - 1)])
