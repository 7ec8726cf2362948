"""Long shadows that a low sun casts from what stands beside the road."""

import math

import cv2
import numpy as np

from signattn.synthetic.bend import Road
from signattn.synthetic.camera import View
from signattn.synthetic.canvas import Bytes
from signattn.synthetic.course import Array
from signattn.synthetic.exact import cos
from signattn.synthetic.ground import Ground
from signattn.synthetic.weather import Sun

REACH = 180.0  # m along the road up to which shadows are cast
PIECES = 6  # of a shadow, each level in itself
LONGEST = 90.0  # m
SHIFT = 3  # fractional bits of polygon corners


def cast_shadows(
    picture: Bytes, road: Road, ground: Ground, view: View, sun: Sun, travelled: float, dark: float
) -> None:
    """Darken the ground behind whatever stands in the sun.

    Args:
        picture: (R, W, 4) uint8, the ground, changed.
        road: What stands where.
        ground: The rows.
        view: Where the camera looks.
        sun: Where the sun stands.
        travelled: m, station of the car.
        dark: Share of the light that shadows take.
    """
    things = road.roadside
    begin, end = np.searchsorted(things.station, [travelled - LONGEST, travelled + REACH])
    things = things.part(slice(int(begin), int(end)))
    if not things.station.size:
        return
    length = np.minimum(things.height / math.tan(sun.elevation), LONGEST)
    shape = np.array([sprite.shape for sprite in things.sprites])[things.kind]
    wide = things.height * shape / 4  # crowns are thin at their ends
    away = np.linspace(0, 1, PIECES + 1)[:, None] * length  # (P + 1, N)
    x = things.x - away * math.cos(sun.bearing)
    y = things.y - away * math.sin(sun.bearing)
    heading = road.course.at_station(things.station, road.course.heading)
    station = things.station - away * cos(sun.bearing - heading)
    z = road.course.at_station(station, road.course.z)
    shadow = np.zeros(picture.shape[:2], np.uint8)
    sides = [
        _seen(x + turn * wide * math.sin(sun.bearing), y - turn * wide * math.cos(sun.bearing), z,
              ground, view) for turn in (1, -1)
    ]  # fmt: skip
    for number in range(things.station.size):
        _fill(shadow, sides[0][:, number], sides[1][:, number])
    soft = np.asarray(cv2.blur(shadow, (3, 3)))
    light = cv2.cvtColor((255 - dark * soft).astype(np.uint8), cv2.COLOR_GRAY2RGBA)
    cv2.multiply(picture, light, dst=picture, scale=1 / 255)


def _seen(x: Array, y: Array, z: Array, ground: Ground, view: View) -> Array:
    """Columns and rows of points on the ground, (..., 3) with their depth."""
    column, row, depth = view.project(x, y, z)
    row = np.minimum(row, np.interp(depth, *ground.hidden_below)) - ground.top
    return np.stack([np.clip(column, -1e4, 1e4), np.clip(row, -1e4, 1e4), depth], -1)


def _fill(shadow: Bytes, left: Array, right: Array) -> None:
    """Fill the pieces of one shadow between its sides, (P + 1, 3) each, that lie before us."""
    before = np.flatnonzero(np.minimum(left[:, 2], right[:, 2]) > 1.5)
    if before.size < 2:
        return
    outline = np.concatenate([left[before, :2], right[before[::-1], :2]])
    if outline[:, 0].max() < 0 or outline[:, 0].min() > shadow.shape[1]:
        return
    corners = np.round(outline * 2**SHIFT).astype(np.int32)
    cv2.fillPoly(shadow, [corners], (255,), cv2.LINE_AA, SHIFT)
