"""The camera: from the vehicle's surroundings to the picture."""

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera_config import CameraConfig
from signattn.synthetic.exact import on_grid

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera on the vehicle, looking forward.

    Its picture is flat, that of a pinhole, unless its lens distorts.

    Attributes:
        width: px.
        height: px.
        focal_length: px.
        cx: px, column of the optical axis; the middle of the first pixel is 0.
        cy: px, row of the optical axis.
        above_road: m, height of the camera over the road.
        pitch: rad, downward tilt.
        yaw: rad, turn to the left against the vehicle.
        distortion: k1, k2, p1, p2 and k3 of the lens, Brown-Conrady.
    """

    width: int
    height: int
    focal_length: float
    cx: float
    cy: float
    above_road: float
    pitch: float
    yaw: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @classmethod
    def drawn(cls, config: CameraConfig, rng: np.random.Generator) -> 'Camera':
        """A camera like that of the Udacity car where the options leave it open.

        Args:
            config: Options.
            rng: Source of randomness; what is given doesn't change the other draws.

        Returns:
            The camera; its horizon on a level road is drawn from 0.36 to 0.46 of the height.

        Raises:
            ValueError: If the lens bends two directions into the same pixel.
        """
        drawn_fov, drawn_horizon = float(rng.uniform(16, 21)), float(rng.uniform(0.36, 0.46))
        drawn_height, drawn_yaw = float(rng.uniform(1.2, 1.45)), float(rng.uniform(-0.3, 0.3))
        half = math.radians(_given(config.fov_deg, drawn_fov)) / 2
        k1, k2, p1, p2, k3 = (*config.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        camera = cls(
            width=config.width,
            height=config.height,
            focal_length=1.0,
            cx=(config.width - 1) / 2,
            cy=(config.height - 1) / 2,
            above_road=_given(config.camera_height, drawn_height),
            pitch=0.0,
            yaw=_settled(math.radians(_given(config.camera_yaw_deg, drawn_yaw))),
            distortion=(k1, k2, p1, p2, k3),
        )
        edge = math.tan(half)
        reached = float(camera.bent(np.array(edge), np.array(0.0))[0])
        camera = dataclasses.replace(
            camera, focal_length=_settled(config.width / 2 / max(reached, 1e-3))
        )
        camera.check(edge)
        horizon = (_given(config.horizon, drawn_horizon) - 0.5) * config.height
        row = camera.flat(np.array(camera.cx), np.array(camera.cy + horizon))[1]
        pitch = math.atan((camera.cy - float(row)) / camera.focal_length)
        return dataclasses.replace(camera, pitch=_settled(pitch))

    def bent(self, right: Array, down: Array) -> tuple[Array, Array]:
        """Where the lens throws directions, both as tangents (...) against the optical axis."""
        k1, k2, p1, p2, k3 = self.distortion
        square = right * right + down * down
        radial = 1 + square * (k1 + square * (k2 + square * k3))
        across = 2 * right * down
        return (
            right * radial + p1 * across + p2 * (square + 2 * right * right),
            down * radial + p1 * (square + 2 * down * down) + p2 * across,
        )

    def distorted(self, column: Array, row: Array) -> tuple[Array, Array]:
        """Column and row (...) px of the picture that show a column and row of the flat one."""
        scale = self.focal_length
        right, down = self.bent((column - self.cx) / scale, (row - self.cy) / scale)
        return self.cx + scale * right, self.cy + scale * down

    def flat(self, column: Array, row: Array) -> tuple[Array, Array]:
        """Column and row (...) px of the flat picture that the picture shows there."""
        if not any(self.distortion):
            return column, row
        matrix = np.array(
            [[self.focal_length, 0, self.cx], [0, self.focal_length, self.cy], [0, 0, 1]]
        )
        points = np.stack([column, row], -1).reshape(-1, 1, 2).astype(np.float64)
        enough = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-10)
        found = cv2.undistortPoints(
            points, matrix, np.array(self.distortion), None, None, matrix, enough
        )
        found = on_grid(found, 20).reshape(*np.shape(column), 2)
        return found[..., 0], found[..., 1]

    def check(self, edge: float) -> None:
        """Refuse a lens that shows a direction twice, or never.

        Args:
            edge: Tangent of half the horizontal field of view.

        Raises:
            ValueError: If it does so within the picture.
        """
        column, row = np.meshgrid(
            np.linspace(-0.5, self.width - 0.5, 33), np.linspace(-0.5, self.height - 0.5, 33)
        )
        flat_column, flat_row = self.flat(column, row)
        right, down = flat_column - self.cx, flat_row - self.cy
        back = self.distorted(flat_column, flat_row)
        error = np.hypot(back[0] - column, back[1] - row)
        # Along a ray the lens must keep the order of what it shows.
        nearer = self.distorted(self.cx + 0.99 * right, self.cy + 0.99 * down)
        inward = np.hypot(nearer[0] - self.cx, nearer[1] - self.cy)
        outward = np.hypot(column - self.cx, row - self.cy)
        border = self.flat(np.array(self.cx + self.width / 2), np.array(self.cy))[0]
        missed = abs(float(border) - self.cx - self.focal_length * edge)
        if missed > 0.5 or error.max() > 0.05 or (inward > outward).any():
            raise ValueError(
                f'distortion must be undone everywhere in the picture, got {self.distortion}; '
                'take smaller coefficients, or a smaller fov_deg'
            )


def _given(option: float | None, drawn: float) -> float:
    return drawn if option is None else option


def _settled(value: float) -> float:
    return float(on_grid(value, 32))


@dataclass(frozen=True)
class View:
    """Where the camera is at one moment, and how it looks.

    Attributes:
        camera: The camera.
        x: m, of the camera in the world.
        y: m.
        z: m.
        heading: rad, of the optical axis, left positive.
        pitch: rad, of the optical axis, downwards.
        roll: rad, of the camera about the optical axis, to its right side; what it sees turns to
            the left.
    """

    camera: Camera
    x: float
    y: float
    z: float
    heading: float
    pitch: float
    roll: float

    def relative(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Points of the world as the camera sees them.

        Args:
            x: (...) m.
            y: (...) m.
            z: (...) m.

        Returns:
            depth: (...) m along the optical axis.
            left: (...) m.
            up: (...) m, square to both.
        """
        dx, dy, dz = x - self.x, y - self.y, z - self.z
        cos, sin = _cos_sin(self.heading)
        forward, left = cos * dx + sin * dy, cos * dy - sin * dx
        cos, sin = _cos_sin(self.pitch)
        return forward * cos - dz * sin, left, forward * sin + dz * cos

    def project(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Column and row (px, flat, before the roll) and depth (m) of points of the world.

        Points nearer than 0.5 m are treated as being that far, so that what passes the camera
        leaves the picture at its border.
        """
        depth, left, up = self.relative(x, y, z)
        scale = self.camera.focal_length / np.maximum(depth, 0.5)
        return self.camera.cx - left * scale, self.camera.cy - up * scale, depth

    @property
    def horizon(self) -> float:
        """Row of the horizon, px, before the roll."""
        return self.camera.cy - self.camera.focal_length * _settled(math.tan(self.pitch))


def _cos_sin(angle: float) -> tuple[float, float]:
    return _settled(math.cos(angle)), _settled(math.sin(angle))
