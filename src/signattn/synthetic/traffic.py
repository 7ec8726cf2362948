"""Other cars: oncoming, ahead and parked."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera import View
from signattn.synthetic.canvas import Canvas
from signattn.synthetic.cars import CarShape
from signattn.synthetic.course import Array, Course
from signattn.synthetic.surface import Lanes

FARTHEST = 450.0  # m
SHIFT = 4  # fractional bits of polygon corners


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
    course: Course, lanes: Lanes, density: float, rng: np.random.Generator
) -> tuple[Car, ...]:
    """Other cars for a drive.

    Args:
        course: The road and how it is driven.
        lanes: Its cross section.
        density: Number of cars against the usual.
        rng: Source of randomness.

    Returns:
        Oncoming cars every 7 s or so, a car ahead for part of the time, and parked cars.
    """
    if density == 0:
        return ()
    return (
        *_oncoming_cars(course, lanes, density, rng),
        *_cars_ahead(course, density, rng),
        *_parked_cars(course, lanes, density, rng),
    )


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


def draw_car(
    canvas: Canvas,
    car: Car,
    station: float,
    course: Course,
    view: View,
    lowest: float,
    light: float,
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
    """
    column, row, depth = view.project(*_in_world(car, station, course))
    if depth.min() < 1.0 or column.max() < 0 or column.min() > view.camera.width:
        return
    visible = canvas.part(slice(0, max(math.ceil(lowest) + 1, 0)))
    if not visible.picture.size:
        return
    points = np.stack([column, row], -1) * 2**SHIFT
    points = np.clip(np.round(points), -(2**20), 2**20).astype(np.int32)
    for number, (begin, end, colour) in enumerate(car.shape.faces):
        polygon = points[begin:end]
        if number and _turned_away(polygon):
            continue
        tone = [min(channel * light, 255.0) for channel in colour]
        cv2.fillConvexPoly(visible.picture, polygon, tone, cv2.LINE_AA, SHIFT)
    if visible.mask is not None:
        hidden = np.zeros(visible.mask.shape, np.uint8)
        body = points[car.shape.faces[0][1] :]
        cv2.fillConvexPoly(hidden, cv2.convexHull(body), (1,), shift=SHIFT)
        visible.hide(hidden > 0)


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
