"""Steering and speed of a recording at the times of its images."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from signattn.bag import BagError, Quantity, Recording, Series, in_order
from signattn.preprocess import MAX_GAP_S, NS_PER_S
from signattn.vehicle import Vehicle, curvature_from_steering, steering_from_curvature

STANDING = 0.1
"""m/s; a car that goes back no faster stands."""

SLOWEST = 1.0
"""m/s; at less, a yaw rate says nothing about the curvature."""


@dataclass(frozen=True)
class Labels:
    """Steering and speed at the times of images; NaN where a recording says nothing.

    Attributes:
        steering_angle: (N,) float64, rad at the wheel, left positive; where something else was
            recorded, the angle that means the same.
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

    Infinite values and speeds of a car that goes backwards are unknown. Of stamps that go
    backwards as few as possible are left out. The recording's notes say how many there were.

    Args:
        recording: Where the signals are.
        stamps_ns: (N,) int64, ns.
        vehicle: For the curvature.
        assume_speed: m/s, for a recording without speed.
        max_gap_s: s; nothing is interpolated across a longer gap between two labels.

    Returns:
        The labels; all NaN if the recording has no steering.

    Raises:
        BagError: If there is no speed and none is assumed, or with ``strict`` if stamps go
            backwards or a value is infinite.
    """
    signals = recording.signals()
    steering, speed = signals.steering, signals.speed
    if steering is None or not len(steering.stamp_ns):
        nothing = np.full(len(stamps_ns), np.nan)
        return Labels(nothing, nothing.copy(), nothing.copy())
    turn = _interpolate(
        stamps_ns, _usable(steering, recording, recording.steering_topic), max_gap_s
    )
    assumed = speed is None or bool(np.isnan(speed.values).all())
    if speed is None or assumed:
        fast = np.full(len(stamps_ns), _assumed(assume_speed, recording))
    else:
        driven = _forward(_usable(speed, recording, recording.speed_topic), recording)
        fast = _interpolate(stamps_ns, driven, max_gap_s)
    angle, curvature = _angle_and_curvature(steering.quantity, turn, fast, vehicle)
    return Labels(angle, fast, curvature, assumed)


def _angle_and_curvature(
    quantity: Quantity, turn: NDArray[np.float64], speed: NDArray[np.float64], vehicle: Vehicle
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angle at the wheel (rad) and curvature (1/m) of any turn, at these speeds (m/s)."""
    if quantity in ('steering_angle', 'tyre_angle'):
        angle = turn * vehicle.steering_ratio if quantity == 'tyre_angle' else turn
        return angle, curvature_from_steering(angle, speed, vehicle)
    curvature = turn
    if quantity == 'yaw_rate':
        curvature = turn / np.where(speed >= SLOWEST, speed, np.nan)
    return steering_from_curvature(curvature, speed, vehicle), curvature


def _assumed(assume_speed: float | None, recording: Recording) -> float:
    if assume_speed is None:
        raise BagError(
            f'{recording.path}: speed must be recorded or given, got none: the curvature '
            'depends on it; name one with --assume-speed M_PER_S, or its topic with --speed'
        )
    if not (np.isfinite(assume_speed) and assume_speed >= 0):
        raise BagError(f'--assume-speed must be at least 0 m/s, got {assume_speed}')
    return float(assume_speed)


def _usable(series: Series, recording: Recording, topic: str | None) -> Series:
    """A series in the order of its stamps, unknown where it is infinite."""
    forward = in_order(series.stamp_ns)
    if late := len(forward) - int(forward.sum()):
        what = f'{late} of {len(forward)} stamps go backwards'
        _leave_out(recording, f'{recording.path}: stamps on {topic} must increase, got {what}')
        recording.note(f'{topic}: {what}; their values are left out')
    series = replace(series, stamp_ns=series.stamp_ns[forward], values=series.values[forward])
    infinite = np.isinf(series.values)
    if count := int(infinite.sum()):
        what = f'{count} of {len(infinite)} values of {series.quantity} are infinite'
        _leave_out(recording, f'{recording.path}: {topic} must have finite values, got {what}')
        recording.note(f'{topic}: {what}; there is no label there')
    return replace(series, values=np.where(infinite, np.nan, series.values))


def _leave_out(recording: Recording, otherwise: str) -> None:
    if recording.strict:
        raise BagError(otherwise)


def _forward(speed: Series, recording: Recording) -> Series:
    """The speed of a car that stands or goes forward; unknown where it goes backwards."""
    # A standing car's sensor trembles around 0.
    values = np.where((speed.values < 0) & (speed.values > -STANDING), 0.0, speed.values)
    backwards = values < 0
    if count := int(backwards.sum()):
        recording.note(
            f'{recording.speed_topic}: the car goes backwards in {count} of {len(values)} '
            'messages; there is no label there'
        )
    return replace(speed, values=np.where(backwards, np.nan, values))


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
