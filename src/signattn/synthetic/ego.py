"""How the camera moves on its car."""

import math

import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.course import Course, smooth_noise

Array = NDArray[np.float64]


class CameraMotion:
    """Small motion of the camera on its springs, still when the car stands."""

    def __init__(self, course: Course, strength: float, rng: np.random.Generator) -> None:
        """Draw the motion of a drive.

        Args:
            course: The drive.
            strength: 0 for none.
            rng: Source of randomness.
        """
        count = math.ceil(course.duration / 0.02) + 2
        speed = course.at_time(np.linspace(0, 0.02 * (count - 1), count), course.speed)
        moving = np.clip(speed / 8, 0, 1)

        def shake(amplitude: float, seconds: float) -> Array:
            return strength * amplitude * smooth_noise(rng, count, seconds / 0.02) * moving

        self._bounce = shake(0.008, 0.12)
        self._pitch = shake(0.0006, 0.06) + shake(0.0012, 0.3)
        self._roll = shake(0.002, 0.1) + shake(0.004, 0.5)
        self._yaw = shake(0.0004, 0.15)

    def __call__(self, time: float) -> tuple[float, float, float, float]:
        """Bounce (m), pitch, roll and yaw (rad) at a time (s)."""
        place = time / 0.02
        low = int(place)
        part = place - low
        bounce, pitch, roll, yaw = (
            float(values[low] * (1 - part) + values[low + 1] * part)
            for values in (self._bounce, self._pitch, self._roll, self._yaw)
        )
        return bounce, pitch, roll, yaw
