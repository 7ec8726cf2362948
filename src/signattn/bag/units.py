"""Units in which recordings hold the turn and the speed of a car."""

import math
from dataclasses import dataclass

from signattn.bag.recording import BagError, Quantity

RIGHT = '_right'
"""Behind a unit: the recording counts right positive."""
_MPH = 1609.344 / 3600


@dataclass(frozen=True)
class Measure:
    """What a number in a recording means.

    Attributes:
        quantity: What it measures.
        factor: From its unit to the quantity's.
        inverse: Whether it is the quantity's inverse, as a radius is.
    """

    quantity: Quantity
    factor: float = 1.0
    inverse: bool = False

    def __call__(self, number: float) -> float:
        """The quantity in its own unit; a radius of 0 is unknown."""
        if self.inverse:
            number = 1 / number if number else math.nan
        return number * self.factor + 0.0  # which makes no -0 of a turned 0


STEERING_UNITS: dict[str, Measure] = {
    'rad': Measure('steering_angle'),
    'deg': Measure('steering_angle', math.pi / 180),
    'tyre_rad': Measure('tyre_angle'),
    'tyre_deg': Measure('tyre_angle', math.pi / 180),
    'rad/s': Measure('yaw_rate'),
    'deg/s': Measure('yaw_rate', math.pi / 180),
    '1/m': Measure('curvature'),
    'm': Measure('curvature', inverse=True),
}
SPEED_UNITS: dict[str, Measure] = {
    'm/s': Measure('speed'),
    'km/h': Measure('speed', 1 / 3.6),
    'mph': Measure('speed', _MPH),
}


def steering_unit(name: str) -> Measure:
    """What a unit of the turn means, such as ``deg`` or ``deg_right``.

    Raises:
        BagError: If there is no such unit.
    """
    measure = STEERING_UNITS.get(name.removesuffix(RIGHT))
    if measure is None:
        known = ', '.join(STEERING_UNITS)
        raise BagError(
            f'--unit must be one of {known}, or one of them with {RIGHT} where right is positive, '
            f'got {name!r}'
        )
    sign = -1 if name.endswith(RIGHT) else 1
    return Measure(measure.quantity, sign * measure.factor, measure.inverse)


def speed_unit(name: str | None) -> Measure:
    """What a unit of speed means; m/s if none is named.

    Raises:
        BagError: If there is no such unit.
    """
    measure = SPEED_UNITS.get(name or 'm/s')
    if measure is None:
        raise BagError(f'--speed-unit must be one of {", ".join(SPEED_UNITS)}, got {name!r}')
    return measure
