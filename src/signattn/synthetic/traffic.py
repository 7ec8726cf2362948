"""Other cars: oncoming, ahead and parked."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.air import glow
from signattn.synthetic.camera import View
from signattn.synthetic.canvas import Canvas
from signattn.synthetic.cars import CarShape
from signattn.synthetic.config import SynthConfig
from signattn.synthetic.course import Array, Course, smooth_noise
from signattn.synthetic.exact import on_grid
from signattn.synthetic.surface import Lanes
from signattn.synthetic.trucks import drawn_truck
from signattn.synthetic.weather import Weather

FARTHEST = 450.0  # m
LONGEST = 6.0  # m, half the length of a vehicle
LEAD_STEP = 0.05  # s
SHIFT = 4  # fractional bits of polygon corners
HEADLIGHT, TAILLIGHT = np.array([255.0, 250, 232]), np.array([236.0, 44, 30])


@dataclass(frozen=True)
class Car:
    """Another car.

    Attributes:
        shape: What it looks like.
        oncoming: Whether it faces us.
        across: m, left of the middle of our lane.
        place: Station (m) at a time (s).
    """

    shape: CarShape
    oncoming: bool
    across: float
    place: Callable[[float], float]


def send_cars(
    course: Course,
    lanes: Lanes,
    config: SynthConfig,
    rng: np.random.Generator,
    truck_rng: np.random.Generator,
    lead_rng: np.random.Generator,
) -> tuple[Car, ...]:
    """Other cars for a drive.

    Args:
        course: The road and how it is driven.
        lanes: Its cross section.
        config: How many cars there are against the usual, and what share of them are trucks.
        rng: Source of randomness.
        truck_rng: Source of what turns cars into trucks.
        lead_rng: Source of the vehicle close ahead.

    Returns:
        Oncoming cars every 7 s or so, a car ahead for part of the time, and parked cars; and where
        it is asked for, in place of the car ahead, one that comes close.
    """
    cars: list[Car] = []
    if config.traffic:
        cars += _oncoming_cars(course, lanes, config.traffic, rng)
        ahead = _cars_ahead(course, config.traffic, rng)
        cars += [] if config.lead else ahead
        cars += _parked_cars(course, lanes, config.traffic, rng)
    for number in range(len(cars)):
        shape = drawn_truck(truck_rng)
        if truck_rng.uniform() < config.trucks:
            cars[number] = dataclasses.replace(cars[number], shape=shape)
    if config.lead:
        cars.append(_lead(course, config.lead, lead_rng))
    return tuple(cars)


def _oncoming_cars(
    course: Course, lanes: Lanes, density: float, rng: np.random.Generator
) -> list[Car]:
    cars = []
    moment = float(rng.exponential(6 / density))
    while moment < course.duration + 30:
        met_at = float(course.at_time(moment, course.travelled))
        place = _oncoming(met_at, moment, float(rng.uniform(12, 22)))
        across = lanes.width * float(rng.uniform(0.95, 1.05))
        cars.append(Car(CarShape.drawn(rng), oncoming=True, across=across, place=place))
        queued = rng.uniform() < 0.3
        moment += 1.6 if queued else float(rng.exponential(9 / density))
    return cars


def _cars_ahead(course: Course, density: float, rng: np.random.Generator) -> list[Car]:
    cars = []
    moment = float(rng.uniform(-60, 60))
    while moment < course.duration:
        stay = float(rng.uniform(10, 60))
        place = _ahead(course, moment, stay, float(rng.uniform(28, 120)))
        across = float(rng.normal(0, 0.15))
        cars.append(Car(CarShape.drawn(rng), oncoming=False, across=across, place=place))
        moment += stay + 80 + float(rng.exponential(30 / density))
    return cars


def _parked_cars(
    course: Course, lanes: Lanes, density: float, rng: np.random.Generator
) -> list[Car]:
    cars = []
    for begin in np.arange(50, float(course.station[-1]), 330 / density):
        place = _parked(float(begin + rng.uniform(0, 250)))
        right = rng.uniform() < 0.5
        across = lanes.right_edge - 1.6 if right else lanes.left_edge + 1.6
        cars.append(Car(CarShape.drawn(rng), oncoming=not right, across=across, place=place))
    return cars


def _oncoming(met_at: float, moment: float, speed: float) -> Callable[[float], float]:
    return lambda time: met_at - speed * (time - moment)


def _parked(station: float) -> Callable[[float], float]:
    return lambda time: station  # noqa: ARG005 (it stays)


def _ahead(course: Course, moment: float, stay: float, gap: float) -> Callable[[float], float]:
    def place(time: float) -> float:
        """It lets us come near, stays at its gap, and draws away."""
        away = max(moment - time, 0.0) + max(time - moment - stay, 0.0)
        breathing = 1 + 0.15 * math.sin(0.23 * time + gap)
        return float(course.at_time(time, course.travelled)) + gap * breathing + 9.0 * away

    return place


def _lead(course: Course, share: float, rng: np.random.Generator) -> Car:
    """A vehicle that lets us come near, stays a while, and draws away, again and again."""
    shape = drawn_truck(rng) if rng.uniform() < 0.4 else CarShape.drawn(rng)
    time = np.arange(0, course.duration + LEAD_STEP, LEAD_STEP)
    away = np.full(time.size, np.inf)
    stay = float(rng.uniform(6, 20))
    begin = -float(rng.uniform(0, stay / share))
    while begin < course.duration + 60:
        away = np.minimum(away, np.maximum(np.maximum(begin - time, time - begin - stay), 0))
        pause = stay * (1 / share - 1) * float(rng.uniform(0.7, 1.3))
        begin, stay = begin + stay + pause, float(rng.uniform(6, 20))
    headway = float(rng.uniform(0.35, 0.9))  # s
    near = float(rng.uniform(4, 9)) + headway * course.at_time(time, course.speed)
    near += float(shape.corners[:, 0].max())
    gap = near * (1 + 0.12 * smooth_noise(rng, time.size, 3 / LEAD_STEP)) + 6 * away
    gap = np.maximum(gap, 2.5 + float(shape.corners[:, 0].max()))
    gap = on_grid(np.convolve(np.pad(gap, 20, mode='edge'), np.full(41, 1 / 41), 'valid'), 24)

    def place(moment: float) -> float:
        driven = float(course.at_time(moment, course.travelled))
        return driven + float(np.interp(moment, time, gap))

    across = float(rng.normal(0, 0.15))
    return Car(shape, oncoming=False, across=across, place=place)


def draw_car(
    canvas: Canvas,
    car: Car,
    station: float,
    course: Course,
    view: View,
    lowest: float,
    light: float,
    *,
    weather: Weather | None = None,
) -> None:
    """Draw a car.

    Args:
        canvas: Drawn on; its mask is cleared where the car hides the road.
        car: The car.
        station: m, where it is.
        course: The road.
        view: Where the camera is.
        lowest: px, row below which nearer ground hides it.
        light: Brightness about it, 1 in the sun.
        weather: Weather; None for the usual day.
    """
    column, row, depth = view.project(*_in_world(car, station, course))
    if depth.max() < 1.0 or column.max() < 0 or column.min() > view.camera.width:
        return
    visible = canvas.part(slice(0, max(math.ceil(lowest) + 1, 0)))
    if not visible.picture.size:
        return
    points = np.stack([column, row], -1) * 2**SHIFT
    points = np.clip(np.round(points), -(2**20), 2**20).astype(np.int32)
    tones = _tones_of(weather, column, depth, view)
    for number, (begin, end, colour) in enumerate(car.shape.faces):
        polygon = points[begin:end]
        if number and _turned_away(polygon):
            continue
        tone = np.multiply(colour, light)
        if tones is not None:
            tone = tone * tones[0] + tones[1]
        cv2.fillConvexPoly(
            visible.picture, polygon, np.minimum(tone, 255).tolist(), cv2.LINE_AA, SHIFT
        )
    if weather is not None and weather.lamps:
        _light_lamps(visible, car.shape, points, depth, view, weather)
    if visible.mask is not None:
        hidden = np.zeros(visible.mask.shape, np.uint8)
        body = points[car.shape.faces[0][1] :]
        cv2.fillConvexPoly(hidden, cv2.convexHull(body), (1,), shift=SHIFT)
        visible.hide(hidden > 0)


def _tones_of(
    weather: Weather | None, column: Array, depth: Array, view: View
) -> tuple[Array, Array] | None:
    """Gain (3,) and offset (3,) of a car's colours, from its corners (N,)."""
    if weather is None:
        return None
    away = max(float(depth.mean()), 0.5)
    aside = (column.mean() - view.camera.cx) / view.camera.focal_length * away
    return weather.tones(np.asarray(away), np.asarray(aside))


def _light_lamps(
    canvas: Canvas,
    shape: CarShape,
    points: NDArray[np.int32],
    depth: Array,
    view: View,
    weather: Weather,
) -> None:
    """Light the lamps that face us, and mirror them in a wet road."""
    for numbers, light, reach in (
        (shape.headlamps, HEADLIGHT, 0.7),
        (shape.taillamps, TAILLIGHT, 0.35),
    ):
        for number in numbers:
            begin, end, _ = shape.faces[number]
            polygon = points[begin:end]
            if _turned_away(polygon) or depth[begin:end].min() < 1:
                continue
            away = float(depth[begin:end].mean())
            clear = math.exp(-weather.extinction * away)
            shine = light * clear
            seen = np.minimum(shine + (1 - clear) * np.array(weather.haze), 255).tolist()
            cv2.fillConvexPoly(canvas.picture, polygon, seen, cv2.LINE_AA, SHIFT)
            x, y = polygon.mean(0) / 2**SHIFT
            metre = view.camera.focal_length / away
            size = max(reach * metre, 3.0)
            glow(canvas.picture, (x, y), (size, size), 0.8 * shine)
            if weather.wet:
                below = y + 2 * float(shape.corners[begin:end, 2].mean()) * metre
                streak = (0.5 * size, 2.5 * size)
                glow(canvas.picture, (x, below), streak, 0.5 * weather.wet * shine)


def _turned_away(polygon: NDArray[np.int32]) -> bool:
    a, b, c = polygon[:3].astype(np.int64)
    return bool((b[0] - a[0]) * (c[1] - a[1]) >= (b[1] - a[1]) * (c[0] - a[0]))


def _in_world(car: Car, station: float, course: Course) -> tuple[Array, Array, Array]:
    """Corners of a car as x, y and z in the world, m."""
    facing = -1.0 if car.oncoming else 1.0
    across = car.across - float(course.at_station(station, course.offset))
    fore = facing * car.shape.corners[:, 0]
    left = facing * car.shape.corners[:, 1] + across
    heading = float(course.at_station(station, course.heading))
    x = float(course.at_station(station, course.x))
    y = float(course.at_station(station, course.y))
    z = course.at_station(station + fore, course.z) + car.shape.corners[:, 2]
    cos, sin = math.cos(heading), math.sin(heading)
    return x + fore * cos - left * sin, y + fore * sin + left * cos, z
