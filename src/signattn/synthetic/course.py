"""The course of a drive: where the road lies, and how the car follows it over time."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.config import SynthConfig
from signattn.synthetic.exact import cos, on_grid, sin
from signattn.vehicle import (
    Vehicle,
    curvature_from_steering,
    load_vehicle,
    steering_from_curvature,
)

Array = NDArray[np.float64]

SPACING = 0.5  # m, between the points of the path
BEHIND = 40.0  # m of road behind the start
AHEAD = 1000.0  # m of road beyond the end
TICK = 0.01  # s, step in which the motion is integrated
MAX_TRACE_GAP = 1.0  # s


@dataclass(frozen=True)
class Course:
    """The driven path by distance, and the drive along it by time.

    Attributes:
        station: (M,) float64, m, distance along the path, evenly spaced; 0 at the start.
        x: (M,) float64, m, of the path.
        y: (M,) float64, m, of the path, left of x.
        z: (M,) float64, m, height of the road.
        heading: (M,) float64, rad, of the path, left positive.
        offset: (M,) float64, m, of the car from the middle of its lane, left positive.
        time: (K,) float64, s, evenly spaced.
        travelled: (K,) float64, m, station of the car.
        speed: (K,) float64, m/s.
        curvature: (K,) float64, 1/m, driven.
        steering_angle: (K,) float64, rad at the wheel.
    """

    station: Array
    x: Array
    y: Array
    z: Array
    heading: Array
    offset: Array
    time: Array
    travelled: Array
    speed: Array
    curvature: Array
    steering_angle: Array

    @property
    def duration(self) -> float:
        """Seconds from the first to the last moment of the drive."""
        return float(self.time[-1])

    def at_time(self, time: Array | float, values: Array) -> Array:
        """Values of a column by time, interpolated at moments in seconds."""
        return np.asarray(np.interp(time, self.time, values))

    def at_station(self, station: Array | float, values: Array) -> Array:
        """Values of a column by distance, interpolated at stations in metres."""
        return np.asarray(np.interp(station, self.station, values))


def lay_course(config: SynthConfig, rng: np.random.Generator) -> Course:
    """Lay the road of a drive and drive it.

    Args:
        config: Options of the drive.
        rng: Source of all that is random.

    Returns:
        The course; its speed and steering follow Eq. 3 for the configured vehicle.

    Raises:
        ValueError: If the trace or the vehicle file is unusable.
    """
    vehicle = load_vehicle(config.vehicle)
    if config.trace is None:
        return _random_course(config, vehicle, rng)
    return _traced_course(config, config.trace, vehicle, rng)


def _random_course(config: SynthConfig, vehicle: Vehicle, rng: np.random.Generator) -> Course:
    top_speed = float(rng.uniform(15, 25)) if config.speed is None else config.speed
    station = np.arange(-BEHIND, config.duration * top_speed + AHEAD, SPACING)
    offset = _wander(station.size, config.wander, rng)
    if config.curvature is None:
        road = winding_curvature(station.size, rng)
    else:
        road = np.full(station.size, float(config.curvature))
    driven = road + np.gradient(np.gradient(offset, SPACING), SPACING)
    time = np.asarray(np.arange(round(config.duration / TICK) + 1) * TICK, np.float64)
    if config.speed is None:
        pace = _suitable_speed(road, top_speed)
        begun = station >= 0
        moments = integrate(1 / pace[begun], SPACING)
        travelled = np.interp(time, moments, station[begun])
        speed = np.interp(travelled, station, pace)
    else:
        travelled = time * config.speed
        speed = np.full(time.size, config.speed)
    curvature = np.interp(travelled, station, driven)
    heading = integrate(driven, SPACING)
    return _course(
        config,
        rng,
        station=station,
        heading=heading - np.interp(0, station, heading),
        offset=offset,
        time=time,
        travelled=travelled,
        speed=speed,
        curvature=curvature,
        steering_angle=steering_from_curvature(curvature, speed, vehicle),
    )


def _traced_course(
    config: SynthConfig, path: Path, vehicle: Vehicle, rng: np.random.Generator
) -> Course:
    time, speed, steering_angle = _resample(path, config.trace_start)
    curvature = curvature_from_steering(steering_angle, speed, vehicle)
    travelled = integrate(speed, TICK)
    turned = integrate(curvature * speed, TICK)
    drive = slice(0, math.floor(min(config.duration, time[-1]) / TICK + 1e-6) + 1)
    station = np.arange(-BEHIND, travelled[drive][-1] + AHEAD, SPACING)
    return _course(
        config,
        rng,
        station=station,
        heading=_traced_heading(station, travelled, turned, rng),
        offset=_wander(station.size, config.wander, rng),
        time=time[drive],
        travelled=travelled[drive],
        speed=speed[drive],
        curvature=curvature[drive],
        steering_angle=steering_angle[drive],
    )


def _course(
    config: SynthConfig, rng: np.random.Generator, station: Array, heading: Array, **columns: Array
) -> Course:
    return Course(
        station=station,
        heading=heading,
        x=integrate(cos(heading), SPACING),
        y=integrate(sin(heading), SPACING),
        z=_elevation(station.size, config.hills, rng),
        **columns,
    )


def _traced_heading(
    station: Array, travelled: Array, turned: Array, rng: np.random.Generator
) -> Array:
    """Heading by distance; straight before the trace, a road of our own behind it."""
    moved = np.concatenate([[True], np.diff(travelled) > 0])
    heading: Array = np.interp(station, travelled[moved], turned[moved])
    beyond = station > travelled[-1]
    own = integrate(winding_curvature(int(beyond.sum()) + 1, rng), SPACING)[1:]
    heading[beyond] += own
    return heading


def integrate(rate: Array, step: float) -> Array:
    """Trapezoidal integral (M,) from 0 of a rate (M,) at even steps."""
    return np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2) * step])


def smooth_noise(rng: np.random.Generator, count: int, length: float) -> Array:
    """Gaussian noise of unit variance, smooth over a length.

    Args:
        rng: Source of randomness.
        count: Number of values.
        length: Standard deviation of the smoothing kernel, in values.

    Returns:
        (count,) float64.
    """
    reach = math.ceil(4 * length)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / length) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    white = rng.standard_normal(count + 2 * reach)
    size = count + 2 * reach + kernel.size - 1
    product = np.fft.irfft(np.fft.rfft(white, size) * np.fft.rfft(kernel, size), size)
    return on_grid(product[2 * reach : 2 * reach + count], 24)


def winding_curvature(count: int, rng: np.random.Generator) -> Array:
    """Curvature of a winding two-lane road, point by point.

    Bends keep their sign over some 50 m, as on the real drives, and come in winding and in calm
    stretches; their spread is drawn from 0.002 to 0.010 1/m.

    Args:
        count: Number of points, ``SPACING`` apart.
        rng: Source of randomness.

    Returns:
        (count,) float64, 1/m, within ±0.045.
    """
    spread = float(np.exp(rng.uniform(np.log(0.002), np.log(0.010))))
    bends = smooth_noise(rng, count, rng.uniform(18, 34) / SPACING)
    calm = np.exp(0.6 * smooth_noise(rng, count, 180 / SPACING))
    curvature = spread * bends * np.sqrt(0.3 + np.abs(bends)) * calm
    return on_grid(0.045 * np.tanh(curvature / 0.045), 36)


def _suitable_speed(curvature: Array, top_speed: float) -> Array:
    """Speed that keeps the lateral acceleration in bounds, braking ahead of bends."""
    bend = cv2.dilate(np.abs(curvature)[None], np.ones((1, 61), np.uint8))[0]
    speed = np.minimum(top_speed, np.sqrt(2.6 / np.maximum(bend, 1e-4)))
    kernel = np.hanning(121)
    padded = np.pad(speed, 60, mode='edge')
    return on_grid(np.convolve(padded, kernel / kernel.sum(), mode='valid'), 24)


def _wander(count: int, rms: float, rng: np.random.Generator) -> Array:
    """Way of the car off the middle of its lane in metres, without sharp corrections."""
    return np.asarray(rms * smooth_noise(rng, count, rng.uniform(22, 40) / SPACING))


def _elevation(count: int, strength: float, rng: np.random.Generator) -> Array:
    """Height of the road in metres: grades of some 3 %, and longer climbs."""
    grade = 0.022 * smooth_noise(rng, count, 45 / SPACING)
    grade += 0.015 * smooth_noise(rng, count, 160 / SPACING)
    return strength * integrate(grade, SPACING)


def _resample(path: Path, start: float) -> tuple[Array, Array, Array]:
    """Time, speed and steering angle of a trace in even steps from a moment on."""
    stamp_ns, angle, speed = read_trace(path)
    seconds = (stamp_ns - stamp_ns[0]) / 1e9
    length = float(seconds[-1]) - start
    if length < 5 * TICK:
        raise ValueError(
            f'trace_start must be before the end of {path} at {seconds[-1]:.2f} s, got {start}'
        )
    time = np.asarray(np.arange(math.floor(length / TICK + 1e-6) + 1) * TICK, np.float64)
    moment = time + start
    return time, np.interp(moment, seconds, speed), np.interp(moment, seconds, angle)


def read_trace(path: Path) -> tuple[NDArray[np.int64], Array, Array]:
    """Read a steering and speed trace.

    Args:
        path: CSV with the columns timestamp (ns), angle (rad at the wheel, left positive) and
            speed (m/s); others are ignored.

    Returns:
        stamp_ns: (N,) int64, rising.
        steering_angle: (N,) float64, rad at the wheel.
        speed: (N,) float64, m/s.

    Raises:
        ValueError: If the file can't be read, a column is missing, or a line holds no usable
            numbers; the text names file, line and column.
    """
    try:
        with path.open(newline='', encoding='utf-8') as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            for column in ('timestamp', 'angle', 'speed'):
                if column not in columns:
                    raise ValueError(f'{path}: columns must contain {column!r}, got {columns}')
            rows = [_trace_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f'{path} must be a readable CSV file, got: {error}') from error
    if len(rows) < 2:
        raise ValueError(f'{path} must hold at least 2 rows, got {len(rows)}')
    stamps = np.array([row[1] for row in rows], np.int64)
    _check_stamps(path, [row[0] for row in rows], stamps)
    return stamps, np.array([row[2] for row in rows]), np.array([row[3] for row in rows])


def _trace_row(path: Path, line: int, row: dict[str, str]) -> tuple[int, int, float, float]:
    try:
        stamp_ns = int(row['timestamp'])
    except (TypeError, ValueError):
        raise ValueError(
            f'{path}, line {line}: timestamp must be whole nanoseconds, got {row["timestamp"]!r}'
        ) from None
    if not 0 <= stamp_ns < 2**63:
        raise ValueError(f'{path}, line {line}: timestamp must be from 0, got {stamp_ns}')
    angle = _trace_number(path, line, row, 'angle')
    speed = _trace_number(path, line, row, 'speed')
    if speed < 0:
        raise ValueError(f'{path}, line {line}: speed must be at least 0 m/s, got {speed}')
    return line, stamp_ns, angle, speed


def _trace_number(path: Path, line: int, row: dict[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f'{path}, line {line}: {column} must be a finite number, got {row[column]!r}'
        )
    return value


def _check_stamps(path: Path, lines: list[int], stamps: NDArray[np.int64]) -> None:
    steps = np.diff(stamps)
    backwards = np.flatnonzero(steps <= 0)
    if backwards.size:
        at = int(backwards[0]) + 1
        raise ValueError(
            f'{path}, line {lines[at]}: timestamp must be later than {stamps[at - 1]}, '
            f'got {stamps[at]}'
        )
    gaps = np.flatnonzero(steps > MAX_TRACE_GAP * 1e9)
    if gaps.size:
        at = int(gaps[0]) + 1
        raise ValueError(
            f'{path}, line {lines[at]}: timestamp must be within {MAX_TRACE_GAP} s of the line '
            f'before, got {steps[at - 1] / 1e9:.3f} s; cut the trace there'
        )
