"""The lens and the shutter: from the flat picture behind a pinhole to the one on the sensor."""

import dataclasses
import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera import Camera, View
from signattn.synthetic.canvas import Canvas
from signattn.synthetic.exact import on_grid, remap, warp_affine

Array = NDArray[np.float64]
Pixels = NDArray[np.float32]

MARGIN = 12  # px that are drawn beyond each border at least
MOST_MOMENTS = 6  # pictures that are laid over each other for one that is blurred by motion
MOMENT_PX = 1.5  # px that what moves fastest goes from one to the next


@dataclass(frozen=True)
class Moment:
    """Where the camera looks at a moment of an exposure, against the middle of the exposure.

    Attributes:
        right: px that the picture has moved to the right.
        up: px that the picture has moved upwards.
        ahead: m that the camera has gone.
    """

    right: float = 0.0
    up: float = 0.0
    ahead: float = 0.0


class Lens:
    """Rolls, distorts and blurs what is drawn.

    Attributes:
        wide: The camera without distortion that sees all that the lens may show, and more.
    """

    def __init__(self, camera: Camera, most_roll: float, most_turn: float) -> None:
        """Find out what the lens shows.

        Args:
            camera: The camera.
            most_roll: rad, the largest roll of the drive.
            most_turn: px, the furthest way of the picture within half an exposure.
        """
        self._camera = camera
        self._straight = not any(camera.distortion)
        column, row = _border(camera)
        right, down = _against_middle(camera, column, row)
        wide, tall = float(np.abs(right).max()), float(np.abs(down).max())
        columns = _margin(wide + most_roll * tall + most_turn, camera.width)
        rows = _margin(tall + most_roll * wide + most_turn, camera.height)
        self.wide = dataclasses.replace(
            camera,
            width=camera.width + 2 * columns,
            height=camera.height + 2 * rows,
            cx=camera.cx + columns,
            cy=camera.cy + rows,
            distortion=(0.0, 0.0, 0.0, 0.0, 0.0),
        )

    def __call__(self, canvas: Canvas, view: View, moments: tuple[Moment, ...] = ()) -> Canvas:
        """Look at what is drawn.

        Args:
            canvas: What the wide camera sees.
            view: Where it is and looks.
            moments: Of the exposure; none for a sharp picture.

        Returns:
            The camera's picture, and its mask at the middle of the exposure.
        """
        if self._straight and len(moments) < 2:
            return self._turned(canvas, view.roll)
        mask = None
        if canvas.mask is not None:
            where = self._where(view, Moment())
            mask = remap(canvas.mask, *where, cv2.INTER_NEAREST)
        total = np.zeros((self._camera.height, self._camera.width, 4), np.uint16)
        for moment in moments or (Moment(),):
            where = self._where(view, moment)
            seen = remap(canvas.picture, *where, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
            total += seen
        count = max(len(moments), 1)
        return Canvas(((total + count // 2) // count).astype(np.uint8), mask)

    @functools.cached_property
    def _sight(self) -> tuple[Pixels, Pixels]:
        """Way (H, W) px of every pixel from the middle of the flat picture, right and down."""
        camera = self._camera
        column, row = np.meshgrid(np.arange(camera.width) * 1.0, np.arange(camera.height) * 1.0)
        right, down = _against_middle(camera, column, row)
        return right.astype(np.float32), down.astype(np.float32)

    def _turned(self, canvas: Canvas, roll: float) -> Canvas:
        wide, size = self.wide, (self._camera.width, self._camera.height)
        matrix = on_grid(cv2.getRotationMatrix2D((wide.cx, wide.cy), math.degrees(roll), 1), 30)
        matrix[:, 2] -= wide.cx - self._camera.cx, wide.cy - self._camera.cy
        picture = warp_affine(canvas.picture, matrix, size, flags=cv2.INTER_LINEAR)
        if canvas.mask is None:
            return Canvas(picture, None)
        return Canvas(picture, warp_affine(canvas.mask, matrix, size, flags=cv2.INTER_NEAREST))

    def _where(self, view: View, moment: Moment) -> tuple[Pixels, Pixels]:
        """Column and row (H, W) of the canvas that every pixel shows at a moment."""
        wide = self.wide
        cos, sin = on_grid([math.cos(view.roll), math.sin(view.roll)], 24).astype(np.float32)
        right, down = self._sight
        column = cos * right - sin * down + np.float32(wide.cx - moment.right)
        row = sin * right + cos * down + np.float32(wide.cy + moment.up)
        if moment.ahead:
            # The ground comes nearer, and moves away from the point that the car goes to.
            far_row = np.float32(view.horizon)
            far_column = np.float32(wide.cx + wide.focal_length * wide.yaw)
            per_metre = np.float32(moment.ahead / (wide.focal_length * wide.above_road))
            shrink = 1 / (1 + np.maximum(row - far_row, 0) * per_metre)
            column = far_column + (column - far_column) * shrink
            row = far_row + (row - far_row) * shrink
        return column, row

    def moments(self, before: View, after: View, way: float) -> tuple[Moment, ...]:
        """Moments of an exposure.

        Args:
            before: Where the wide camera looks at the beginning.
            after: Where it looks at the end.
            way: m that the car goes meanwhile.

        Returns:
            As many as are needed for an even blur; one if nothing moves.
        """
        wide = self.wide
        right = wide.focal_length * (after.heading - before.heading)
        up = wide.focal_length * (after.pitch - before.pitch)
        rows = max(self._camera.height * 0.6, 1.0)
        nearing = way * rows * rows / (wide.focal_length * wide.above_road)
        longest = math.hypot(right, up) + nearing
        count = min(max(math.ceil(longest / MOMENT_PX), 1), MOST_MOMENTS)
        parts = [(index + 0.5) / count - 0.5 for index in range(count)]
        return tuple(Moment(part * right, part * up, part * way) for part in parts)


def _margin(reach: float, size: int) -> int:
    return max(MARGIN, math.ceil(reach - (size - 1) / 2) + 2)


def _border(camera: Camera) -> tuple[Array, Array]:
    """Columns and rows (N,) px along the picture's border."""
    across, along = np.arange(camera.width) * 1.0, np.arange(camera.height) * 1.0
    columns = [across, across, np.zeros_like(along), np.full_like(along, across[-1])]
    rows = [np.zeros_like(across), np.full_like(across, along[-1]), along, along]
    return np.concatenate(columns), np.concatenate(rows)


def _against_middle(camera: Camera, column: Array, row: Array) -> tuple[Array, Array]:
    """Pixels (...) of the picture in the flat one, px right of its middle and below it."""
    flat_column, flat_row = camera.flat(column, row)
    return flat_column - camera.cx, flat_row - camera.cy
