"""A camera to imitate: its options, and the files that hold them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from signattn.share import from_mapping, read_yaml, shipped_or_own


@dataclass(frozen=True)
class CameraConfig:
    """A camera to imitate. What is None is drawn from the seed, like the Udacity car's camera.

    Attributes:
        width: px, width of the picture.
        height: px, height of the picture.
        fov_deg: deg, horizontal field of view; drawn from 16 to 21 if not given.
        horizon: Where the horizon of a level road lies, as a share of the height from the top.
        camera_height: m, over the road.
        camera_yaw_deg: deg, turn of the camera to the left against the car.
        distortion: Up to five coefficients k1, k2, p1, p2, k3 of the lens, Brown-Conrady as in
            OpenCV; none for a lens that draws straight.
        bonnet: Share of the picture's height that the car's bonnet covers in the middle.
        bonnet_colour: RGB from 0 to 255 of the bonnet in the light.
        bonnet_gloss: How much of the sky the bonnet reflects, 0 to 1.
        grey: Whether the camera is blind to colour; its JPEG has one channel.
        saturation: Of the colours; 1 leaves them.
        exposure: 'profile' follows a profile of sun and shade along the road, 'auto' follows the
            picture, a number is a fixed gain.
        brightness: Grey value that an 'auto' exposure gives to the mean of the picture.
        exposure_lag: s, time constant of an 'auto' exposure.
        exposure_bias: EV, over-exposure; negative for under-exposure.
        shutter_ms: ms that a picture is exposed at a gain of 1, longer at a higher gain, up to the
            time from one picture to the next; blurs what moves. 0 for none.
        gamma: Exponent from light to grey value.
        contrast: Gain behind the exponent.
        shoulder: How much the bright end is bent; 0 clips it hard.
        blur: px, spread of the lens' blur.
        vignette: Share of the light that the corners lose.
        noise: Grey values, spread of the noise.
        gain_noise: Exponent with which noise grows with the exposure's gain.
        motion: Strength of pitch, roll, bounce and yaw of the camera; 0 for none.
        quality: JPEG quality from 1 to 100.
    """

    width: int = 640
    height: int = 480
    fov_deg: float | None = None
    horizon: float | None = None
    camera_height: float | None = None
    camera_yaw_deg: float | None = None
    distortion: tuple[float, ...] = ()
    bonnet: float = 0.0
    bonnet_colour: tuple[int, int, int] | None = None
    bonnet_gloss: float | None = None
    grey: bool = False
    saturation: float = 1.0
    exposure: Literal['profile', 'auto'] | float = 'profile'
    brightness: float | None = None
    exposure_lag: float | None = None
    exposure_bias: float = 0.0
    shutter_ms: float = 0.0
    gamma: float | None = None
    contrast: float | None = None
    shoulder: float = 0.12
    blur: float | None = None
    vignette: float | None = None
    noise: float | None = None
    gain_noise: float = 0.0
    motion: float = 1.0
    quality: int = 90

    def __post_init__(self) -> None:
        """Refuse what no camera is, and options that contradict each other."""
        for name, (low, high, unit) in RANGES.items():
            if (value := getattr(self, name)) is not None:
                between(name, value, low, high, unit)
        for name in ('width', 'height', 'quality'):
            if not isinstance(getattr(self, name), int):
                raise ValueError(f'{name} must be whole, got {getattr(self, name)}')
        if not isinstance(self.grey, bool):
            raise ValueError(f'grey must be true or false, got {self.grey!r}')
        self._check_lists()
        self._check_exposure()
        for name, needed in idle(vars(self)).items():
            if (value := getattr(self, name)) != CameraConfig.__dataclass_fields__[name].default:
                raise ValueError(f'{name} must be left out {needed}, got {value}')

    def _check_lists(self) -> None:
        if not isinstance(self.distortion, tuple) or len(self.distortion) > 5:
            raise ValueError(
                f'distortion must be a list of at most 5 coefficients, got {self.distortion}'
            )
        for value in self.distortion:
            between('distortion', value, -10, 10, '')
        colour = self.bonnet_colour
        if colour is None:
            return
        if not isinstance(colour, tuple) or len(colour) != 3:
            raise ValueError(f'bonnet_colour must be a list of 3 values, got {colour}')
        for value in colour:
            between('bonnet_colour', value, 0, 255, '')

    def _check_exposure(self) -> None:
        if self.exposure in ('profile', 'auto'):
            return
        if isinstance(self.exposure, str):
            raise ValueError(
                f"exposure must be 'profile', 'auto' or a number, got {self.exposure!r}"
            )
        between('exposure', self.exposure, 1 / 64, 64, '')


def idle(options: Mapping[str, Any]) -> dict[str, str]:
    """Which options mean nothing beside others, and why.

    Args:
        options: By name, at least 'exposure', 'bonnet' and 'grey'.

    Returns:
        Names, each with a phrase that names what is missing or in the way.
    """
    phrases: dict[str, str] = {}
    if options['exposure'] != 'auto':
        phrases |= dict.fromkeys(('brightness', 'exposure_lag'), "without exposure 'auto'")
    if not options['bonnet']:
        phrases |= dict.fromkeys(('bonnet_colour', 'bonnet_gloss'), 'without a bonnet')
    if options['grey']:
        phrases['saturation'] = 'in grey'
    return phrases


RANGES = {
    'width': (64, 4096, 'px'),
    'height': (48, 4096, 'px'),
    'fov_deg': (10, 100, 'deg'),
    'horizon': (0.1, 0.9, ''),
    'camera_height': (0.5, 4, 'm'),
    'camera_yaw_deg': (-10, 10, 'deg'),
    'bonnet': (0, 0.5, ''),
    'bonnet_gloss': (0, 1, ''),
    'saturation': (0, 3, ''),
    'brightness': (5, 250, ''),
    'exposure_lag': (0.05, 10, 's'),
    'exposure_bias': (-4, 4, 'EV'),
    'shutter_ms': (0, 100, 'ms'),
    'gamma': (0.3, 4, ''),
    'contrast': (0.3, 4, ''),
    'shoulder': (0, 1, ''),
    'blur': (0.05, 3, 'px'),
    'vignette': (0, 0.95, ''),
    'noise': (0, 40, ''),
    'gain_noise': (0, 2, ''),
    'motion': (0, 4, ''),
    'quality': (1, 100, ''),
}


def load_camera(name_or_path: str | Path) -> dict[str, Any]:
    """Read a camera file.

    Args:
        name_or_path: Name of a shipped camera (``config/camera/NAME.yaml``), or the path of a
            file of one's own.

    Returns:
        Those options of ``CameraConfig`` that the file gives.

    Raises:
        ValueError: If no such camera exists, or the file has an unknown or wrong key.
    """
    path = shipped_or_own('camera', name_or_path)
    mapping = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in read_yaml(path).items()
    }
    try:
        from_mapping(CameraConfig, mapping, str(path))
    except ValueError as error:
        text = str(error)
        raise ValueError(text if str(path) in text else f'{path}: {text}') from error
    return mapping


def between(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Refuse an option that is no number within bounds, whose unit is named."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f'{name} must be a number, got {value!r}')
    if not math.isfinite(value):
        raise ValueError(f'{name} must be finite, got {value}')
    if not low <= value <= high:
        text = f'{name} must be from {low} to {high} {unit}'.rstrip()
        raise ValueError(f'{text}, got {value}')
