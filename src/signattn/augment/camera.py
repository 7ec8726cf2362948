"""The road as another camera would have seen it, and what its driver would steer."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.augment.config import AugmentConfig
from signattn.preprocess import HEIGHT, WIDTH, Image

Pixels = NDArray[np.float32]


def mirror(image: Image) -> Image:
    """A picture (80, 160, 3) uint8 with left and right exchanged."""
    return np.asarray(cv2.flip(image, 1), np.uint8)


def seen_from(
    yaw: float, shift: float, config: AugmentConfig, stretch: float = 1.0
) -> tuple[Pixels, Pixels]:
    """Where in a picture lies what a turned and shifted camera sees.

    One homography holds for the road, which is flat, and one for what is infinitely far away; they
    meet at the horizon. So what stands up moves as if it lay on the road, and above the horizon a
    shift moves nothing.

    Args:
        yaw: rad, how far the camera is turned to the left.
        shift: m, how far it is shifted to the left.
        config: The camera.
        stretch: Horizontal over vertical scale of the pictures, as ``Preprocessing.stretch``.

    Returns:
        Column and row of each pixel's source, (80, 160) float32 each.
    """
    focal = WIDTH / 2 / math.tan(math.radians(config.horizontal_fov_deg) / 2)  # px, horizontal
    centre, horizon = (WIDTH - 1) / 2, config.horizon * HEIGHT
    column, row = np.meshgrid(np.arange(WIDTH) - centre, np.arange(HEIGHT) - horizon)
    # Each pixel's ray, whose depth is 1 in the moved camera: right and ahead in the one that was.
    # The ray meets the road at the depth height / down.
    across, down = column / focal, np.maximum(row, 0) / (focal / stretch)
    right = across * math.cos(yaw) - math.sin(yaw) - shift * down / config.camera_height_m
    ahead = across * math.sin(yaw) + math.cos(yaw)
    source_x, source_y = centre + focal * right / ahead, horizon + row / ahead
    return source_x.astype(np.float32), source_y.astype(np.float32)


def look_from(image: Image, sources: tuple[Pixels, Pixels]) -> Image:
    """A picture (80, 160, 3) uint8, HSV, with each pixel taken from where ``seen_from`` says."""
    # Nearest pixel: a hue must not be mixed with another across the end of its circle.
    moved = cv2.remap(image, *sources, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def steered_back(yaw: float, shift: float, recovery_m: float) -> float:
    """Curvature that brings a car back onto its path: pure pursuit of the point recovery_m ahead.

    Args:
        yaw: rad, how far the car is turned to the left; small.
        shift: m, how far it is shifted to the left; small against recovery_m.
        recovery_m: m.

    Returns:
        1/m, left positive, to be added to that of the path.
    """
    return -2 * (shift + yaw * recovery_m) / recovery_m**2
