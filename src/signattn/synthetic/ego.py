"""How the camera moves on its car: a body on springs, moved by the road and by the driving."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.course import SPACING, TICK, Course, smooth_noise

Array = NDArray[np.float64]

WHEELBASE = 2.85  # m
SLOPE = 0.0031  # rad, spread of the road's slope from point to point: class A to B of ISO 8608
LEAN = 0.0022  # rad, spread of the slope from the left to the right wheels, over 1.5 m of road
PITCH_BY_BRAKING, ROLL_BY_BENDS = 0.0022, 0.0055  # rad per m/s²


@dataclass(frozen=True)
class _Spring:
    """A damped oscillator that rests on a support.

    Attributes:
        frequency: Hz, undamped.
        damping: Share of the critical one.
    """

    frequency: float
    damping: float

    def follow(self, support: Array) -> Array:
        """Way of the body when the support goes a way (K,), ``TICK`` apart; at rest before."""
        stiff = (2 * math.pi * self.frequency) ** 2 * TICK
        damp = 2 * self.damping * (2 * math.pi * self.frequency)
        place = before = float(support[0])
        rate = 0.0
        way = np.empty_like(support)
        for index, moved in enumerate(support.tolist()):
            rate += stiff * (moved - place) + damp * (moved - before - rate * TICK)
            place += rate * TICK
            before = moved
            way[index] = place
        return way


HEAVE, PITCH, ROLL, YAW = (
    _Spring(1.4, 0.35),
    _Spring(1.8, 0.28),
    _Spring(1.7, 0.3),
    _Spring(1, 0.4),
)
RISE = _Spring(0.4, 0.8)  # of the road itself, which the drawn ground has not


class CameraMotion:
    """Motion of the camera on the car's springs; it comes to rest when the car stands.

    Attributes:
        most_roll: rad, the largest roll of the drive.
    """

    def __init__(self, course: Course, strength: float, rng: np.random.Generator) -> None:
        """Let a car drive a course.

        Args:
            course: The drive.
            strength: Against that of a usual car on a usual road; 0 for none.
            rng: Source of the road's unevenness.
        """
        count = course.station.size
        rise = np.cumsum(SLOPE * SPACING * rng.standard_normal(count))
        lean = LEAN * smooth_noise(rng, count, 1.5 / SPACING)
        front = course.at_station(course.travelled, rise)
        rear = course.at_station(course.travelled - WHEELBASE, rise)
        tilt = course.at_station(course.travelled, lean)
        forwards = np.gradient(course.speed, TICK)
        sideways = course.speed * course.speed * course.curvature
        middle = (front + rear) / 2
        self._ways = strength * np.stack(
            [
                HEAVE.follow(middle) - RISE.follow(middle),
                PITCH.follow((rear - front) / WHEELBASE - PITCH_BY_BRAKING * forwards),
                ROLL.follow(tilt + ROLL_BY_BENDS * sideways),
                YAW.follow(tilt / 2),
            ]
        )
        self.most_roll = float(np.abs(self._ways[2]).max())

    def __call__(self, time: float) -> tuple[float, float, float, float]:
        """Bounce (m), pitch, roll and yaw (rad) at a time (s).

        Pitch is downwards, roll to the right side, yaw to the left.
        """
        place = min(max(time / TICK, 0.0), self._ways.shape[1] - 1.0)
        low = min(int(place), self._ways.shape[1] - 2)
        part = place - low
        now = self._ways[:, low] * (1 - part) + self._ways[:, low + 1] * part
        bounce, pitch, roll, yaw = now.tolist()
        return bounce, pitch, roll, yaw
