"""Steering and speed of a recording at the times of its images."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from signattn.bag import BagError, Recording, Series
from signattn.preprocess import NS_PER_S
from signattn.vehicle import Vehicle, curvature_from_steering

MAX_GAP_S = 0.5
"""s; images or labels further apart than this don't belong together."""

STANDING = 0.1
"""m/s; a car that goes back no faster stands."""


@dataclass(frozen=True)
class Labels:
    """Steering and speed at the times of images; NaN where a recording says nothing.

    Attributes:
        steering_angle: (N,) float64, rad at the wheel, left positive, as recorded.
        speed: (N,) float64, m/s.
        curvature: (N,) float64, 1/m, left positive (Eq. 3).
        speed_assumed: Whether the recording had no speed and the assumed one was taken.
    """

    steering_angle: NDArray[np.float64]
    speed: NDArray[np.float64]
    curvature: NDArray[np.float64]
    speed_assumed: bool = False


def labels_at(
    recording: Recording,
    stamps_ns: NDArray[np.int64],
    vehicle: Vehicle,
    assume_speed: float | None = None,
    max_gap_s: float = MAX_GAP_S,
) -> Labels:
    """Interpolate a recording's steering and speed to the times of its images.

    Args:
        recording: Where the signals are.
        stamps_ns: (N,) int64, ns.
        vehicle: For the curvature.
        assume_speed: m/s, for a recording without speed.
        max_gap_s: s; nothing is interpolated across a longer gap between two labels.

    Returns:
        The labels; all NaN if the recording has no steering.

    Raises:
        BagError: If a signal's stamps go backwards, an angle is infinite, a speed is negative or
            not a number, or there is no speed and none is assumed.
    """
    signals = recording.signals()
    steering = signals.steering
    if steering is None or not len(steering.stamp_ns):
        nothing = np.full(len(stamps_ns), np.nan)
        return Labels(nothing, nothing.copy(), nothing.copy())
    unit = 'steering angle must be finite or unknown'
    _refuse(np.isinf(steering.values), steering, unit, recording, recording.steering_topic)
    _check_increasing(steering, f'{recording.path}: stamps on {recording.steering_topic}')
    angle = _interpolate(stamps_ns, steering, max_gap_s)
    measured = signals.speed
    assumed = measured is None or bool(np.isnan(measured.values).all())
    if measured is None or assumed:
        speed = np.full(len(stamps_ns), _assumed(assume_speed, recording))
    else:
        measured = _driven(measured, recording)
        speed = _interpolate(stamps_ns, measured, max_gap_s)
    return Labels(angle, speed, curvature_from_steering(angle, speed, vehicle), assumed)


def _assumed(assume_speed: float | None, recording: Recording) -> float:
    if assume_speed is None:
        raise BagError(
            f'{recording.path}: speed must be recorded or given, got none: the curvature '
            'depends on it; name one with --assume-speed M_PER_S'
        )
    if not (np.isfinite(assume_speed) and assume_speed >= 0):
        raise BagError(f'--assume-speed must be at least 0 m/s, got {assume_speed}')
    return float(assume_speed)


def _driven(speed: Series, recording: Recording) -> Series:
    """The speed of a car that stands or goes forward."""
    # A standing car's sensor trembles around 0.
    trembling = (speed.values < 0) & (speed.values > -STANDING)
    speed = replace(speed, values=np.where(trembling, 0.0, speed.values))
    bad = ~(np.isfinite(speed.values) & (speed.values >= 0))
    unit = 'speed must be finite and at least 0 m/s'
    _refuse(bad, speed, unit, recording, recording.speed_topic)
    _check_increasing(speed, f'{recording.path}: stamps on {recording.speed_topic}')
    return speed


def _refuse(
    bad: NDArray[np.bool_], series: Series, expected: str, recording: Recording, topic: str | None
) -> None:
    places = np.flatnonzero(bad)
    if places.size:
        first = places[0]
        raise BagError(
            f'{recording.path}: {expected}, got {series.values[first]} '
            f'on {topic} at stamp {series.stamp_ns[first]} and {places.size - 1} more'
        )


def _interpolate(at: NDArray[np.int64], series: Series, max_gap_s: float) -> NDArray[np.float64]:
    """Linear in time; NaN outside the stamps and inside gaps."""
    stamps, values = series.stamp_ns, series.values
    right = np.clip(np.searchsorted(stamps, at), 1, max(len(stamps) - 1, 1))
    if len(stamps) == 1:
        return np.where(at == stamps[0], values[0], np.nan)
    left = right - 1
    span = (stamps[right] - stamps[left]).astype(np.float64)
    share = (at - stamps[left]) / np.maximum(span, 1)
    mixed = values[left] + share * (values[right] - values[left])
    mixed = np.where(at == stamps[left], values[left], mixed)
    mixed = np.where(at == stamps[right], values[right], mixed)
    exact = (at == stamps[left]) | (at == stamps[right])
    inside = (at >= stamps[0]) & (at <= stamps[-1]) & (span <= max_gap_s * NS_PER_S)
    return np.where(inside | exact, mixed, np.nan)


def _check_increasing(series: Series, what: str) -> None:
    stamps = series.stamp_ns
    bad = np.flatnonzero(np.diff(stamps) < 0)
    if bad.size:
        index = int(bad[0]) + 1
        raise BagError(
            f'{what} must increase, got {stamps[index]} behind {stamps[index - 1]} '
            f'at position {index}'
        )
