"""The same view in another light and through another camera, one picture at a time.

A whole sequence at once would not fit the processor's caches, and takes twice as long.
"""

import math
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.preprocess import HEIGHT, WIDTH, Image

# 256 equally likely values of a standard normal distribution: a random byte picks one.
_NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])


def without_colour(image: Image) -> Image:
    """A grey picture, as bright as the eye sees it; (80, 160, 3) uint8, HSV."""
    colourless = np.zeros_like(image)
    cv2.insertChannel(cv2.cvtColor(to_bgr(image), cv2.COLOR_BGR2GRAY), colourless, 2)
    return colourless


def change_tone(image: Image, table: NDArray[np.uint8]) -> Image:
    """A picture (80, 160, 3) uint8, HSV, with its values replaced as by ``tone_table``."""
    return np.asarray(cv2.LUT(image, table), np.uint8)


def tone_table(brightness: float, saturation: float, gamma: float) -> NDArray[np.uint8]:
    """Table for ``change_tone`` that scales V and S, and bends V.

    Args:
        brightness: Factor on V.
        saturation: Factor on S.
        gamma: Exponent of V, which is in [0, 1] for it.

    Returns:
        (256, 1, 3) uint8.
    """
    levels = np.arange(256) / 255
    table = np.empty((256, 1, 3), np.uint8)
    table[:, 0, 0] = np.arange(256)
    table[:, 0, 1] = np.clip(255 * saturation * levels, 0, 255).round()
    table[:, 0, 2] = np.clip(255 * brightness * levels**gamma, 0, 255).round()
    return table


def ramp(direction: float) -> NDArray[np.float32]:
    """A plane that rises from −1 in one corner of the picture through 0 in its middle to 1.

    Args:
        direction: rad, in which it rises; 0 is to the right, π/2 downwards.

    Returns:
        (80, 160) float32.
    """
    x, y = np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT)[:, None]
    plane = math.cos(direction) * x + math.sin(direction) * y
    return np.asarray(plane / np.abs(plane).max(), np.float32)


def add_gradient(image: Image, factor: NDArray[np.float32], glare: NDArray[np.float32]) -> Image:
    """Light that differs over the picture.

    Args:
        image: (80, 160, 3) uint8, HSV.
        factor: (80, 160) float32, on V.
        glare: (80, 160) float32, added to V, of 255.

    Returns:
        (80, 160, 3) uint8, HSV.
    """
    scaled = cv2.multiply(cv2.extractChannel(image, 2), factor, dtype=cv2.CV_32F)
    return with_value(image, np.asarray(cv2.add(scaled, glare, dtype=cv2.CV_8U), np.uint8))


def blur(image: Image, sigma: float) -> Image:
    """A Gaussian blur of sigma px, but not of HSV: hues can't be averaged."""
    return to_hsv(np.asarray(cv2.GaussianBlur(to_bgr(image), (0, 0), sigma), np.uint8))


def add_noise(image: Image, noise: float, rng: np.random.Generator) -> Image:
    """Add normal noise to V.

    Args:
        image: (80, 160, 3) uint8, HSV.
        noise: Standard deviation, of 255; no pixel gets more than 2.9 times as much.
        rng: Where the draws come from.

    Returns:
        (80, 160, 3) uint8, HSV.
    """
    drawn = rng.integers(0, 256, image.shape[:2], np.uint8)
    change = cv2.LUT(drawn, np.rint(_NORMAL * noise).astype(np.int16))
    value = cv2.add(cv2.extractChannel(image, 2), change, dtype=cv2.CV_8U)
    return with_value(image, np.asarray(value, np.uint8))


def through_jpeg(image: Image, quality: int) -> Image:
    """Encode a picture (80, 160, 3) uint8, HSV, as JPEG of a quality to 100, and decode it."""
    _, file = cv2.imencode('.jpg', to_bgr(image), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return to_hsv(np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8))


def with_value(image: Image, value: Image) -> Image:
    """A copy of a picture (H, W, 3) uint8, HSV, with another V (H, W) uint8."""
    changed: Image = image.copy()
    cv2.insertChannel(value, changed, 2)
    return changed


def to_bgr(image: Image) -> Image:
    """HSV to BGR, which is what OpenCV's files hold; both (H, W, 3) uint8."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_HSV2BGR), np.uint8)


def to_hsv(image: Image) -> Image:
    """BGR to HSV with H below 180; both (H, W, 3) uint8."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), np.uint8)
