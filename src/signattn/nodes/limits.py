"""Bounds on the published curvature: what the vehicle can drive, and how fast it may turn."""

import math
from dataclasses import dataclass

from signattn.preprocess import NS_PER_S
from signattn.vehicle import Vehicle

CURVATURE, RATE = 'curvature', 'rate'


@dataclass(frozen=True)
class Bounds:
    """What is allowed; infinite where a limit is off.

    Attributes:
        tyre_angle: rad, the most that the front wheels turn.
        lateral_acceleration: m/s², in a bend.
        rate: 1/(m·s), change of the curvature.
    """

    tyre_angle: float = math.inf
    lateral_acceleration: float = math.inf
    rate: float = math.inf

    def curvature(self, speed: float, vehicle: Vehicle) -> float:
        """Largest curvature that may be driven.

        Args:
            speed: m/s, not negative.
            vehicle: Its wheelbase and slip factor turn the tyre angle into a curvature.

        Returns:
            1/m, above 0.
        """
        geometry = self.tyre_angle / (vehicle.wheelbase * (1 + vehicle.slip_factor * speed**2))
        return min(geometry, self.lateral_acceleration / speed**2) if speed else geometry


class Limiter:
    """Applies bounds to one answer after the other."""

    def __init__(self) -> None:
        """Nothing was published yet, so the first curvature may be any."""
        self._last: tuple[int, float] | None = None  # stamp in ns, and 1/m

    def limit(
        self, curvature: float, stamp_ns: int, speed: float, vehicle: Vehicle, bounds: Bounds
    ) -> tuple[float, tuple[str, ...]]:
        """Bring a curvature into its bounds.

        Time is what lies between two stamps, so that a machine's speed changes nothing; where
        stamps go back, none has passed, and the curvature holds.

        Args:
            curvature: 1/m, left positive.
            stamp_ns: ns, stamp of its image.
            speed: m/s, not negative.
            vehicle: The one that drives.
            bounds: What is allowed.

        Returns:
            1/m, what may be published, and which limits acted on it: ``rate``, ``curvature``.
        """
        limited, acted = curvature, []
        if self._last is not None and math.isfinite(bounds.rate):
            last_ns, last = self._last
            change = bounds.rate * max(0, stamp_ns - last_ns) / NS_PER_S
            limited = _clipped(limited, last - change, last + change)
            acted += [RATE] * (limited != curvature)
        most = bounds.curvature(speed, vehicle)  # last, so that it always holds
        drivable = _clipped(limited, -most, most)
        acted += [CURVATURE] * (drivable != limited)
        self._last = stamp_ns, drivable
        return drivable, tuple(acted)


def _clipped(value: float, lower: float, upper: float) -> float:
    return min(max(value, lower), upper)
