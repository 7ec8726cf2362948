"""Trees, bushes, posts and signs: painted once, placed along the road, drawn as they are seen."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera import View
from signattn.synthetic.canvas import Bytes, Canvas
from signattn.synthetic.course import Array, Course, smooth_noise
from signattn.synthetic.exact import cos, plain_opencv, sin, warp_affine
from signattn.synthetic.junctions import Junctions
from signattn.synthetic.surface import Lanes

NEAREST, FARTHEST = 3.0, 450.0  # m along the road between which things are drawn
TALL = 384  # px, height of a painted tree


@dataclass(frozen=True)
class Sprite:
    """A thing seen from the road, in sizes halving from one to the next.

    Attributes:
        levels: (h, w, 4) uint8, RGB times opacity, and opacity.
        shape: Width over height.
    """

    levels: tuple[Bytes, ...]
    shape: float

    @classmethod
    def painted(cls, colour: NDArray[np.float64], opacity: NDArray[np.float64]) -> 'Sprite':
        """Make a sprite.

        Args:
            colour: (h, w, 3) RGB from 0 to 255.
            opacity: (h, w) from 0 to 1.

        Returns:
            The sprite with all its smaller sizes.
        """
        solid = colour * opacity[..., None]
        level = np.dstack([solid, 255 * opacity]).clip(0, 255).astype(np.uint8)
        levels = [level]
        while min(level.shape[:2]) > 8:
            size = ((level.shape[1] + 1) // 2, (level.shape[0] + 1) // 2)
            level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), np.uint8)
            levels.append(level)
        return cls(tuple(levels), colour.shape[1] / colour.shape[0])

    def draw(
        self,
        canvas: Canvas,
        box: tuple[float, float, float, float],
        lowest: float,
        tones: tuple[Array, Array] | None = None,
    ) -> None:
        """Draw the thing.

        Args:
            canvas: Drawn on; its mask is cleared where the thing hides what is behind it.
            box: px, left, top, right and bottom of the thing in the picture.
            lowest: px, row below which nearer ground hides it.
            tones: Gain (3,) and offset (3,) of its colours; None leaves them.
        """
        left, top, right, bottom = box
        height, width = canvas.picture.shape[:2]
        x0, x1 = max(math.floor(left), 0), min(math.ceil(right) + 1, width)
        y0, y1 = max(math.floor(top), 0), min(math.ceil(min(bottom, lowest)) + 1, height)
        if x1 - x0 < 1 or y1 - y0 < 1:
            return
        wide = self.levels[0].shape[1] / max(right - left, 0.5)
        level = self.levels[min(max(int(math.log2(wide)), 0), len(self.levels) - 1)]
        fx, fy = (right - left) / level.shape[1], (bottom - top) / level.shape[0]
        matrix = np.array(
            [
                [fx, 0, left - x0 + 0.5 * fx - 0.5],
                [0, fy, top - y0 + 0.5 * fy - 0.5],
            ]
        )
        drawn = warp_affine(level, matrix, (x1 - x0, y1 - y0))
        if tones is not None:
            drawn = _toned(drawn, *tones)
        clear = cv2.bitwise_not(cv2.extractChannel(drawn, 3))
        target = canvas.part(slice(y0, y1), slice(x0, x1))
        behind = cv2.cvtColor(clear, cv2.COLOR_GRAY2RGBA)
        cv2.multiply(target.picture, behind, dst=target.picture, scale=1 / 255)
        cv2.add(target.picture, drawn, dst=target.picture)
        target.hide(np.asarray(clear < 128))


def _toned(drawn: NDArray[Any], gain: Array, offset: Array) -> Bytes:
    """Colours times opacity, and opacity (h, w, 4), seen with a gain and an offset."""
    mix = np.zeros((4, 4))
    mix[range(3), range(3)], mix[:3, 3], mix[3, 3] = gain, offset / 255, 1
    with plain_opencv():
        return np.asarray(cv2.transform(drawn, mix), np.uint8)


# Depth (m), what it is, its left, top, right and bottom (px), and its lowest visible row (px).
Box = tuple[float, Sprite, tuple[float, float, float, float], float]


@dataclass(frozen=True)
class Roadside:
    """Everything that stands beside the road, sorted by where it stands.

    Attributes:
        sprites: What there is to stand.
        station: (N,) m.
        x: (N,) m.
        y: (N,) m.
        z: (N,) m, of the foot.
        height: (N,) m.
        kind: (N,) index of the sprite.
    """

    sprites: tuple[Sprite, ...]
    station: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    height: NDArray[np.float64]
    kind: NDArray[np.int64]

    def part(self, some: slice) -> 'Roadside':
        """Some of the things."""
        return Roadside(
            self.sprites,
            self.station[some],
            self.x[some],
            self.y[some],
            self.z[some],
            self.height[some],
            self.kind[some],
        )


def stand_along(
    course: Course, junctions: Junctions, density: float, rng: np.random.Generator
) -> Roadside:
    """Plant trees and set posts and signs along a road.

    Args:
        course: The road.
        junctions: Its side roads, which stay free, and its cross section.
        density: Number of things against the usual.
        rng: Source of randomness.

    Returns:
        The things; none stands on any stretch of the road.
    """
    if density == 0:
        none = np.zeros(0)
        return Roadside((), none, none, none, none, none, np.zeros(0, np.int64))
    lanes = junctions.lanes
    light = float(rng.uniform(0.7, 1.25))
    trees = [_tree(rng, light) for _ in range(6)] + [_conifer(rng, light) for _ in range(3)]
    bushes = [_bush(rng, light) for _ in range(4)]
    others = [_post(rng), _pole(), _sign(rng, 0), _sign(rng, 1), _board(rng)]
    sprites = (*trees, *bushes, *others)
    rows: list[tuple[NDArray[np.float64], ...]] = []
    length = float(course.station[-1] - course.station[0])
    wooded = 0.5 + 0.5 * np.tanh(smooth_noise(rng, 400, 6) + rng.uniform(-0.8, 1.0))

    def scatter(
        spacing: float,
        kinds: tuple[int, int],
        lateral: tuple[float, float],
        tall: tuple[float, float],
        woods: float,
    ) -> None:
        count = round(density * length / spacing)
        station = rng.uniform(course.station[0], course.station[-1], count)
        right = rng.uniform(size=count) < 0.5
        out = lateral[0] + (lateral[1] - lateral[0]) * rng.uniform(size=count) ** 1.5
        left = np.where(right, lanes.right_edge - out, lanes.left_edge + out)
        kind = rng.integers(*kinds, count)
        height = rng.uniform(*tall, count)
        part = (station - course.station[0]) / length * 399
        share = np.interp(part, np.arange(400), wooded)
        keep = rng.uniform(size=count) < woods * share + 1 - woods
        rows.append((station[keep], left[keep], height[keep], kind[keep].astype(float)))

    scatter(5.0, (0, 9), (5, 30), (7, 20), 0.85)
    scatter(4.0, (9, 13), (2.2, 14), (0.6, 3.5), 0.4)
    scatter(55.0, (13, 14), (0.7, 1.2), (1.0, 1.25), 0.0)
    scatter(70.0, (14, 15), (3.0, 4.5), (8, 10), 0.0)
    scatter(220.0, (15, 17), (1.2, 2.2), (2.2, 2.8), 0.0)
    scatter(400.0, (17, 18), (4.0, 9.0), (2.0, 4.0), 0.0)
    station, left, height, kind = (np.concatenate(column) for column in zip(*rows, strict=True))
    heading = course.at_station(station, course.heading)
    beside = left - course.at_station(station, course.offset)
    x = course.at_station(station, course.x) - beside * sin(heading)
    y = course.at_station(station, course.y) + beside * cos(heading)
    z = course.at_station(station, course.z)
    free = ~_on_road(course, lanes, x, y) | (height < 3)
    free &= ~junctions.cover(station, left)
    order = np.argsort(station, kind='stable')
    order = order[free[order]]
    return Roadside(
        sprites,
        station[order],
        x[order],
        y[order],
        z[order],
        height[order],
        kind[order].astype(np.int64),
    )


def _on_road(
    course: Course, lanes: Lanes, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether points stand on any stretch of the road, to some 2 m."""
    cell = 2.0
    taken: list[NDArray[np.int64]] = []
    for left in np.arange(lanes.right_edge - 2, lanes.left_edge + 2.1, 1.5):
        beside = left - course.offset
        taken.append(
            _cells(
                course.x - beside * sin(course.heading),
                course.y + beside * cos(course.heading),
                cell,
            )
        )
    return np.isin(_cells(x, y, cell), np.unique(np.concatenate(taken)))


def _cells(x: NDArray[np.float64], y: NDArray[np.float64], size: float) -> NDArray[np.int64]:
    return np.asarray(
        np.floor(x / size).astype(np.int64) * 4_000_037 + np.floor(y / size).astype(np.int64)
    )


def boxes(
    roadside: Roadside,
    travelled: float,
    view: View,
    hidden_below: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> list[Box]:
    """What of the roadside is in view.

    Args:
        roadside: Everything.
        travelled: m, station of the car.
        view: Where the camera is.
        hidden_below: Of the ground.

    Returns:
        For each thing its depth (m), sprite, box and lowest visible row (px), far to near.
    """
    begin, end = np.searchsorted(roadside.station, [travelled + NEAREST, travelled + FARTHEST])
    some = slice(int(begin), int(end))
    column, row, depth = view.project(roadside.x[some], roadside.y[some], roadside.z[some])
    scale = view.camera.focal_length / np.maximum(depth, 0.5)
    tall = roadside.height[some] * scale
    wide = tall * np.array([sprite.shape for sprite in roadside.sprites])[roadside.kind[some]]
    lowest = np.interp(depth, *hidden_below)
    shown = (depth > 2) & (column + wide / 2 > 0) & (column - wide / 2 < view.camera.width)
    shown &= (tall > 2) & (row - tall < np.minimum(lowest, view.camera.height))
    found = []
    for index in np.flatnonzero(shown)[np.argsort(-depth[shown], kind='stable')]:
        half, bottom = float(wide[index]) / 2, float(row[index])
        middle = float(column[index])
        box = (middle - half, bottom - float(tall[index]), middle + half, bottom)
        sprite = roadside.sprites[int(roadside.kind[some][index])]
        found.append((float(depth[index]), sprite, box, float(lowest[index])))
    return found


def _canvas(width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.zeros((height, width, 3)), np.zeros((height, width))


def _leaves(
    rng: np.random.Generator,
    colour: NDArray[np.float64],
    opacity: NDArray[np.float64],
    blobs: list[tuple[float, float, float]],
    tone: NDArray[np.float64],
) -> None:
    """Paint clusters of leaves (x, y, radius in px), lit from above left."""
    height, width = opacity.shape
    shade = np.zeros((height, width), np.float32)
    cover = np.zeros((height, width), np.float32)
    for x, y, radius in blobs:
        light = float(rng.uniform(0.45, 1.0)) * (1.15 - 0.5 * y / height)
        for _ in range(22):
            angle, far = rng.uniform(0, 2 * np.pi), radius * math.sqrt(rng.uniform())
            spot = (round(x + far * math.cos(angle)), round(y + 0.8 * far * math.sin(angle)))
            size = max(round(radius * rng.uniform(0.07, 0.24)), 1)
            lit = light * (1.0 - 0.4 * (far / radius) * math.sin(angle + 0.5))
            cv2.circle(shade, spot, size, lit * float(rng.uniform(0.6, 1.3)), -1)
            cv2.circle(cover, spot, size, 1.0, -1)
    fine = _grain(rng, (height, width), 0.9)
    middle = _grain(rng, (height, width), 2.5)
    coarse = _grain(rng, (height, width), 6.0)
    # Ragged edges and holes: leaves, not balls.
    inside = np.asarray(cv2.GaussianBlur(cover, (0, 0), 3.5))
    noise = 0.13 * fine + 0.13 * middle + 0.06 * coarse
    cover = np.clip((inside + np.minimum(4 * inside, 1) * noise - 0.5) * 5 + 0.5, 0, 1)
    shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), 1.0))
    bright = np.clip(shade * (1 + 0.28 * fine + 0.2 * middle + 0.12 * coarse), 0.1, 1.7)
    part = cover[..., None]
    colour += (tone * bright[..., None] - colour) * part
    opacity[:] = np.maximum(opacity, cover)


def _grain(rng: np.random.Generator, shape: tuple[int, int], size: float) -> NDArray[np.float32]:
    """Noise of unit variance with bumps of a size in px."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), size)
    return np.asarray(noise / noise.std(), np.float32)


def _trunk(
    colour: NDArray[np.float64],
    opacity: NDArray[np.float64],
    x: int,
    top: int,
    width: int,
    tone: tuple[float, float, float],
) -> None:
    height = opacity.shape[0]
    stem = np.array(
        [[x - width, height], [x + width, height], [x + width // 2, top], [x - width // 2, top]]
    )
    cv2.fillConvexPoly(colour, stem, tone)
    cv2.fillConvexPoly(opacity, stem, 1.0)


def _tree(rng: np.random.Generator, light: float) -> Sprite:
    width = int(TALL * rng.uniform(0.6, 1.0))
    colour, opacity = _canvas(width, TALL)
    bark = tuple(np.array([96, 82, 66]) * rng.uniform(0.5, 1.3))
    _trunk(colour, opacity, width // 2, TALL // 3, max(width // 40, 3), bark)
    crown = float(rng.uniform(0.3, 0.75))
    blobs = []
    for _ in range(46):
        y = rng.uniform(0.1, crown + 0.2) * TALL
        part = math.sin(math.pi * min((y / TALL) / (crown + 0.3), 1.0)) ** 0.6
        x = width / 2 + rng.normal(0, 0.19) * width * part
        radius = TALL * rng.uniform(0.05, 0.1)
        x = float(np.clip(x, radius, width - radius))
        blobs.append((x, float(y), float(radius)))
    blobs.sort(key=lambda blob: -blob[1])
    tone = np.array([92, 106, 58]) + rng.uniform(-14, 24) * np.array([1, 0.6, 0.2])
    _leaves(rng, colour, opacity, blobs, tone * light * rng.uniform(0.6, 1.1))
    return Sprite.painted(colour, opacity)


def _conifer(rng: np.random.Generator, light: float) -> Sprite:
    width = int(TALL * rng.uniform(0.36, 0.55))
    colour, opacity = _canvas(width, TALL)
    _trunk(colour, opacity, width // 2, TALL // 8, 4, (70.0, 58.0, 46.0))
    blobs = []
    for _ in range(70):
        y = rng.uniform(0.06, 0.93)
        reach = 0.42 * y**0.8 * width
        x = width / 2 + rng.uniform(-1, 1) * reach
        blobs.append((float(x), float(y * TALL), TALL * float(rng.uniform(0.02, 0.05))))
    blobs.sort(key=lambda blob: -blob[1])
    tone = np.array([62, 80, 52]) * light * rng.uniform(0.6, 1.0)
    _leaves(rng, colour, opacity, blobs, tone)
    return Sprite.painted(colour, opacity)


def _bush(rng: np.random.Generator, light: float) -> Sprite:
    height, width = 128, int(128 * rng.uniform(1.2, 2.4))
    colour, opacity = _canvas(width, height)
    blobs = []
    for _ in range(34):
        x = rng.uniform(0.1, 0.9)
        y = 1 - rng.uniform(0.05, 0.75) * math.sin(math.pi * x) ** 0.5
        blobs.append((float(x * width), float(y * height), float(rng.uniform(9, 20))))
    blobs.sort(key=lambda blob: blob[1])
    tone = np.array([100, 106, 58]) + rng.uniform(-15, 45) * np.array([1, 0.8, 0.4])
    _leaves(rng, colour, opacity, blobs, tone * light)
    return Sprite.painted(colour, opacity)


def _post(rng: np.random.Generator) -> Sprite:
    """A white delineator with a reflector."""
    colour, opacity = _canvas(12, 96)
    colour[:] = np.array([214, 214, 208]) * rng.uniform(0.8, 1.1)
    colour[10:26, 3:9] = (40, 40, 40)
    colour[:, 9:] *= 0.8
    opacity[2:, 1:11] = 1
    return Sprite.painted(colour, opacity)


def _pole() -> Sprite:
    """A wooden pole for wires."""
    colour, opacity = _canvas(48, 320)
    colour[:] = (104, 90, 74)
    colour[:, 26:] *= 0.6
    opacity[:, 22:27] = 1
    opacity[14:19, 2:46] = 1
    opacity[30:34, 8:40] = 1
    return Sprite.painted(colour, opacity)


def _sign(rng: np.random.Generator, kind: int) -> Sprite:
    """A warning sign on its corner (0), or an upright speed limit (1)."""
    colour, opacity = _canvas(72, 200)
    colour[:] = (128, 128, 126)
    opacity[60:, 34:38] = 1
    if kind == 0:
        shape = np.array([[36, 2], [70, 36], [36, 70], [2, 36]])
        cv2.fillConvexPoly(colour, shape, (236, 186, 30))
        cv2.polylines(colour, [shape * 9 // 10 + 3], True, (30, 28, 24), 2)
        cv2.arrowedLine(colour, (36, 54), (36 + int(rng.integers(-10, 11)), 20), (30, 28, 24), 5)
    else:
        shape = np.array([[8, 2], [64, 2], [64, 72], [8, 72]])
        cv2.fillConvexPoly(colour, shape, (232, 232, 228))
        cv2.rectangle(colour, (11, 5), (61, 69), (30, 30, 30), 2)
        cv2.rectangle(colour, (18, 14), (54, 20), (60, 60, 60), -1)
        for x in (19, 40):  # two figures, too small to be read
            cv2.rectangle(colour, (x, 28), (x + 13, 60), (24, 24, 24), 5)
            cv2.line(colour, (x, 44), (x + 13, 44), (24, 24, 24), 5)
    cv2.fillConvexPoly(opacity, shape, 1.0)
    return Sprite.painted(colour, opacity)


def _board(rng: np.random.Generator) -> Sprite:
    """A shed, a box, a wall: something bright and square that is no road."""
    colour, opacity = _canvas(160, 96)
    tone = np.array([196, 190, 178]) * rng.uniform(0.5, 1.15)
    colour[:] = tone
    colour[:24] = tone * np.array([0.62, 0.52, 0.48])
    colour[40:70, 20:48] = (56, 58, 62)
    colour[40:, 104:128] = tone * 0.6
    opacity[4:] = 1
    return Sprite.painted(colour, opacity)
