"""What is too far away to come nearer: sky, clouds, hills and the distant tree line."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.camera import Camera, View
from signattn.synthetic.canvas import Bytes
from signattn.synthetic.course import smooth_noise
from signattn.synthetic.exact import remap
from signattn.synthetic.weather import Weather

Pixels = NDArray[np.float32]

COARSENESS = 2  # px of the picture a pixel of the panorama
HAZE_TOP, FARTHEST = 70.0, 2000.0  # m, height of the haze, and way through it at the horizon
DUSK_TOP, DUSK_HORIZON, DUSK_WEST = (0.3, 0.34, 0.46), (0.42, 0.42, 0.5), (0.92, 0.62, 0.5)
SUNLIGHT = ((0.6, (400, 380, 320)), (9.0, (110, 80, 30)), (40.0, (46, 22, -18)))  # deg, RGB


class Backdrop:
    """A panorama at infinity, turned by the heading alone."""

    def __init__(self, camera: Camera, weather: Weather, rng: np.random.Generator) -> None:
        """Paint the panorama for a camera in a weather."""
        self._scale = camera.focal_length / COARSENESS  # px a radian
        self._around = round(2 * math.pi * self._scale)
        margin = math.ceil(camera.width / COARSENESS) + 4
        self._above = math.ceil((0.7 * camera.height + 0.12 * camera.focal_length) / COARSENESS)
        below = math.ceil((0.3 * camera.height + 0.12 * camera.focal_length) / COARSENESS)
        panorama = _paint(self._around, self._above, below, self._scale, weather, rng)
        panorama = np.concatenate([panorama, panorama[:, :margin]], axis=1)
        # OpenCV is much faster with four channels.
        self._panorama = cv2.cvtColor(panorama, cv2.COLOR_RGB2RGBA)
        column = np.arange(camera.width) - camera.cx
        self._azimuth = (np.arctan(column / camera.focal_length) * self._scale).astype(np.float32)

    def paint(self, picture: Bytes, view: View) -> None:
        """Fill the upper part of a picture.

        Args:
            picture: (R, W, 4) uint8, the rows of a canvas down to the ground.
            view: Where the camera looks.
        """
        if not picture.shape[0]:
            return
        middle = -view.heading * self._scale
        first = middle + float(self._azimuth[0])
        turn = middle - math.floor(first / self._around) * self._around
        rows = (np.arange(picture.shape[0]) - view.horizon) / COARSENESS + self._above
        shape = picture.shape[:2]
        columns = np.broadcast_to(self._azimuth + np.float32(turn), shape)
        rows = np.broadcast_to(rows.astype(np.float32)[:, None], shape)
        remap(
            self._panorama,
            np.ascontiguousarray(columns),
            np.ascontiguousarray(rows),
            cv2.INTER_LINEAR,
            dst=picture,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _paint(
    around: int,
    above: int,
    below: int,
    scale: float,
    weather: Weather,
    rng: np.random.Generator,
) -> Bytes:
    """The whole panorama, (above + below, around, 3), the horizon at row ``above``."""
    height = above + below
    ambient = np.array(weather.ambient)
    picture = _sky(around, above, height, scale, weather, rng)
    haze = picture[above - 1].mean(0) * np.array([0.97, 1.0, 1.02])
    layers = int(rng.integers(1, 4))
    for layer in range(layers):
        nearness = (layer + 1) / (layers + 1)
        rise = scale * math.radians(rng.uniform(1.2, 3.2)) * (1.1 - 0.6 * nearness)
        outline = above - rise * (0.55 + 0.45 * _ring(rng, around, scale * rng.uniform(0.06, 0.2)))
        outline -= 0.8 * _ring(rng, around, scale * 0.002)
        tone = np.array([92, 104, 66]) * rng.uniform(0.7, 1.2)
        tone = tone + np.array([40, 22, 4]) * rng.uniform(0, 1)
        _layer(picture, outline, tone * ambient, haze, 0.75 - 0.5 * nearness, (4.0, 0.18), rng)
    # From a distant line of trees to wooded slopes that fill the view.
    rise = scale * math.radians(float(np.exp(rng.uniform(np.log(0.5), np.log(6.0)))))
    crown = scale * math.radians(0.8)
    outline = above - rise * np.clip(0.9 + 0.35 * _ring(rng, around, scale * 0.04), 0.1, 2)
    outline -= 0.35 * crown * np.abs(_ring(rng, around, scale * 0.004))
    outline -= 0.1 * crown * _ring(rng, around, 1.2)
    tone = np.array([54, 66, 40]) * rng.uniform(0.7, 1.2)
    _layer(picture, outline, tone * ambient, haze, rng.uniform(0.05, 0.25), (2.0, 0.4), rng)
    meadow = above - 0.2 * crown * np.abs(_ring(rng, around, scale * 0.05))
    tone = np.array([112, 112, 68]) * rng.uniform(0.7, 1.1)
    _layer(picture, meadow, tone * ambient, haze, 0.12, (3.0, 0.15), rng)
    if weather.extinction:
        _veil(picture, above, scale, weather)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _sky(
    around: int,
    above: int,
    height: int,
    scale: float,
    weather: Weather,
    rng: np.random.Generator,
) -> Pixels:
    """Sky with clouds and a brighter side about the sun, (height, around, 3)."""
    up = np.clip((above - np.arange(height)) / scale / 0.35, 0, 1)[:, None, None]
    blue = np.array([104, 150, 214]) * rng.uniform(0.85, 1.1)
    pale = np.array([206, 220, 234]) * rng.uniform(0.9, 1.05)
    overcast = float(rng.choice([0.0, 0.0, 0.2, 0.5, 0.9]))
    if weather.clouds is not None:
        overcast = weather.clouds[0]
    grey = np.array([206, 210, 214])
    sky = (pale + (blue - pale) * up**0.7) * (1 - overcast) + grey * overcast
    sky = np.broadcast_to(sky, (height, around, 3)).astype(np.float32)
    cover = float(rng.uniform(-0.6, 1.0))
    if weather.clouds is not None:
        cover = weather.clouds[1]
    clouds = np.zeros((height, around), np.float32)
    for size, weight in ((0.16, 1.0), (0.07, 0.6), (0.03, 0.35), (0.012, 0.2)):
        clouds += weight * _texture(rng, height, around, size * scale * 0.4, size * scale)
    clouds = np.clip(0.6 * (clouds + cover - 0.4), 0, 1)[..., None]
    sky += (np.array([244, 244, 246], np.float32) - sky) * clouds * np.float32(0.85)
    azimuth = np.arange(around) / scale
    glow = np.exp(2.5 * (np.cos(azimuth - rng.uniform(0, 2 * np.pi)) - 1)).astype(np.float32)
    sky += glow[None, :, None] * np.float32(rng.uniform(10, 60))
    if not weather.plain:
        _light_sky(np.asarray(sky), above, scale, weather)
    return np.asarray(sky, np.float32)


def _light_sky(sky: Pixels, above: int, scale: float, weather: Weather) -> None:
    """Light a sky (H, W, 3) of the usual day as the weather and the time of day want it."""
    height, around = sky.shape[:2]
    rise = (above - np.arange(height)) / scale  # rad
    up = np.clip(rise / 0.35, 0, 1)[:, None, None] ** 0.6
    azimuth = np.arange(around) / scale
    if weather.light == 'dusk':
        west = np.exp(1.5 * (np.cos(azimuth - 1.0) - 1))[None, :, None]
        horizon = np.array(DUSK_HORIZON) + west * np.subtract(DUSK_WEST, DUSK_HORIZON)
        sky *= (horizon + (np.array(DUSK_TOP) - horizon) * up).astype(np.float32)
    elif weather.weather in {'overcast', 'fog', 'rain'}:
        sky *= np.array(weather.ambient, np.float32)
    if weather.sun is not None:
        turn = np.cos(azimuth + weather.sun.bearing)
        off = np.hypot(
            np.arccos(np.clip(turn, -1, 1))[None], rise[:, None] - weather.sun.elevation
        )
        for size, light in SUNLIGHT:
            sky += np.exp(-off / math.radians(size))[..., None] * np.array(light, np.float32)


def _veil(panorama: Pixels, above: int, scale: float, weather: Weather) -> None:
    """Let fog and rain lie before a panorama (H, W, 3), thick near the horizon."""
    rise = np.maximum((above - np.arange(panorama.shape[0])) / scale, 1e-3)[:, None, None]
    length = np.minimum(HAZE_TOP / np.sin(rise), FARTHEST)
    clear = np.exp(-weather.extinction * length).astype(np.float32)
    panorama *= clear
    panorama += np.array(weather.haze, np.float32) * (1 - clear)


def _layer(
    picture: Pixels,
    outline: NDArray[np.float64],
    tone: NDArray[np.float64],
    haze: NDArray[np.float32],
    hazy: float,
    texture: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Cover the picture below an outline (W,), in rows, with a colour.

    Its texture is given as the size of its bumps, in px, and its contrast.
    """
    grain, contrast = texture
    height, around = picture.shape[:2]
    top = max(int(outline.min()) - 1, 0)
    noise = 0.7 * _texture(rng, height - top, around, grain, grain * 1.2)
    noise += 0.7 * _texture(rng, height - top, around, grain * 4, grain * 6)
    light = 1 + contrast * noise
    colour = tone * light[..., None] * (1 - hazy) + haze * hazy
    cover = np.clip(np.arange(top, height)[:, None] - outline + 0.5, 0, 1)[..., None]
    picture[top:] += ((colour - picture[top:]) * cover).astype(np.float32)


def _ring(rng: np.random.Generator, count: int, length: float) -> NDArray[np.float64]:
    """Smooth noise of unit variance that closes upon itself."""
    knots = max(round(count / max(length, 1.0)), 4)
    values = smooth_noise(rng, knots, 0.8)
    values = np.concatenate([values, values[:1]])
    return np.asarray(np.interp(np.arange(count) * knots / count, np.arange(knots + 1), values))


def _texture(
    rng: np.random.Generator, height: int, width: int, rows: float, columns: float
) -> Pixels:
    """Smooth noise of about unit variance, bumps of rows × columns px, closed around."""
    across, down = max(round(width / columns), 2), max(math.ceil(height / rows), 1) + 3
    grid = rng.standard_normal((down, across), np.float32) * np.float32(1.3)
    grid = np.concatenate([grid, grid[:, :3]], axis=1)
    column = np.arange(width, dtype=np.float32) * np.float32(across / width) + 1
    row = np.arange(height, dtype=np.float32) / np.float32(rows) + 1
    column, row = np.meshgrid(column, row)
    return np.asarray(cv2.remap(grid, column, row, cv2.INTER_CUBIC), np.float32)
