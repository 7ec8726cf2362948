"""What lies between things and the camera: fog, rain, the sun's glare; and a wet road's gloss."""

import math

import cv2
import numpy as np

from signattn.synthetic.camera import Camera, View
from signattn.synthetic.canvas import Bytes
from signattn.synthetic.exact import on_grid, plain_opencv
from signattn.synthetic.ground import Array, Ground, Pixels
from signattn.synthetic.surface import Lanes
from signattn.synthetic.weather import Sun, Weather

GLARE = np.array([190.0, 158.0, 112.0, 0.0])  # RGB that is added at the sun
GLARE_WIDTH = math.radians(10)
COARSE = 8  # px of the picture a pixel of the glare
GLOSS = 0.75  # share of the mirrored light that a wet road keeps


def tone_ground(picture: Bytes, ground: Ground, tangent: Array, weather: Weather) -> None:
    """Light the ground and look at it through the air.

    Args:
        picture: (R, W, 4) uint8, the ground, changed.
        ground: The rows.
        tangent: (W,) of each column's angle to the right of the optical axis.
        weather: Weather.
    """
    depth = ground.depth[:, None]
    gain, offset = weather.tones(depth, depth * tangent if weather.beams else depth)
    lit = np.ones(picture.shape, np.float32)
    lit[..., :3] = gain
    veil = np.zeros(picture.shape, np.uint8)
    veil[..., :3] = np.round(offset)
    with plain_opencv():
        cv2.add(cv2.multiply(picture, lit, dtype=cv2.CV_8U), veil, dst=picture)


def gloss(
    picture: Bytes, ground: Ground, across: Pixels, puddles: Bytes, lanes: Lanes, wet: float
) -> None:
    """Mirror the sky and the far slopes in a wet road.

    Args:
        picture: (H, W, 4) uint8, sky above and ground below, the ground changed.
        ground: The rows.
        across: (R, W) float32, m.
        puddles: (R, W) uint8, how wet each place is.
        lanes: Cross section of the road, which alone is smooth enough.
        wet: How wet the road is, from 0 to 1.
    """
    rows = ground.depth.size
    above = picture[max(ground.top - rows, 0) : ground.top][::-1]
    if not above.shape[0]:
        return
    filled = cv2.copyMakeBorder(above, 0, rows - above.shape[0], 0, 0, cv2.BORDER_REPLICATE)
    mirrored = cv2.blur(filled, (5, 41))
    sine = 1 / np.hypot(1, ground.depth / 1.3)  # of the angle at which the road is seen
    paved = (across > lanes.right_edge) & (across < lanes.left_edge)
    share = on_grid(GLOSS * wet * (1 - sine) ** 5, 16).astype(np.float32)[:, None] * paved
    share *= np.float32(0.45) + np.float32(0.55 / 255) * puddles
    seen = picture[ground.top :]
    with plain_opencv():
        cv2.blendLinear(mirrored, seen.copy(), share, 1 - share, dst=seen)


def glare(picture: Bytes, view: View, sun: Sun, strength: float) -> None:
    """Dazzle the camera.

    Args:
        picture: (H, W, 4) uint8, changed.
        view: Where the camera looks.
        sun: Where the sun stands.
        strength: From 0 (the sun is hidden) to 1.
    """
    camera = view.camera
    turn = sun.bearing - view.heading
    forward = math.cos(sun.elevation) * math.cos(turn)
    left, up = math.cos(sun.elevation) * math.sin(turn), math.sin(sun.elevation)
    cos, sin = math.cos(view.pitch), math.sin(view.pitch)
    forward, up = forward * cos - up * sin, forward * sin + up * cos
    y, x = np.mgrid[: camera.height : COARSE, : camera.width : COARSE]
    across = (camera.cx - x) / camera.focal_length
    down = (camera.cy - y) / camera.focal_length
    ahead = (forward + left * across + up * down) / np.sqrt(1 + across**2 + down**2)
    veil = strength * np.exp(-np.arccos(np.clip(ahead, -1, 1)) / GLARE_WIDTH)
    if veil.max() < 1 / 255:
        return
    light = np.round(veil[..., None] * GLARE).astype(np.uint8)
    cv2.add(picture, cv2.resize(light, (camera.width, camera.height)), dst=picture)


def glow(
    picture: Bytes, place: tuple[float, float], size: tuple[float, float], light: Array
) -> None:
    """Let a lamp glow.

    Args:
        picture: (H, W, 4) uint8, changed.
        place: px, column and row of the lamp.
        size: px, half the width and the height of its glow.
        light: (3,) RGB in its middle.
    """
    height, width = picture.shape[:2]
    x0, x1 = max(math.floor(place[0] - size[0]), 0), min(math.ceil(place[0] + size[0]), width)
    y0, y1 = max(math.floor(place[1] - size[1]), 0), min(math.ceil(place[1] + size[1]), height)
    if x1 <= x0 or y1 <= y0:
        return
    across = (np.arange(x0, x1) - place[0]) / size[0]
    down = (np.arange(y0, y1) - place[1]) / size[1]
    away = np.minimum(np.hypot(across, down[:, None]), 1)
    shine = np.append(light, 0) * ((1 - away) ** 3)[..., None]
    target = picture[y0:y1, x0:x1]
    cv2.add(target, np.round(shine).astype(np.uint8), dst=target)


class Rain:
    """Drops that streak through the picture, others in every frame."""

    def __init__(self, camera: Camera, wet: float, rng: np.random.Generator) -> None:
        """Draw a tile of streaks, twice as large as the picture."""
        height, width = 2 * camera.height, 2 * camera.width
        tile = np.zeros((height, width), np.uint8)
        slant = float(rng.normal(0, 0.12))
        for _ in range(round(1.2 * wet * width)):
            x, y = (int(value) for value in rng.integers(0, (width, height)))
            length = round(camera.height * float(rng.uniform(0.02, 0.09)))
            end = (x + round(slant * length), y + length)
            cv2.line(tile, (x, y), end, (int(rng.integers(8, 34)),), 1)
        soft = cv2.GaussianBlur(tile, (0, 0), max(camera.height / 700, 0.4))
        self._tile = np.asarray(cv2.cvtColor(soft, cv2.COLOR_GRAY2RGBA), np.uint8)

    def fall(self, picture: Bytes, seed: tuple[int, int]) -> None:
        """Let the drops of a moment, which the seed stands for, fall before a picture."""
        height, width = picture.shape[:2]
        low = np.random.default_rng(seed).integers(0, (height, width))
        streaks = self._tile[low[0] : low[0] + height, low[1] : low[1] + width]
        cv2.add(picture, streaks, dst=picture)
