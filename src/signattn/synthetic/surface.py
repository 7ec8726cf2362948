"""Texture of the ground: asphalt, shoulder and verge, fixed to the road."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from signattn.synthetic.camera import Camera
from signattn.synthetic.canvas import Bytes
from signattn.synthetic.exact import remap, sin
from signattn.synthetic.ground import Array, Ground, Pixels

PERIOD = 96.0  # m along the road after which the texture repeats
LEVELS = 6


@dataclass(frozen=True)
class Lanes:
    """Cross section of the road, metres left of the middle of the driven lane.

    Attributes:
        width: m, of a lane.
        centre: m, of the line between the two lanes.
        left_line: m, of the left edge line.
        right_line: m, of the right edge line.
        left_edge: m, where the asphalt ends.
        right_edge: m, where the asphalt ends.
        shoulder: m, width of the gravel.
        wobble: (3, 3) wavelengths per period, amplitudes (m) and phases (rad) by which the
            asphalt's edges depart from straight lines.
    """

    width: float
    centre: float
    left_line: float
    right_line: float
    left_edge: float
    right_edge: float
    shoulder: float
    wobble: Array

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> 'Lanes':
        """A two-lane road; widths as they are found on rural roads."""
        width = float(rng.uniform(3.1, 3.8))
        paved = rng.uniform(0.25, 1.3, 2)
        return cls(
            width=width,
            centre=width / 2,
            left_line=1.5 * width,
            right_line=-width / 2,
            left_edge=1.5 * width + float(paved[0]),
            right_edge=-width / 2 - float(paved[1]),
            shoulder=float(rng.uniform(0.4, 2.0)),
            wobble=np.stack(
                [
                    rng.integers(2, 25, 3).astype(float),
                    rng.uniform(0.01, 0.07, 3),
                    rng.uniform(0, 2 * np.pi, 3),
                ]
            ),
        )

    def edge_wobble(self, station: Array) -> Array:
        """Metres by which the asphalt reaches further out at stations (...) in metres."""
        turns = 2 * np.pi * station[..., None] / PERIOD * self.wobble[0] + self.wobble[2]
        return np.asarray((self.wobble[1] * sin(turns)).sum(-1))


@dataclass(frozen=True)
class Paint:
    """Colours of the ground, RGB from 0 to 255, and how uneven it is."""

    asphalt: Pixels
    gravel: Pixels
    grass: Pixels
    dry: Pixels
    roughness: float
    cracks: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> 'Paint':
        """Colours of a dry rural road."""
        tint = rng.uniform(-4, 4, 3)
        return cls(
            asphalt=_colour(rng.uniform(78, 128) + tint),
            gravel=_colour(np.array([142, 126, 106]) * rng.uniform(0.75, 1.15) + tint),
            grass=_colour(np.array([84, 98, 50]) * rng.uniform(0.7, 1.15)),
            dry=_colour(np.array([168, 148, 98]) * rng.uniform(0.75, 1.1)),
            roughness=float(rng.uniform(0.6, 1.3)),
            cracks=float(rng.uniform(0, 1)),
        )


def _colour(channels: Array) -> Pixels:
    return channels.astype(np.float32)


@dataclass(frozen=True)
class _Level:
    texture: Bytes  # (rows, columns, 4): RGB and shadow
    reach: float  # m to either side
    across: float  # m a column
    along: float  # m a row
    padding: int  # rows before the period begins
    nearest: float  # m, depth from which it is used


class Surface:
    """The ground's texture in levels of detail, the next one for twice the depth."""

    def __init__(
        self, camera: Camera, lanes: Lanes, paint: Paint, rng: np.random.Generator
    ) -> None:
        horizon = camera.cy - camera.focal_length * math.tan(camera.pitch)
        slope = camera.focal_length * camera.above_road
        nearest = slope / max(camera.height - horizon, 1)
        tangent = camera.width / 2 / camera.focal_length
        columns = 4 * math.ceil(0.4 * camera.width)
        finest = min(max(256 * math.ceil(camera.width / 83), 512), 4096)
        self._levels: list[_Level] = []
        plain: Bytes | None = None
        for number in range(LEVELS):
            reach = (1.8 * tangent * 2 * nearest + 2.0) * 2**number
            rows = max(finest // 4**number, 8)
            plain = _paint_level((rows, columns), reach, lanes, paint, plain, rng)
            along = PERIOD / rows
            padding = min(math.ceil(2 * reach / along), rows)
            self._levels.append(
                _Level(
                    texture=np.concatenate([plain[-padding:], plain, plain[:padding]]),
                    reach=reach,
                    across=2 * reach / columns,
                    along=along,
                    padding=padding,
                    nearest=nearest * 2**number if number else 0.0,
                )
            )

    def picture(self, ground: Ground, across: Pixels, along: Pixels) -> Bytes:
        """Look at the ground.

        Args:
            ground: The rows.
            across: (R, W) float32, m, from ``Ground.lateral``.
            along: (R, W) float32, m.

        Returns:
            (R, W, 4) uint8, RGB and how much a pixel lies in the shadow of trees.
        """
        seen = np.empty((*across.shape, 4), np.uint8)
        begin = 0
        # Depth rises towards the skyline, that is towards row 0.
        for level in reversed(self._levels):
            nearer = int(np.searchsorted(-ground.depth, -level.nearest))
            if nearer <= begin:
                continue
            band = slice(begin, nearer)
            base = (ground.station[band] % PERIOD / level.along + level.padding - 0.5).astype(
                np.float32
            )
            columns = (level.reach - across[band]) * np.float32(1 / level.across) - 0.5
            rows = along[band] * np.float32(1 / level.along) + base[:, None]
            remap(
                level.texture,
                columns,
                rows,
                cv2.INTER_LINEAR,
                dst=seen[band],
                borderMode=cv2.BORDER_REPLICATE,
            )
            begin = nearer
        return seen


def _paint_level(
    shape: tuple[int, int],
    reach: float,
    lanes: Lanes,
    paint: Paint,
    inner: Bytes | None,
    rng: np.random.Generator,
) -> Bytes:
    """One period of the ground, shape + (4,); its middle is the finer level shrunk."""
    rows, columns = shape
    station = np.linspace(0, PERIOD, 2 * rows + 1)[1::2]
    across = np.linspace(reach, -reach, 2 * columns + 1)[1::2]
    level = np.empty((rows, columns, 4), np.uint8)
    level[..., :3] = _colours(station, across, lanes, paint, rng)
    level[..., 3] = _shadows(shape, reach, rng)
    if inner is None:
        _wear(level, across, lanes, paint, rng)
    else:
        middle = slice(columns // 4, columns - columns // 4)
        level[:, middle] = cv2.resize(inner, (columns // 2, rows), interpolation=cv2.INTER_AREA)
    return level


def _colours(
    station: Array,
    across: Array,
    lanes: Lanes,
    paint: Paint,
    rng: np.random.Generator,
) -> Pixels:
    shape = (station.size, across.size)
    cell = np.array([PERIOD / station.size, across[0] - across[1]])
    wobble = lanes.edge_wobble(station)[:, None].astype(np.float32)
    tracks = _wheel_tracks(across, lanes).astype(np.float32)
    across = across.astype(np.float32)
    soft = max(0.04, float(cell[1]))
    ragged = 0.03 * _field(rng, shape, cell, 0.15) if cell[1] < 0.08 else 0.0
    beyond = np.maximum(across - lanes.left_edge, lanes.right_edge - across) - wobble - ragged
    off_road = np.clip(beyond / soft + 0.5, 0, 1)
    fringe = 0.35 * _field(rng, shape, cell, 1.2)
    overgrown = np.clip((beyond - lanes.shoulder + fringe) / 0.5 + 0.5, 0, 1)
    fine = _field(rng, shape, cell, 0.025) + 0.8 * _field(rng, shape, cell, 0.08)
    middle = _field(rng, shape, cell, 0.5)
    broad = _field(rng, shape, cell, 4.0)
    asphalt = 1 + 0.055 * paint.roughness * fine + 0.02 * middle + 0.035 * broad + tracks
    stones = 1 + 0.16 * fine + 0.1 * middle + 0.05 * broad
    blades = 1 + 0.22 * fine + 0.16 * middle + 0.1 * broad
    dryness = np.clip(0.5 + 0.4 * broad + 0.25 * middle, 0, 1)[..., None]
    verge = (paint.grass * (1 - dryness) + paint.dry * dryness) * blades[..., None]
    soil = paint.gravel * stones[..., None]
    soil += (verge - soil) * overgrown[..., None]
    road = paint.asphalt * asphalt[..., None]
    road += (soil - road) * off_road[..., None]
    return np.asarray(np.clip(road, 0, 255), np.float32)


def _wheel_tracks(across: Array, lanes: Lanes) -> Array:
    """Brightness that tyres and oil leave in both lanes."""
    brightness = np.zeros_like(across)
    for middle in (0.0, lanes.width):
        for side in (-0.78, 0.78):
            brightness += 0.06 * np.exp(-0.5 * ((across - middle - side) / 0.25) ** 2)
        brightness -= 0.07 * np.exp(-0.5 * ((across - middle) / 0.3) ** 2)
    return brightness


def _shadows(shape: tuple[int, int], reach: float, rng: np.random.Generator) -> Bytes:
    """Shadow of trees, 255 where it is dark, dappled where leaves let light through."""
    cell = np.array([PERIOD / shape[0], 2 * reach / shape[1]])
    trunks = _field(rng, shape, cell * [1, 0.25], 2.2)
    leaves = _field(rng, shape, cell, 0.9) + 0.7 * _field(rng, shape, cell, 0.3)
    dark = np.clip(0.5 + 1.6 * (trunks + 0.45 * leaves), 0, 1)
    return np.asarray(np.round(255 * dark), np.uint8)


def _wear(
    level: Bytes, across: Array, lanes: Lanes, paint: Paint, rng: np.random.Generator
) -> None:
    """Draw patches, sealed joints and cracks on the asphalt of the finest level."""
    tone = np.full(level.shape[:2], 128, np.uint8)
    scale = np.array([1 / (across[0] - across[1]), level.shape[0] / PERIOD])

    def pixels(left: ArrayLike, along: ArrayLike) -> NDArray[np.int32]:
        points = np.stack([across[0] - np.asarray(left), np.asarray(along)], -1) * scale
        return np.asarray(np.round(points), np.int32)

    for _ in range(round(4 * paint.cracks)):
        begin, left = rng.uniform(5, PERIOD - 15), rng.uniform(lanes.right_edge + 1.5, 4)
        end, right = begin + rng.uniform(1.5, 9), left - rng.uniform(0.8, 2.5)
        corners = pixels([left, right, right, left], [begin, begin, end, end])
        cv2.fillConvexPoly(tone, corners, (rng.uniform(100, 140),))
    for _ in range(round(10 * paint.cracks)):
        aside = np.arange(lanes.left_edge, lanes.right_edge, -0.4)
        ahead = rng.uniform(3, PERIOD - 3) + np.cumsum(rng.normal(0, 0.1, aside.size))
        cv2.polylines(tone, [pixels(aside, ahead)], False, (rng.uniform(60, 100),), 2)
    for _ in range(round(14 * paint.cracks)):
        steps = int(rng.integers(10, 50))
        along = rng.uniform(2, PERIOD - 25) + 0.4 * np.linspace(0, steps - 1, steps)
        drift = np.cumsum(rng.normal(0, 0.05, steps))
        crack = pixels(rng.uniform(lanes.right_edge, lanes.left_edge) + drift, along)
        cv2.polylines(tone, [crack], False, (rng.uniform(60, 105),), 2)
    soft = np.asarray(cv2.GaussianBlur(tone, (3, 3), 0), np.float32) / 128
    paved = (across > lanes.right_edge) & (across < lanes.left_edge)
    shaded = level[:, paved, :3] * soft[:, paved, None]
    level[:, paved, :3] = np.clip(shaded, 0, 255).astype(np.uint8)


def _field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell: Array,
    size: float,
) -> NDArray[np.float32]:
    """Smooth noise of unit variance that repeats along the rows.

    Args:
        rng: Source of randomness.
        shape: Rows and columns of the result.
        cell: (2,) m, of a row and of a column.
        size: m, of a bump; where it is below a pixel the noise averages out.

    Returns:
        shape, float32.
    """
    bumps = np.maximum(size / cell, 1.0)
    fade = float(np.prod(np.minimum(size / cell, 1.0))) ** 0.5
    rows = max(round(shape[0] / bumps[0]), 4)
    columns = max(round(shape[1] / bumps[1]), 1)
    grid = rng.standard_normal((rows, columns + 4), np.float32) * np.float32(1.25 * fade)
    wrapped = np.concatenate([grid[-2:], grid, grid[:2]])
    step = shape[0] / rows
    rise = (np.arange(shape[0], dtype=np.float32) + 0.5) / step - 0.5 + 2
    side = (np.arange(shape[1], dtype=np.float32) + 0.5) * (columns / shape[1]) - 0.5 + 2
    return _sample(wrapped, rise, side)


def _sample(
    grid: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Linear interpolation of a grid at every pair of rows and columns."""
    low = np.clip(np.floor(rows).astype(int), 0, grid.shape[0] - 2)
    part = (rows - low).astype(np.float32)[:, None]
    between = grid[low] * (1 - part) + grid[low + 1] * part
    low = np.clip(np.floor(columns).astype(int), 0, grid.shape[1] - 2)
    part = (columns - low).astype(np.float32)[None]
    return np.asarray(between[:, low] * (1 - part) + between[:, low + 1] * part, np.float32)
