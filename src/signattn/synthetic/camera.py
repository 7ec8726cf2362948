"""The camera: from the vehicle's surroundings to the picture."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera on the vehicle, looking forward.

    Attributes:
        width: px.
        height: px.
        focal_length: px.
        cx: px, column of the optical axis; the middle of the first pixel is 0.
        cy: px, row of the optical axis.
        above_road: m, height of the camera over the road.
        pitch: rad, downward tilt.
        yaw: rad, turn to the left against the vehicle.
    """

    width: int
    height: int
    focal_length: float
    cx: float
    cy: float
    above_road: float
    pitch: float
    yaw: float

    @classmethod
    def drawn(
        cls, width: int, height: int, fov_deg: float | None, rng: np.random.Generator
    ) -> 'Camera':
        """A camera like that of the Udacity car, a little different with every draw.

        Args:
            width: px.
            height: px.
            fov_deg: deg, horizontal field of view; None draws it too.
            rng: Source of randomness.

        Returns:
            The camera; on a level road its horizon lies at 0.36 to 0.46 of the height.
        """
        drawn_fov = float(rng.uniform(16, 21))
        half = math.radians(drawn_fov if fov_deg is None else fov_deg) / 2
        focal_length = width / 2 / math.tan(half)
        horizon = float(rng.uniform(0.36, 0.46))
        return cls(
            width=width,
            height=height,
            focal_length=focal_length,
            cx=(width - 1) / 2,
            cy=(height - 1) / 2,
            above_road=float(rng.uniform(1.2, 1.45)),
            pitch=math.atan((0.5 - horizon) * height / focal_length),
            yaw=math.radians(float(rng.uniform(-0.3, 0.3))),
        )


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
        roll: rad, of the picture about the optical axis, clockwise positive.
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
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        forward, left = cos * dx + sin * dy, cos * dy - sin * dx
        cos, sin = math.cos(self.pitch), math.sin(self.pitch)
        return forward * cos - dz * sin, left, forward * sin + dz * cos

    def project(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Column, row (px, before the roll) and depth (m) of points of the world.

        Points nearer than 0.5 m are treated as being that far, so that what passes the camera
        leaves the picture at its border.
        """
        depth, left, up = self.relative(x, y, z)
        scale = self.camera.focal_length / np.maximum(depth, 0.5)
        return self.camera.cx - left * scale, self.camera.cy - up * scale, depth

    @property
    def horizon(self) -> float:
        """Row of the horizon, px, before the roll."""
        return self.camera.cy - self.camera.focal_length * math.tan(self.pitch)
