"""Exposure that follows the picture."""

import math
from collections.abc import Callable

from signattn.synthetic.exact import on_grid

STEP = 0.5  # s, from one look at the picture to the next
MEMORY = 6  # time constants behind which a look is forgotten


class AutoExposure:
    """Follows, slowly, the gain at which the picture would have the wanted brightness.

    The gain at a time is the same whatever was asked for before.
    """

    def __init__(self, meter: Callable[[float], float], lag: float) -> None:
        """Prepare to look.

        Args:
            meter: Gain that the picture at a time (s) needs.
            lag: s, time constant of the logarithm of the gain.
        """
        self._meter = meter
        self._lag = lag
        self._looks: dict[int, float] = {}

    def __call__(self, time: float) -> float:
        """Gain at a time (s)."""
        newest = max(math.floor(time / STEP + 1e-9), 0)
        oldest = max(newest - math.ceil(MEMORY * self._lag / STEP), 0)
        weights = [self._forgotten(time - STEP * (look + 1)) for look in range(oldest, newest)]
        weights.append(1.0)
        wanted, known = 0.0, 0.0
        for look, weight in zip(range(oldest, newest + 1), weights, strict=True):
            # What has been wanted until the next look, and how much of it was reached by now.
            wanted += (weight - known) * self._look(look)
            known = weight
        return float(on_grid(math.exp(wanted), 20))

    def _forgotten(self, age: float) -> float:
        return float(on_grid(math.exp(-age / self._lag), 24))

    def _look(self, number: int) -> float:
        if number not in self._looks:
            self._looks[number] = float(on_grid(math.log(self._meter(STEP * number)), 24))
        return self._looks[number]
