"""The same world with the road ahead bent a little more or less, and what that changes."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from signattn.masks import NOTHING, SCENERY
from signattn.synthetic.canvas import Bytes
from signattn.synthetic.course import SPACING, Array, Course, integrate
from signattn.synthetic.exact import cos, sin
from signattn.synthetic.ground import FARTHEST
from signattn.synthetic.sprites import Roadside

BEHIND = 100.0  # m behind the car from which things may cast shadows into the picture
CONTRAST = 8  # of 255: what differs by more in a colour has changed


@dataclass(frozen=True)
class Road:
    """A road and what stands beside it."""

    course: Course
    roadside: Roadside


def bend_ahead(road: Road, travelled: float, by: float) -> Road:
    """Bend the road from the car on; what stands beside it keeps its place beside it.

    Args:
        road: The road.
        travelled: m, station of the car, up to which all stays as it is.
        by: 1/m, added to the curvature of all that lies ahead, left positive.

    Returns:
        The part of it that can be in sight, bent.
    """
    course, roadside = road.course, road.roadside
    begin, end = np.searchsorted(course.station, [travelled - BEHIND, travelled + 1.2 * FARTHEST])
    part = slice(int(begin), int(end))
    heading = course.heading[part] + by * np.clip(course.station[part] - travelled, 0, None)
    bent = dataclasses.replace(
        course,
        station=course.station[part],
        x=course.x[begin] + integrate(cos(heading), SPACING),
        y=course.y[begin] + integrate(sin(heading), SPACING),
        z=course.z[part],
        heading=heading,
        offset=course.offset[part],
    )
    begin, end = np.searchsorted(roadside.station, [travelled - BEHIND, travelled + FARTHEST])
    near = roadside.part(slice(int(begin), int(end)))
    turn = by * np.clip(near.station - travelled, 0, None)
    return Road(bent, _carried(near, course, bent, turn))


def _carried(roadside: Roadside, course: Course, bent: Course, turn: Array) -> Roadside:
    """Things (N,) moved with the road beside which they stand, which turns by rad (N,)."""
    station = roadside.station
    dx = roadside.x - course.at_station(station, course.x)
    dy = roadside.y - course.at_station(station, course.y)
    along, aside = cos(turn), sin(turn)
    return dataclasses.replace(
        roadside,
        x=bent.at_station(station, bent.x) + along * dx - aside * dy,
        y=bent.at_station(station, bent.y) + aside * dx + along * dy,
    )


def causal_mask(picture: Bytes, shows: Bytes, bent: Iterable[tuple[Bytes, Bytes]]) -> Bytes:
    """Which pixels change when the road bends, and what they show.

    Args:
        picture: (H, W, 4) uint8, the world as it is; the fourth value is ignored.
        shows: (H, W) uint8, what its pixels show, values of ``signattn.masks``.
        bent: The same two of the world with the road bent one way and the other.

    Returns:
        (H, W) uint8. A pixel that changes counts as scenery where something beside or on the road
        covers it in one of the pictures, otherwise as line where one of them shows a line there.
    """
    mask = np.full(shows.shape, NOTHING, np.uint8)
    for other, other_shows in bent:
        apart = cv2.absdiff(picture, other)
        same = cv2.inRange(apart, (0, 0, 0, 0), (CONTRAST, CONTRAST, CONTRAST, 255))
        changed = np.maximum(shows, other_shows)
        np.copyto(changed, SCENERY, where=changed == NOTHING)  # leaves before the sky
        np.copyto(changed, NOTHING, where=same > 0)
        np.maximum(mask, changed, out=mask)
    return mask
