"""Variations of a training sequence that keep the geometry honest."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.preprocess import HEIGHT, WIDTH

Frames = NDArray[np.uint8]
Curvature = NDArray[np.float64]


@dataclass(frozen=True)
class AugmentConfig:
    """How far a sequence may be varied. One draw holds for all frames of a sequence.

    Attributes:
        mirror: Probability of a left-right mirror with the curvature's sign changed.
        max_skip: Every 1st to this-th frame is used; curvature is per metre and stays.
        gain: Largest relative change of brightness and, apart from it, of saturation.
        gamma: Largest relative change of gamma.
        grey: Probability of taking the colour away.
        noise: Largest standard deviation of noise on the brightness, of 255.
        yaw_deg: Standard deviation of a turn of the camera, degrees.
        shift_m: Standard deviation of a sideways shift of the camera, m.
        recovery_m: m of travel over which a driver would steer a turned or shifted car back: the
            labels are corrected by that curvature.
        horizontal_fov_deg: Field of view of the camera, degrees, for the warps; the Udacity car's
            is narrow.
        horizon: Height of the horizon in the picture, fraction from above.
        camera_height_m: m above the road.
    """

    mirror: float = 0.5
    max_skip: int = 1
    gain: float = 0.0
    gamma: float = 0.0
    grey: float = 0.0
    noise: float = 0.0
    yaw_deg: float = 0.0
    shift_m: float = 0.0
    recovery_m: float = 30.0
    horizontal_fov_deg: float = 18.0
    horizon: float = 0.4
    camera_height_m: float = 1.4

    def __post_init__(self) -> None:
        """Refuse ranges that can't be drawn from."""
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f'{name} must be in [{low:g}, {high:g}], got {value}')


_RANGES = (
    ('mirror', 0, 1),
    ('max_skip', 1, 10),
    ('gain', 0, 0.9),
    ('gamma', 0, 0.9),
    ('grey', 0, 1),
    ('noise', 0, 255),
    ('yaw_deg', 0, 45),
    ('shift_m', 0, 5),
    ('recovery_m', 1, 1000),
    ('horizontal_fov_deg', 5, 175),
    ('horizon', 0, 1),
    ('camera_height_m', 0.1, 10),
)


def augment(
    frames: Frames,
    curvature: Curvature,
    config: AugmentConfig,
    rng: np.random.Generator,
    stretch: float = 1.0,
) -> tuple[Frames, Curvature]:
    """Vary a sequence.

    Args:
        frames: (T, 80, 160, 3) uint8, HSV; not modified.
        curvature: (T,) float64, 1/m, left positive; not modified.
        config: How far.
        rng: Where the draws come from.
        stretch: Horizontal over vertical scale of the frames, as ``Preprocessing.stretch``.

    Returns:
        Frames and curvature of the same shapes.
    """
    # All draws come first and always, so that switching one off leaves the others as they are.
    mirrored, greyed = rng.random(2) < (config.mirror, config.grey)
    brightness, saturation, bend = rng.uniform(-1, 1, 3)
    yaw, shift = rng.standard_normal(2) * (math.radians(config.yaw_deg), config.shift_m)
    noise = rng.uniform(0, 1) * config.noise
    if mirrored:
        frames, curvature = frames[:, :, ::-1], -curvature
    if config.yaw_deg or config.shift_m:
        frames, curvature = move_camera(frames, curvature, yaw, shift, config, stretch)
    if greyed:
        frames = _without_colour(frames)
    frames = _change_light(
        frames, 1 + config.gain * brightness, 1 + config.gain * saturation, 1 + config.gamma * bend
    )
    if noise:
        frames = _add_noise(frames, noise, rng)
    return np.ascontiguousarray(frames), curvature


def move_camera(
    frames: Frames,
    curvature: Curvature,
    yaw: float,
    shift: float,
    config: AugmentConfig,
    stretch: float = 1.0,
) -> tuple[Frames, Curvature]:
    """See the road as from a car that is turned and shifted, and steer it back.

    A turn moves all of the picture. A shift moves what lies on the road in proportion to its
    distance below the horizon; what stands up is moved as if it lay there, what is above the
    horizon stays. The label gains the curvature that brings the car back onto its path (pure
    pursuit of the point recovery_m ahead).

    Args:
        frames: (T, 80, 160, 3) uint8, HSV.
        curvature: (T,) float64, 1/m, left positive.
        yaw: rad, how far the car is turned to the left.
        shift: m, how far the car is shifted to the left.
        config: The camera, and recovery_m.
        stretch: Horizontal over vertical scale of the frames, as ``Preprocessing.stretch``.

    Returns:
        Frames and curvature of the same shapes.
    """
    focal = WIDTH / 2 / math.tan(math.radians(config.horizontal_fov_deg) / 2)  # px
    columns, rows = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT))
    below = np.maximum(rows - config.horizon * HEIGHT, 0)
    right = focal * math.tan(yaw) + stretch * shift / config.camera_height_m * below  # px
    source_x, source_y = (columns - right).astype(np.float32), rows.astype(np.float32)
    # Nearest pixel: a hue must not be mixed with another across the end of its circle.
    moved = [
        cv2.remap(
            np.ascontiguousarray(frame),
            source_x,
            source_y,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for frame in frames
    ]
    back = 2 * (shift + yaw * config.recovery_m) / config.recovery_m**2
    return np.asarray(moved, np.uint8), curvature - back


def _without_colour(frames: Frames) -> Frames:
    tall = np.ascontiguousarray(frames).reshape(-1, WIDTH, 3)
    grey = cv2.cvtColor(cv2.cvtColor(tall, cv2.COLOR_HSV2RGB), cv2.COLOR_RGB2GRAY)
    colourless = np.zeros(tall.shape, np.uint8)
    colourless[..., 2] = grey
    return colourless.reshape(frames.shape)


def _change_light(frames: Frames, brightness: float, saturation: float, gamma: float) -> Frames:
    levels = np.arange(256) / 255
    table = np.empty((256, 1, 3), np.uint8)
    table[:, 0, 0] = np.arange(256)
    table[:, 0, 1] = np.clip(255 * saturation * levels, 0, 255).round()
    table[:, 0, 2] = np.clip(255 * brightness * levels**gamma, 0, 255).round()
    tall = np.ascontiguousarray(frames).reshape(-1, WIDTH, 3)
    changed = np.empty_like(tall)
    cv2.LUT(tall, table, changed)
    return changed.reshape(frames.shape)


def _add_noise(frames: Frames, noise: float, rng: np.random.Generator) -> Frames:
    noisy: Frames = frames.copy()
    value = frames[..., 2] + rng.standard_normal(frames.shape[:3], np.float32) * np.float32(noise)
    noisy[..., 2] = value.clip(0, 255).round()
    return noisy
