"""Other cars: oncoming, ahead and parked."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera import View
from signattn.synthetic.course import Course
from signattn.synthetic.surface import Bytes, Lanes

Array = NDArray[np.float64]
Colour = tuple[float, float, float]

FARTHEST = 450.0  # m
SHIFT = 4  # fractional bits of polygon corners


@dataclass(frozen=True)
class Car:
    """A car as a few boxes.

    Attributes:
        length: m.
        width: m.
        height: m.
        bonnet: m, height of the lower body.
        cabin: (2,) m behind the middle, where the cabin begins and ends.
        colour: RGB from 0 to 255.
        oncoming: Whether it faces us.
        across: m, left of the middle of our lane.
        place: Station (m) at a time (s); NaN while it isn't there.
    """

    length: float
    width: float
    height: float
    bonnet: float
    cabin: tuple[float, float]
    colour: Colour
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
        Oncoming cars every 8 s or so, cars ahead for part of the time, and parked cars.
    """
    if density == 0:
        return ()
    cars = []
    moment = float(rng.exponential(6 / density))
    while moment < course.duration + 30:
        at = float(course.at_time(moment, course.travelled))
        pace = float(rng.uniform(12, 22))
        place = _oncoming(at, moment, pace)
        cars.append(_car(rng, oncoming=True, across=lanes.width * rng.uniform(0.95, 1.05), place=place))
        moment += float(rng.exponential(9 / density)) if rng.uniform() < 0.7 else 1.5
    moment = float(rng.uniform(-20, 30))
    while moment < course.duration:
        stay = float(rng.uniform(10, 60))
        place = _ahead(course, moment, stay, float(rng.uniform(16, 60)))
        cars.append(_car(rng, oncoming=False, across=float(rng.normal(0, 0.15)), place=place))
        moment += stay + float(rng.exponential(40 / density))
    for station in np.arange(50, float(course.station[-1]), 330 / density):
        at = float(station + rng.uniform(0, 250))
        right = rng.uniform() < 0.5
        edge = lanes.right_edge - 1.6 if right else lanes.left_edge + 1.6
        place = _parked(at)
        cars.append(_car(rng, oncoming=not right, across=edge, place=place))
    return tuple(cars)


def _oncoming(at: float, moment: float, pace: float) -> Callable[[float], float]:
    return lambda time: at - pace * (time - moment)


def _parked(at: float) -> Callable[[float], float]:
    return lambda time: at  # noqa: ARG005 (it stays)


def _ahead(course: Course, moment: float, stay: float, gap: float) -> Callable[[float], float]:
    def place(time: float) -> float:
        """It falls back to us, stays at its gap, and draws away."""
        away = max(moment - time, 0.0) + max(time - moment - stay, 0.0)
        breathing = 1 + 0.15 * math.sin(0.23 * time + gap)
        return float(course.at_time(time, course.travelled)) + gap * breathing + 9.0 * away

    return place


def _car(
    rng: np.random.Generator, *, oncoming: bool, across: float, place: Callable[[float], float]
) -> Car:
    colours = [(34, 36, 40), (70, 74, 80), (150, 154, 158), (214, 214, 212), (120, 24, 24),
               (36, 54, 96), (96, 88, 74), (190, 190, 186)]
    colour = np.array(colours[int(rng.integers(len(colours)))]) * rng.uniform(0.8, 1.15)
    if rng.uniform() < 0.3:
        shape = {'length': 5.2, 'width': 1.98, 'height': 1.9, 'bonnet': 1.12, 'cabin': (-1.2, 1.9)}
    else:
        shape = {'length': 4.6, 'width': 1.82, 'height': 1.46, 'bonnet': 0.88,
                 'cabin': (-1.2, 1.75)}
    return Car(
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        oncoming=oncoming,
        across=float(across),
        place=place,
        **shape,  # type: ignore[arg-type]
    )


def draw_car(  # noqa: PLR0914
    picture: Bytes,
    mask: NDArray[np.bool_] | None,
    car: Car,
    station: float,
    course: Course,
    view: View,
    lowest: float,
    light: float,
) -> None:
    """Draw a car.

    Args:
        picture: (H, W, 3) uint8 RGB; drawn on.
        mask: (H, W) bool; cleared where the car hides the road. None: not wanted.
        car: The car.
        station: m, where it is.
        course: The road.
        view: Where the camera is.
        lowest: px, row below which nearer ground hides it.
        light: Brightness about it, 1 in the sun.
    """
    faces = _faces(car)
    corners = np.concatenate([corner for corner, _ in faces])
    column, row, depth = view.project(*_in_world(corners, car, station, course))
    if depth.min() < 1.0 or column.max() < 0 or column.min() > view.camera.width:
        return
    low = min(math.ceil(lowest) + 1, picture.shape[0])
    part = picture[:low]
    x, y = np.round(column * 2**SHIFT), np.round(row * 2**SHIFT)
    points = np.clip(np.stack([x, y], -1), -(2**20), 2**20).astype(np.int32)
    if mask is not None:
        hidden = np.zeros(part.shape[:2], np.uint8)
        body = cv2.convexHull(points[len(faces[0][0]) :])
        cv2.fillConvexPoly(hidden, body, 1, shift=SHIFT)
        mask[:low] &= hidden == 0
    begin = 0
    drawn = []
    for corner, colour in faces:
        span = slice(begin, begin + len(corner))
        begin = span.stop
        drawn.append((points[span], colour))
    hood = 1.0 if car.oncoming else 1.0
    for index, (polygon, colour) in enumerate(drawn):
        if index and _turned_away(polygon):
            continue
        tone = tuple(float(np.clip(channel * light * hood, 0, 255)) for channel in colour)
        cv2.fillConvexPoly(part, polygon, tone, cv2.LINE_AA, SHIFT)


def _turned_away(polygon: NDArray[np.int32]) -> bool:
    a, b, c = polygon[:3].astype(np.int64)
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return bool(cross >= 0)


def _in_world(
    corners: Array, car: Car, station: float, course: Course
) -> tuple[Array, Array, Array]:
    """Corners (n, 3) towards its front, left and up, as x, y, z in the world."""
    facing = -1.0 if car.oncoming else 1.0
    heading = float(course.at_station(station, course.heading))
    across = car.across - float(course.at_station(station, course.offset))
    fore, left = facing * corners[:, 0], facing * corners[:, 1] + across
    x = float(course.at_station(station, course.x))
    y = float(course.at_station(station, course.y))
    z = course.at_station(station + fore, course.z)
    cos, sin = math.cos(heading), math.sin(heading)
    return x + fore * cos - left * sin, y + fore * sin + left * cos, z + corners[:, 2]


def _faces(car: Car) -> list[tuple[Array, Colour]]:
    """Polygons (n, 3) to draw in this order, seen clockwise from outside, and their colours."""
    half, side, waist = car.length / 2, car.width / 2, car.bonnet
    roof, inset = car.height, 0.16
    begin, end = 0.95 - 0.0, -car.cabin[1]
    top_begin, top_end = begin - 0.75, end + 0.35
    body = np.array(car.colour)
    faces: list[tuple[Array, Colour]] = []

    def face(points: list[tuple[float, float, float]], tone: NDArray[np.float64]) -> None:
        faces.append((np.array(points), (float(tone[0]), float(tone[1]), float(tone[2]))))

    dark, glass = np.array([24.0, 24, 26]), np.array([42.0, 48, 54])
    face([(half + 0.2, side + 0.15, 0.02), (half + 0.2, -side - 0.15, 0.02),
          (-half - 0.2, -side - 0.15, 0.02), (-half - 0.2, side + 0.15, 0.02)], np.full(3, 26.0))
    for left in (side - 0.02, -side + 0.02):
        for fore in (half - 0.85, -half + 0.85):
            for y in (left, left - math.copysign(0.2, left)):
                turns = np.linspace(0, 2 * np.pi, 13)[:-1] * (1 if left < 0 else -1)
                wheel = [(fore + 0.33 * math.cos(a), y, 0.33 + 0.33 * math.sin(a)) for a in turns]
                face(wheel, dark)
                face(wheel[::-1], dark)
    low = 0.24
    for sign in (1, -1):
        flank = [(half, sign * side, low), (-half, sign * side, low),
                 (-half, sign * side, waist), (half, sign * side, waist - 0.08)]
        face(flank if sign > 0 else flank[::-1], body * 0.62)
        window = [(begin, sign * side * 0.97, waist), (end, sign * side * 0.97, waist),
                  (top_end, sign * (side - inset), roof - 0.08),
                  (top_begin, sign * (side - inset), roof - 0.08)]
        face(window if sign > 0 else window[::-1], glass * 0.8)
    face(_across(half, side, low, half, side, waist - 0.08, 1), body * 0.85)
    face(_across(-half, side, low, -half, side, waist, -1), body * 0.8)
    face([(half, side, waist - 0.08), (begin, side, waist), (begin, -side, waist),
          (half, -side, waist - 0.08)], body * 1.1)
    face([(end, side, waist), (-half, side, waist), (-half, -side, waist), (end, -side, waist)],
         body * 1.1)
    face(_across(begin, side * 0.97, waist, top_begin, side - inset, roof - 0.06, 1), glass)
    face(_across(end, side * 0.97, waist, top_end, side - inset, roof - 0.06, -1), glass)
    face([(top_begin, side - inset, roof - 0.06), (top_end, side - inset, roof - 0.06),
          (top_end, inset - side, roof - 0.06), (top_begin, inset - side, roof - 0.06)],
         body * 1.2)
    _details(face, half, side, waist)
    return faces


def _details(
    face: Callable[[list[tuple[float, float, float]], NDArray[np.float64]], None],
    half: float,
    side: float,
    waist: float,
) -> None:
    """Lamps, grille, bumper and number plates of the two ends."""
    for end, lamp in ((1, np.array([238.0, 236, 222])), (-1, np.array([150.0, 22, 20]))):
        fore = end * (half + 0.01)
        face(_panel(fore, -side * 0.94, side * 0.94, 0.24, 0.42, end), np.full(3, 44.0))
        if end > 0:
            face(_panel(fore, -side * 0.5, side * 0.5, 0.5, waist - 0.18, end), np.full(3, 30.0))
        for sign in (1, -1):
            inner, outer = sorted((sign * side * 0.6, sign * side * 0.95))
            face(_panel(fore, inner, outer, waist - 0.32, waist - 0.14, end), lamp)
        face(_panel(fore * 1.002, -0.26, 0.26, 0.42, 0.55, end), np.array([206.0, 206, 200]))


def _panel(
    fore: float, right: float, left: float, low: float, high: float, end: int
) -> list[tuple[float, float, float]]:
    corners = [(fore, right, low), (fore, left, low), (fore, left, high), (fore, right, high)]
    return corners if end > 0 else corners[::-1]


def _across(  # noqa: PLR0917
    fore: float, side: float, low: float, top_fore: float, top_side: float, high: float, end: int
) -> list[tuple[float, float, float]]:
    corners = [(fore, -side, low), (fore, side, low), (top_fore, top_side, high),
               (top_fore, -top_side, high)]
    return corners if end > 0 else corners[::-1]
