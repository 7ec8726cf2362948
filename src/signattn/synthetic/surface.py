"""Texture of the ground: asphalt, shoulder and verge, fixed to the road."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera import Camera
from signattn.synthetic.ground import Ground, Pixels

Bytes = NDArray[np.uint8]

PERIOD = 96.0  # m along the road after which the texture repeats
COLUMNS = 1024  # px, width of every level
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
    wobble: NDArray[np.float64]

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
            wobble=np.stack([
                rng.integers(2, 25, 3).astype(float),
                rng.uniform(0.01, 0.07, 3),
                rng.uniform(0, 2 * np.pi, 3),
            ]),
        )

    def edge_wobble(self, station: NDArray[np.float64]) -> NDArray[np.float64]:
        """Metres by which the asphalt reaches further out at stations (...) in metres."""
        turns = 2 * np.pi * station[..., None] / PERIOD * self.wobble[0] + self.wobble[2]
        return np.asarray((self.wobble[1] * np.sin(turns)).sum(-1))


@dataclass(frozen=True)
class Paint:
    """Colours of the ground, RGB from 0 to 255, and how uneven it is."""

    asphalt: NDArray[np.float64]
    gravel: NDArray[np.float64]
    grass: NDArray[np.float64]
    dry: NDArray[np.float64]
    roughness: float
    cracks: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> 'Paint':
        """Colours of a dry rural road."""
        tint = rng.uniform(-4, 4, 3)
        return cls(
            asphalt=rng.uniform(78, 128) + tint,
            gravel=np.array([142, 126, 106]) * rng.uniform(0.75, 1.15) + tint,
            grass=np.array([84, 98, 50]) * rng.uniform(0.7, 1.15),
            dry=np.array([168, 148, 98]) * rng.uniform(0.75, 1.1),
            roughness=float(rng.uniform(0.6, 1.3)),
            cracks=float(rng.uniform(0, 1)),
        )


@dataclass(frozen=True)
class _Level:
    texture: Bytes  # (rows, COLUMNS, 4): RGB and shadow
    reach: float  # m to either side
    across: float  # m a column
    along: float  # m a row
    padding: int  # rows before the period begins
    nearest: float  # m, depth from which it is used


class Surface:
    """The ground's texture in levels of detail, the next one for twice the depth."""

    def __init__(self, camera: Camera, lanes: Lanes, paint: Paint, rng: np.random.Generator):
        horizon = camera.cy - camera.focal_length * math.tan(camera.pitch)
        slope = camera.focal_length * camera.above_road
        nearest = slope / max(camera.height - horizon, 1)
        tangent = camera.width / 2 / camera.focal_length
        self._levels: list[_Level] = []
        plain: Bytes | None = None
        for number in range(LEVELS):
            reach = (1.8 * tangent * 2 * nearest + 2.0) * 2**number
            rows = max(2048 // 4**number, 8)
            plain = _paint_level(rows, reach, lanes, paint, plain, rng)
            along = PERIOD / rows
            padding = min(math.ceil(2 * reach / along), rows)
            self._levels.append(
                _Level(
                    texture=np.concatenate([plain[-padding:], plain, plain[:padding]]),
                    reach=reach,
                    across=2 * reach / COLUMNS,
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
            cv2.remap(
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
    rows: int,
    reach: float,
    lanes: Lanes,
    paint: Paint,
    inner: Bytes | None,
    rng: np.random.Generator,
) -> Bytes:
    """One period of the ground, (rows, COLUMNS, 4); its middle is the finer level shrunk."""
    station = (np.arange(rows) + 0.5) * (PERIOD / rows)
    across = reach - (np.arange(COLUMNS) + 0.5) * (2 * reach / COLUMNS)
    level = np.empty((rows, COLUMNS, 4), np.uint8)
    level[..., :3] = _colours(station, across, lanes, paint, rng)
    level[..., 3] = _shadows(rows, reach, rng)
    if inner is None:
        _wear(level, station, across, lanes, paint, rng)
    else:
        middle = slice(COLUMNS // 4, COLUMNS - COLUMNS // 4)
        level[:, middle] = cv2.resize(inner, (COLUMNS // 2, rows), interpolation=cv2.INTER_AREA)
    return level


def _colours(
    station: NDArray[np.float64],
    across: NDArray[np.float64],
    lanes: Lanes,
    paint: Paint,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    shape = (station.size, across.size)
    cell = np.array([PERIOD / station.size, across[0] - across[1]])
    wobble = lanes.edge_wobble(station)[:, None]
    soft = max(0.04, float(cell[1]))
    ragged = 0.03 * _field(rng, shape, cell, 0.15) if cell[1] < 0.08 else 0.0
    beyond = np.maximum(across - lanes.left_edge, lanes.right_edge - across) - wobble - ragged
    off_road = np.clip(beyond / soft + 0.5, 0, 1)
    fringe = 0.35 * _field(rng, shape, cell, 1.2)
    overgrown = np.clip((beyond - lanes.shoulder + fringe) / 0.5 + 0.5, 0, 1)
    fine = _field(rng, shape, cell, 0.025) + 0.8 * _field(rng, shape, cell, 0.08)
    middle = _field(rng, shape, cell, 0.5)
    broad = _field(rng, shape, cell, 4.0)
    tracks = _wheel_tracks(across, lanes)
    asphalt = 1 + 0.055 * paint.roughness * fine + 0.02 * middle + 0.035 * broad + tracks
    stones = 1 + 0.16 * fine + 0.1 * middle + 0.05 * broad
    blades = 1 + 0.22 * fine + 0.16 * middle + 0.1 * broad
    dryness = np.clip(0.5 + 0.4 * broad + 0.25 * middle, 0, 1)[..., None]
    verge = (paint.grass * (1 - dryness) + paint.dry * dryness) * blades[..., None]
    soil = paint.gravel * stones[..., None]
    soil += (verge - soil) * overgrown[..., None]
    road = paint.asphalt * asphalt[..., None]
    road += (soil - road) * off_road[..., None]
    return np.clip(road, 0, 255).astype(np.float32)


def _wheel_tracks(across: NDArray[np.float64], lanes: Lanes) -> NDArray[np.float64]:
    """Brightness that tyres and oil leave in both lanes."""
    brightness = np.zeros_like(across)
    for middle in (0.0, lanes.width):
        for side in (-0.78, 0.78):
            brightness += 0.06 * np.exp(-0.5 * ((across - middle - side) / 0.25) ** 2)
        brightness -= 0.07 * np.exp(-0.5 * ((across - middle) / 0.3) ** 2)
    return brightness


def _shadows(rows: int, reach: float, rng: np.random.Generator) -> Bytes:
    """Shadow of trees, 255 where it is dark, dappled where leaves let light through."""
    shape, cell = (rows, COLUMNS), np.array([PERIOD / rows, 2 * reach / COLUMNS])
    trunks = _field(rng, shape, cell * [1, 0.25], 2.2)
    leaves = _field(rng, shape, cell, 0.9) + 0.7 * _field(rng, shape, cell, 0.3)
    dark = np.clip(0.5 + 1.6 * (trunks + 0.45 * leaves), 0, 1)
    return np.asarray(np.round(255 * dark), np.uint8)


def _wear(
    level: Bytes,
    station: NDArray[np.float64],
    across: NDArray[np.float64],
    lanes: Lanes,
    paint: Paint,
    rng: np.random.Generator,
) -> None:
    """Draw patches, sealed joints and cracks on the asphalt of the finest level."""
    tone = np.full(level.shape[:2], 128, np.uint8)
    column = 1 / (across[0] - across[1])
    row = 1 / (station[1] - station[0])

    def at(along: float, left: float) -> tuple[int, int]:
        return round((across[0] - left) * column), round(along * row)

    for _ in range(round(4 * paint.cracks)):
        begin, left = rng.uniform(5, PERIOD - 15), rng.uniform(lanes.right_edge + 1.5, 4)
        corner = at(begin + rng.uniform(1.5, 9), left - rng.uniform(0.8, 2.5))
        cv2.rectangle(tone, at(begin, left), corner, int(rng.uniform(100, 140)), -1)
    for _ in range(round(10 * paint.cracks)):
        along, left = rng.uniform(3, PERIOD - 3), lanes.left_edge
        points = [at(along, left)]
        while left > lanes.right_edge:
            left -= 0.4
            along += rng.normal(0, 0.1)
            points.append(at(along, left))
        cv2.polylines(tone, [np.array(points)], False, int(rng.uniform(60, 100)), 2)
    for _ in range(round(14 * paint.cracks)):
        along, left = rng.uniform(2, PERIOD - 25), rng.uniform(lanes.right_edge, lanes.left_edge)
        points = []
        for _ in range(int(rng.integers(10, 50))):
            points.append(at(along, left))
            along += 0.4
            left += rng.normal(0, 0.05)
        cv2.polylines(tone, [np.array(points)], False, int(rng.uniform(60, 105)), 2)
    tone = cv2.GaussianBlur(tone, (3, 3), 0)
    paved = (across > lanes.right_edge) & (across < lanes.left_edge)
    shaded = level[..., :3] * (tone.astype(np.float32) / 128)[..., None]
    level[:, paved, :3] = np.clip(shaded, 0, 255).astype(np.uint8)[:, paved]


def _field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell: NDArray[np.float64],
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
    part = (rows - low)[:, None]
    between = grid[low] * (1 - part) + grid[low + 1] * part
    low = np.clip(np.floor(columns).astype(int), 0, grid.shape[1] - 2)
    part = (columns - low)[None]
    return np.asarray(between[:, low] * (1 - part) + between[:, low + 1] * part, np.float32)
