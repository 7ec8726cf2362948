"""The ground as the camera sees it: which point of the road every pixel shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera import View
from signattn.synthetic.course import Course
from signattn.synthetic.exact import cos, on_grid, sin

Array = NDArray[np.float64]
Pixels = NDArray[np.float32]

NEAREST = 1.5  # m
FARTHEST = 800.0  # m
AHEAD = on_grid(NEAREST * (FARTHEST / NEAREST) ** np.linspace(0, 1, 260), 20)  # m, along the road
STEEPEST = 1.25  # rad between road and optical axis up to which the road is followed


@dataclass(frozen=True)
class Ground:
    """The visible ground, row by row, from the skyline down to the picture's bottom.

    The ground is level across the road, so a row of the picture lies at one depth.

    Attributes:
        top: First row of the picture that shows ground; the arrays begin there.
        skyline: px, row at which the ground ends.
        depth: (R,) m.
        station: (R,) m, of the point of the driven path at this depth.
        left: (R,) m, of the middle of the lane.
        angle: (R,) rad, of the road against the optical axis, left positive.
        bend: (R,) 1/m, curvature of the road.
        hidden_below: Depths (m) and rows (px): at a depth, what lies below the row is hidden by a
            nearer crest.
    """

    top: int
    skyline: float
    depth: Array
    station: Array
    left: Array
    angle: Array
    bend: Array
    hidden_below: tuple[Array, Array]

    def lateral(self, columns: Array) -> tuple[Pixels, Pixels]:
        """Road coordinates of every pixel of the ground.

        Args:
            columns: (W,) tangent of each column's angle to the right of the optical axis.

        Returns:
            across: (R, W) float32, m, left of the middle of the lane.
            along: (R, W) float32, m, beyond the station of the row.
        """
        depth = self.depth.astype(np.float32)[:, None]
        aside = depth * -columns.astype(np.float32) - self.left.astype(np.float32)[:, None]
        along = aside * sin(self.angle).astype(np.float32)[:, None]
        across = aside * cos(self.angle).astype(np.float32)[:, None]
        # The road bends away from its tangent by κ t²/2.
        half_bend = (self.bend / 2).astype(np.float32)
        if np.abs(half_bend * self.depth**2 * sin(self.angle) ** 2).max() > 0.01:
            across -= half_bend[:, None] * along * along
        return across, along

    def columns_of(self, across: Array | float, view: View) -> Array:
        """Column (R,) at which each row shows a line beside the middle of the lane.

        Args:
            across: (R,) or scalar, m, left of the middle of the lane.
            view: The view that the ground was seen in.

        Returns:
            (R,) px; far outside the picture where the road turns away.
        """
        slant = cos(self.angle)
        aside = across / slant
        bulge = self.bend / 2 * sin(self.angle) ** 2
        for _ in range(2):
            aside = (across + bulge * np.clip(aside, -30, 30) ** 2) / slant
        scale = view.camera.focal_length / self.depth
        return np.asarray(view.camera.cx - (aside + self.left) * scale)


def see_ground(course: Course, travelled: float, view: View, rows: int) -> Ground:
    """Find the road in every row of the picture.

    Args:
        course: The road.
        travelled: m, station of the vehicle.
        view: Where the camera is.
        rows: Height of the picture, px.

    Returns:
        The visible ground; crests hide what lies behind them.
    """
    station = travelled + AHEAD
    heading = course.at_station(station, course.heading)
    offset = course.at_station(station, course.offset)
    x = course.at_station(station, course.x) + offset * sin(heading)
    y = course.at_station(station, course.y) - offset * cos(heading)
    z = course.at_station(station, course.z)
    angle = heading - view.heading
    x, y, z, angle = _go_straight_on(x, y, z, angle, view.heading)
    depth, left, up = view.relative(x, y, z)
    row = view.camera.cy - view.camera.focal_length * up / depth
    lowest = np.minimum.accumulate(row)
    seen = np.concatenate([[True], row[1:] < lowest[:-1] - 1e-6])
    skyline = float(lowest[-1])
    top = int(np.clip(np.ceil(skyline), 0, rows))
    wanted = np.arange(top, rows)
    seen_rows = row[seen][::-1]  # far to near: rising

    def by_row(values: Array) -> Array:
        return np.asarray(np.interp(wanted, seen_rows, values[seen][::-1]))

    bend = np.gradient(angle, station)
    return Ground(
        top=top,
        skyline=skyline,
        depth=1 / by_row(1 / depth),
        station=by_row(station),
        left=by_row(left / depth) / by_row(1 / depth),
        angle=by_row(angle),
        bend=by_row(bend),
        hidden_below=(depth, lowest),
    )


def _go_straight_on(
    x: Array, y: Array, z: Array, angle: Array, heading: float
) -> tuple[Array, Array, Array, Array]:
    """Continue the road straight and level from where it turns across the view."""
    turned = np.abs(angle) > STEEPEST
    if not turned.any():
        return x, y, z, angle
    last = max(int(np.argmax(turned)) - 1, 1)
    run = AHEAD[last + 1 :] - AHEAD[last]
    x, y, z, angle = x.copy(), y.copy(), z.copy(), angle.copy()
    angle[last:] = angle[last]
    x[last + 1 :] = x[last] + run * cos(angle[last] + heading)
    y[last + 1 :] = y[last] + run * sin(angle[last] + heading)
    z[last + 1 :] = z[last]
    return x, y, z, angle
