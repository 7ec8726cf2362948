"""Where the road ahead lies in a camera's picture, if it is known how the camera sits and sees."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

NEAREST = 0.5
"""m; what is less far ahead of the camera is not drawn."""

RIBBON = 0.3
"""m, width of a drawn arc."""

_OPACITY = 0.5
_STEPS = 256
_PROPORTIONS = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mount:
    """Where a camera sits on the vehicle.

    Attributes:
        height: m above the road.
        pitch: rad, downwards positive (REP 103: about the axis to the left).
        yaw: rad, to the left positive.
        x: m ahead of base_link.
        y: m to the left of base_link.
    """

    height: float
    pitch: float = 0.0
    yaw: float = 0.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True, eq=False)
class Lens:
    """How a camera sees, in pixels of a picture of one size.

    Attributes:
        width: px.
        height: px.
        focal: (2,) float, px, along rows and columns.
        centre: (2,) float, px, column and row of the optical axis; the first pixel's centre is 0.
        distortion: Coefficients in the order of OpenCV; none for a straight lens, four for a
            fisheye.
        fisheye: Whether they are those of OpenCV's fisheye model.
    """

    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    distortion: tuple[float, ...] = ()
    fisheye: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of coefficients that belongs to no model."""
        known = (4,) if self.fisheye else (0, 4, 5, 8, 12, 14)
        if len(self.distortion) not in known:
            lengths = ', '.join(map(str, known))
            raise ValueError(
                f'distortion must have one of {lengths} coefficients, got {len(self.distortion)}'
            )

    def fits(self, width: int, height: int) -> bool:
        """Whether a picture has the proportions that the lens is known for, by one percent."""
        return abs(width * self.height / (height * self.width) - 1) <= _PROPORTIONS

    def resized(self, width: int, height: int) -> 'Lens':
        """The same lens for the same picture in another size.

        Args:
            width: px.
            height: px.

        Returns:
            The lens.
        """
        scale = width / self.width, height / self.height
        (fx, fy), (cx, cy) = self.focal, self.centre
        centre = (cx + 0.5) * scale[0] - 0.5, (cy + 0.5) * scale[1] - 0.5
        focal = fx * scale[0], fy * scale[1]
        return replace(self, width=width, height=height, focal=focal, centre=centre)


def straight_lens(fov: float, width: int, height: int) -> Lens:
    """A lens without distortion that looks through the middle of the picture.

    Args:
        fov: rad, horizontal field of view, below π.
        width: px.
        height: px.

    Returns:
        The lens.
    """
    focal = width / 2 / math.tan(fov / 2)
    return Lens(width, height, (focal, focal), ((width - 1) / 2, (height - 1) / 2))


def project(points: Floats, mount: Mount, lens: Lens) -> Floats:
    """Pixels at which a camera sees points of the road.

    Args:
        points: (N, 2) float, m in base_link: ahead and to the left.
        mount: Where the camera sits.
        lens: How it sees.

    Returns:
        (N, 2) float64, px, column and row, perhaps outside the picture; NaN where the camera sees
        no such point: less than half a metre ahead, or so far aside that the coefficients of the
        distortion would fold it back into the picture.
    """
    ahead, left = (np.asarray(points, np.float64) - (mount.x, mount.y)).T
    ahead, left = (
        ahead * math.cos(mount.yaw) + left * math.sin(mount.yaw),
        left * math.cos(mount.yaw) - ahead * math.sin(mount.yaw),
    )
    depth = ahead * math.cos(mount.pitch) + mount.height * math.sin(mount.pitch)
    down = mount.height * math.cos(mount.pitch) - ahead * math.sin(mount.pitch)
    depth = np.where(depth >= NEAREST, depth, np.nan)
    seen = _distorted(np.stack([-left / depth, down / depth], axis=1), lens)
    return np.asarray(seen * lens.focal + lens.centre, np.float64)


def _distorted(rays: Floats, lens: Lens) -> Floats:
    """(N, 2) tangents of the rays' angles, as the lens bends them; NaN stays, folds become it."""
    if not (lens.fisheye or any(lens.distortion)):
        return rays
    aside = np.linalg.norm(rays, axis=1)
    seen = aside < _fold(lens, float(np.nanmax(aside, initial=0.0)))
    bent = np.full_like(rays, np.nan)
    if seen.any():
        bent[seen] = _through(rays[seen], lens)
    return bent


def _fold(lens: Lens, furthest: float) -> float:
    """From where on, as tangent, the polynomial would bring rays back into the picture."""
    tangents = np.linspace(0, furthest, _STEPS)
    rays = np.stack([tangents, np.zeros(_STEPS)], axis=1)
    falls = np.flatnonzero(np.diff(np.linalg.norm(_through(rays, lens), axis=1)) <= 0)
    return float(tangents[falls[0]]) if falls.size and furthest else math.inf


def _through(rays: Floats, lens: Lens) -> Floats:
    coefficients = np.array(lens.distortion)
    if lens.fisheye:
        bent = cv2.fisheye.distortPoints(rays[:, None], np.eye(3), coefficients)
        return np.asarray(bent[:, 0], np.float64)
    spatial = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    origin = np.zeros(3)
    pixels, _ = cv2.projectPoints(spatial, origin, origin, np.eye(3), coefficients)
    return np.asarray(pixels[:, 0], np.float64)


def ribbon(x: Floats, y: Floats, yaw: Floats, width: float = RIBBON) -> Floats:
    """Edges of a ribbon that lies along a path on the road.

    Args:
        x: (N,) float, m ahead.
        y: (N,) float, m to the left.
        yaw: (N,) float, rad, heading along the path.
        width: m.

    Returns:
        (2, N, 2) float64, m, left edge and right edge.
    """
    middle = np.stack([x, y], axis=1)
    left = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1) * width / 2
    return np.stack([middle + left, middle - left])


def draw_ribbon(
    image: NDArray[np.uint8], edges: Floats, mount: Mount, lens: Lens, paint: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Draw a ribbon where it would lie on a flat road.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        edges: (2, N, 2) float, m, from near to far, as ``ribbon`` gives them.
        mount: Where the camera sits.
        lens: How it sees pictures of any size of the same proportions.
        paint: RGB.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    height, width = image.shape[:2]
    fitted = lens.resized(width, height)
    left, right = (project(edge, mount, fitted) for edge in edges)
    drawn = image.copy()
    for i in range(len(left) - 1):
        corners = np.stack([left[i], left[i + 1], right[i + 1], right[i]])
        if np.isfinite(corners).all():
            # Two bits of a pixel's fraction; far outside nothing is seen of the difference.
            fixed = np.round(np.clip(corners, -30_000, 30_000) * 4).astype(np.int32)
            cv2.fillConvexPoly(drawn, fixed, paint, cv2.LINE_8, 2)
    return np.asarray(cv2.addWeighted(drawn, _OPACITY, image, 1 - _OPACITY, 0), np.uint8)
