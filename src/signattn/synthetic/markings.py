"""Lane markings: where they run, how they are interrupted, and how they cover pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signattn.masks import LINES
from signattn.synthetic.camera import View
from signattn.synthetic.canvas import Bytes, Canvas
from signattn.synthetic.course import smooth_noise
from signattn.synthetic.exact import cos, sin
from signattn.synthetic.ground import Array, Ground, Pixels
from signattn.synthetic.junctions import Junctions
from signattn.synthetic.surface import Lanes

STEP = 0.1  # m, resolution along the road of what is painted where
WIDEST = 40  # px to either side of a line that are looked at in a row
YELLOW, WHITE = (214.0, 168.0, 62.0), (222.0, 222.0, 214.0)
VISIBLE = 0.3  # share of a pixel that a line must cover to count as visible


@dataclass(frozen=True)
class Line:
    """A line along the road.

    Attributes:
        across: m, of its middle, left of the middle of the lane.
        width: m.
        colour: RGB from 0 to 255.
        painted: (N + 1,) m of paint from the start of the profile to each of its points.
        opacity: (N,) from 0 (worn off) to 1 (fresh).
    """

    across: float
    width: float
    colour: tuple[float, float, float]
    painted: Array
    opacity: Array


@dataclass(frozen=True)
class Markings:
    """All lines of a road.

    Attributes:
        lines: What is painted.
        junctions: Side roads, at which the lines have gaps.
        lanes: Cross section of the road, whose edges count as geometry too.
        start: m, station at which the lines' profiles begin.
    """

    lines: tuple[Line, ...]
    junctions: Junctions
    lanes: Lanes
    start: float

    @classmethod
    def drawn(
        cls,
        lanes: Lanes,
        station: Array,
        curvature: Array,
        density: float,
        rng: np.random.Generator,
        sides: np.random.Generator,
    ) -> 'Markings':
        """Markings of a rural road: a yellow centre line, white edge lines.

        Args:
            lanes: Cross section of the road.
            station: (M,) m, of the road's points.
            curvature: (M,) 1/m, of the road there; passing is forbidden in bends.
            density: Number of side roads against the usual.
            rng: Source of randomness.
            sides: Source of the sides at which side roads lie.

        Returns:
            The lines, in sections: double, dashed on one side, dashed, and crossings without.
        """
        along = np.arange(station[0], station[-1], STEP)
        bend = np.interp(along, station, np.abs(curvature))
        gaps = _gaps(along, density, rng)
        junctions = np.ones(along.size, bool)
        for begin, end in gaps:
            junctions[(along > begin) & (along < end)] = False
        solid, dashed = np.ones(along.size, bool), _dashes(along, rng)
        passing = (smooth_noise_on(along, 60, rng) > 0.6) & (bend < 0.004)
        half = float(rng.uniform(0.09, 0.14))
        gap, width = half + float(rng.uniform(0.02, 0.07)), float(rng.uniform(0.1, 0.15))
        edge_width = float(rng.uniform(0.1, 0.17))
        worn = float(rng.uniform(0.0, 0.45))
        single = rng.uniform() < 0.15
        yellow = tuple(np.array(YELLOW) * rng.uniform(0.85, 1.1))
        white = tuple(np.array(WHITE) * rng.uniform(0.9, 1.08))
        edges = junctions & (smooth_noise_on(along, 250, rng) > rng.choice([-9, -9, -1.6, -0.8]))
        lines = []

        def line(
            across: float, width: float, colour: tuple[float, ...], where: NDArray[np.bool_]
        ) -> None:
            painted = np.concatenate([[0.0], np.cumsum(where) * STEP])
            fade = 1 - worn * np.clip(0.5 + 0.5 * smooth_noise_on(along, 12, rng), 0, 1)
            lines.append(Line(across, width, (colour[0], colour[1], colour[2]), painted, fade))

        if single:
            line(lanes.centre, width, yellow, np.where(passing, dashed, solid) & junctions)
        else:
            near = np.where(passing, dashed, solid) & junctions
            line(lanes.centre - gap, width, yellow, near)
            line(lanes.centre + gap, width, yellow, solid & ~passing & junctions)
            if rng.uniform() < 0.6:
                studs = (along % 7.32) < 0.12
                line(lanes.centre, 0.1, white, studs & junctions)
        line(lanes.right_line, edge_width, white, edges)
        line(lanes.left_line, edge_width, white, edges)
        return cls(tuple(lines), Junctions.drawn(gaps, lanes, sides), lanes, float(along[0]))

    def paint(self, canvas: Canvas, ground: Ground, across: Pixels, view: View) -> None:
        """Paint the lines on the ground.

        Args:
            canvas: (R, W), the ground; painted on, its mask marked where lines and road edges are.
            ground: The rows.
            across: (R, W) float32, m.
            view: The view that the ground was seen in.
        """
        picture, mask = canvas.picture, canvas.mask
        for line in self.lines:
            stripe = _Stripe.seen(line.across, line.width, ground, view)
            rows, columns, cover = stripe.cover(across, self._share(line, ground))
            if not rows.size:
                continue
            old = picture[rows, columns, :3].astype(np.float32)
            grain = 0.5 * (old[:, :1] - old[:, 0].mean())
            worn = cover * self._opacity(line, ground)[rows]
            fresh = old + worn[:, None] * (np.array(line.colour, np.float32) + grain - old)
            picture[rows, columns, :3] = np.clip(fresh, 0, 255)
            if mask is not None:
                visible = cover > VISIBLE
                mask[rows[visible], columns[visible]] = LINES
        if mask is not None:
            self._mark_edges(mask, ground, across, view)

    def _mark_edges(self, mask: Bytes, ground: Ground, across: Pixels, view: View) -> None:
        wobble = self.lanes.edge_wobble(ground.station)
        edges = self.lanes.left_edge + wobble, self.lanes.right_edge - wobble
        for edge, gone in zip(edges, self.junctions.open_sides(ground.station), strict=True):
            stripe = _Stripe.seen(edge, 0.12, ground, view, thinnest=1.0)
            rows, columns, cover = stripe.cover(across, (~gone).astype(np.float32))
            visible = cover > VISIBLE
            mask[rows[visible], columns[visible]] = LINES

    def _share(self, line: Line, ground: Ground) -> Pixels:
        """Share of each row's stretch of road that is painted."""
        along = ground.station + _ahead_of(line.across, ground)
        reach = np.maximum(np.abs(np.gradient(ground.station)) / 2, STEP / 2)
        begin = _painted_until(line, along - reach - self.start)
        end = _painted_until(line, along + reach - self.start)
        return np.asarray((end - begin) / (2 * reach), np.float32)

    def _opacity(self, line: Line, ground: Ground) -> Pixels:
        index = ((ground.station - self.start) / STEP).astype(int)
        return np.asarray(line.opacity[np.clip(index, 0, line.opacity.size - 1)], np.float32)


def _painted_until(line: Line, along: Array) -> Array:
    """Metres of paint from the start of a line to points (m behind it)."""
    place = np.clip(along / STEP, 0, line.painted.size - 1.001)
    low = place.astype(int)
    begin, end = line.painted[low], line.painted[low + 1]
    return np.asarray(begin + (place - low) * (end - begin))


def _ahead_of(across: float, ground: Ground) -> Array:
    """Metres along the road from a row's middle of the lane to where the row meets a line."""
    return np.asarray(across * sin(ground.angle) / cos(ground.angle))


@dataclass(frozen=True)
class _Stripe:
    """A line as the picture's rows show it, one value a row.

    Attributes:
        column: (R,) px, of its middle.
        across: (R,) m, of its middle, left of the middle of the lane.
        half: (R,) m, half its width.
        size: (R,) m that the road coordinate changes over a pixel, square to the line.
        reach: (R,) px to either side within which the line covers anything.
    """

    column: Array
    across: Pixels
    half: Pixels
    size: Pixels
    reach: Array

    @classmethod
    def seen(
        cls, middle: float | Array, width: float, ground: Ground, view: View, thinnest: float = 0.0
    ) -> '_Stripe':
        """A line at a place across the road, m, of a width in m; at least ``thinnest`` px thin."""
        column = ground.columns_of(middle, view)
        per_column = cos(ground.angle) * ground.depth / view.camera.focal_length
        slant = np.gradient(column) if column.size > 1 else np.zeros(1)
        size = per_column * np.hypot(1, np.clip(slant, -WIDEST, WIDEST))
        half = np.maximum(width / 2, thinnest / 2 * size)
        return cls(
            column=column,
            across=np.broadcast_to(middle, column.shape).astype(np.float32),
            half=half.astype(np.float32),
            size=size.astype(np.float32),
            reach=(half + size / 2) / per_column + 1,
        )

    def cover(
        self, across: Pixels, share: Pixels
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Pixels]:
        """Share of the pixels' area that the line covers.

        Args:
            across: (R, W) float32, m, of every pixel.
            share: (R,) of the line that is painted.

        Returns:
            Rows (n,), columns (n,) and cover (n,) of the pixels that are covered at all.
        """
        width = across.shape[1]
        near = (share > 0) & (self.column > -self.reach) & (self.column < width + self.reach)
        narrow = self.reach < WIDEST / 8
        parts = []
        for some, widest in ((near & narrow, WIDEST // 4), (near & ~narrow, 2 * WIDEST)):
            rows = np.flatnonzero(some)[:, None]
            window = min(widest, width)
            first = np.clip(np.round(self.column[rows]) - window // 2, 0, width - window)
            columns = first.astype(np.intp) + np.arange(window)
            aside = across[rows, columns] - self.across[rows]
            half, size = self.half[rows], self.size[rows]
            outer = np.clip((aside + half) / size + 0.5, 0, 1)
            cover = (outer - np.clip((aside - half) / size + 0.5, 0, 1)) * share[rows]
            row, column = np.nonzero(cover > 1 / 256)
            parts.append((rows[row, 0], columns[row, column], cover[row, column]))
        rows, columns, cover = (np.concatenate(part) for part in zip(*parts, strict=True))
        return rows, columns, cover


def smooth_noise_on(along: Array, length: float, rng: np.random.Generator) -> Array:
    """Noise of unit variance, smooth over a length in metres, at points ``STEP`` apart."""
    coarse = max(round(length / 8 / STEP), 1)
    count = along.size // coarse + 2
    knots = smooth_noise(rng, count, length / (coarse * STEP))
    return np.asarray(np.interp(np.arange(along.size) / coarse, np.arange(count), knots))


def _dashes(along: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    dash, gap = [(3.0, 9.1), (3.05, 4.6), (2.0, 4.0)][int(rng.integers(3))]
    return np.asarray((along % (dash + gap)) < dash)


def _gaps(along: Array, density: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Begin and end (m) of the stretches where side roads interrupt the markings."""
    gaps: list[tuple[float, float]] = []
    if density == 0:
        return gaps
    at = float(along[0]) + rng.uniform(60, 500) / density
    while at < along[-1]:
        gaps.append((at, at + rng.uniform(8, 18)))
        at = max(at + rng.uniform(150, 900) / density, gaps[-1][1] + 20)
    return gaps
