"""How far a training sequence may be varied."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        light: Largest relative change of brightness at a corner of the picture, falling in a
            straight ramp to none in the middle and to the opposite beyond it; apart from it,
            largest share of 255 that another ramp adds.
        grey: Probability of taking the colour away.
        blur: Largest standard deviation of a Gaussian blur, px of the 80×160 picture.
        noise: Largest standard deviation of noise on the brightness, of 255; fresh in each frame.
        jpeg: Probability of passing all frames through JPEG, at a quality from 20 to 90.
        yaw_deg: Standard deviation of a turn of the camera, degrees.
        shift_m: Standard deviation of a sideways shift of the camera, m.
        recovery_m: m of travel over which a driver would steer a turned or shifted car back: the
            labels are corrected by that curvature.
        horizontal_fov_deg: Field of view of the camera, degrees, for the warps; the Udacity car's
            is narrow.
        horizon: Height of the horizon in the picture, fraction from above.
        camera_height_m: m above the road.
        fourier: Probability that a rendered sequence takes low frequencies' amplitude from a real
            picture.
        fourier_band: Which frequencies those are: up to this share of 80 (β), rounded down, in
            periods along the picture's height and along its width.
        mask_training: Probability that parts of a sequence are covered.
        mask_share: Largest share of a picture that is covered.
    """

    mirror: float = 0.5
    max_skip: int = 1
    gain: float = 0.0
    gamma: float = 0.0
    light: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    yaw_deg: float = 0.0
    shift_m: float = 0.0
    recovery_m: float = 30.0
    horizontal_fov_deg: float = 18.0
    horizon: float = 0.4
    camera_height_m: float = 1.4
    fourier: float = 0.0
    fourier_band: float = 0.03
    mask_training: float = 0.0
    mask_share: float = 0.5

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
    ('light', 0, 0.9),
    ('grey', 0, 1),
    ('blur', 0, 5),
    ('noise', 0, 255),
    ('jpeg', 0, 1),
    ('yaw_deg', 0, 45),
    ('shift_m', 0, 5),
    ('recovery_m', 1, 1000),
    ('horizontal_fov_deg', 5, 175),
    ('horizon', 0, 1),
    ('camera_height_m', 0.1, 10),
    ('fourier', 0, 1),
    ('fourier_band', 0, 0.2),
    ('mask_training', 0, 1),
    ('mask_share', 0, 1),
)
