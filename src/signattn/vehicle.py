"""Steering-wheel angle and curvature of a vehicle, and the smoothing of both."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from signattn.share import from_mapping, read_yaml, shipped_or_own


@dataclass(frozen=True)
class Vehicle:
    """What turns a steering-wheel angle into the curvature of the path.

    Attributes:
        name: Name of the vehicle.
        wheelbase: m, distance between the axles, d_w.
        steering_ratio: Steering-wheel angle over road-wheel angle, K_s.
        slip_factor: s²/m², understeer, K_slip.
    """

    name: str
    wheelbase: float
    steering_ratio: float
    slip_factor: float

    def __post_init__(self) -> None:
        """Refuse constants that no vehicle has."""
        for field in ('wheelbase', 'steering_ratio'):
            value = getattr(self, field)
            if not _is_number(value) or value <= 0:
                raise ValueError(f'{field} must be a finite number above 0, got {value!r}')
        if not _is_number(self.slip_factor) or self.slip_factor < 0:
            raise ValueError(
                f'slip_factor must be a number of at least 0, got {self.slip_factor!r}'
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def load_vehicle(name_or_path: str | Path = 'lincoln_mkz') -> Vehicle:
    """Read a vehicle file.

    Args:
        name_or_path: Name of a shipped vehicle (``config/vehicle/NAME.yaml``), or the path of a
            file of one's own.

    Returns:
        The vehicle.

    Raises:
        ValueError: If no such vehicle exists, or the file has an unknown, missing or wrong key.
    """
    path = shipped_or_own('vehicle', name_or_path)
    return from_mapping(Vehicle, read_yaml(path), str(path))


def curvature_from_steering(
    steering_angle: ArrayLike, speed: ArrayLike, vehicle: Vehicle
) -> NDArray[np.float64]:
    """Curvature that the vehicle drives at a steering-wheel angle.

    Args:
        steering_angle: (...) float, rad at the wheel, left positive; NaN stays NaN.
        speed: (...) float, m/s, not negative; NaN stays NaN.
        vehicle: Wheelbase, steering ratio and slip factor.

    Returns:
        (...) float64, 1/m, left positive.

    Raises:
        ValueError: If a speed is negative or infinite.

    Source: Tashiro and Awano 2023, Eq. 3.
    """
    return np.asarray(steering_angle, np.float64) / _gain(speed, vehicle)


def steering_from_curvature(
    curvature: ArrayLike, speed: ArrayLike, vehicle: Vehicle
) -> NDArray[np.float64]:
    """Steering-wheel angle at which the vehicle drives a curvature.

    Args:
        curvature: (...) float, 1/m, left positive; NaN stays NaN.
        speed: (...) float, m/s, not negative; NaN stays NaN.
        vehicle: Wheelbase, steering ratio and slip factor.

    Returns:
        (...) float64, rad at the wheel, left positive.

    Raises:
        ValueError: If a speed is negative or infinite.

    Source: Tashiro and Awano 2023, Eq. 3, inverted.
    """
    return np.asarray(curvature, np.float64) * _gain(speed, vehicle)


def _gain(speed: ArrayLike, vehicle: Vehicle) -> NDArray[np.float64]:
    """Steering-wheel angle over curvature, rad·m."""
    speed = np.asarray(speed, np.float64)
    if np.any(speed < 0) or np.any(np.isinf(speed)):
        raise ValueError(f'speed must be finite and at least 0 m/s, got {_first_bad(speed)}')
    slip = 1 + vehicle.slip_factor * speed**2
    return np.asarray(vehicle.wheelbase * vehicle.steering_ratio * slip)


def _first_bad(speed: NDArray[np.float64]) -> float:
    return float(speed[(speed < 0) | np.isinf(speed)].flat[0])


def smooth(values: ArrayLike, factor: float) -> NDArray[np.float64]:
    """Exponential smoothing over time that recurses on the smoothed past.

    Args:
        values: (N,) float, one value a frame. A NaN stays NaN and the recursion starts afresh
            behind it, so that nothing is carried across a hole.
        factor: α_s in (0, 1]; smaller is smoother, 1 changes nothing.

    Returns:
        (N,) float64.

    Raises:
        ValueError: If factor is outside (0, 1] or values aren't one-dimensional.

    Source: Tashiro and Awano 2023, Eq. 2.
    """
    if not 0 < factor <= 1:
        raise ValueError(f'smoothing must be in (0, 1], got {factor}')
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise ValueError(f'values must have shape (N,), got {values.shape}')
    smoothed = np.empty_like(values)
    past = math.nan
    for index, value in enumerate(values):
        past = value if math.isnan(past) else factor * value + (1 - factor) * past
        smoothed[index] = past
    return smoothed
