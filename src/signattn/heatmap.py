"""Attention for the eye: heatmap, overlay, and a bar for the steering."""

import cv2
import numpy as np
from numpy.typing import NDArray

BLUR_PX = 4.0
"""Standard deviation of the blur, in pixels of the 80×160 input."""

PREDICTED, DRIVEN = (255, 170, 30), (120, 230, 120)
"""RGB of what is drawn for either."""

_INPUT_WIDTH = 160
_NUMBERS = (230, 230, 230)
_FULL_BAR_DEG = 90.0


def heatmap(
    attention: NDArray[np.float32], height: int, width: int, blur_px: float = BLUR_PX
) -> NDArray[np.float32]:
    """Upsample and blur an attention map.

    Args:
        attention: (10, 20) float, the weights.
        height: Rows of the picture that it belongs to.
        width: Pixels in a row of it.
        blur_px: Standard deviation of the Gaussian blur in pixels of a picture 160 wide; it grows
            with the picture. 0 for none.

    Returns:
        (height, width) float32 in [0, 1], 1 at the most attended place; all 0 if the weights are
        all equal.

    Raises:
        ValueError: If attention isn't two-dimensional or not finite.

    Source: Tashiro and Awano 2023, section IV-B.2.
    """
    if attention.ndim != 2 or not np.isfinite(attention).all():
        raise ValueError(f'attention must be finite and (10, 20), got {attention.shape}')
    # Blurred on the network's own grid of pixels, then enlarged: the same map at a fraction of
    # the cost of blurring a large picture.
    scale = _INPUT_WIDTH // attention.shape[1]
    small = np.repeat(np.repeat(attention.astype(np.float32), scale, 0), scale, 1)
    if blur_px > 0:
        blurred = cv2.GaussianBlur(small, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT)
        small = np.asarray(blurred, np.float32)
    low, high = float(small.min()), float(small.max())
    spread = high - low
    if spread <= 1e-6 * max(abs(high), 1e-12):
        return np.zeros((height, width), np.float32)
    small = (small - low) / spread
    enlarged = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged.clip(0, 1), np.float32)


def colour(heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colours of a heatmap.

    Args:
        heat: (H, W) float in [0, 1].

    Returns:
        (H, W, 3) uint8, RGB, from dark blue to yellow-red (OpenCV's turbo).
    """
    levels = (heat * 255).astype(np.uint8)
    return np.asarray(
        cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB), np.uint8
    )


def overlay(
    image: NDArray[np.uint8], heat: NDArray[np.float32], strength: float = 0.6
) -> NDArray[np.uint8]:
    """Lay a heatmap over its picture; where there's no attention the picture stays as it is.

    Args:
        image: (H, W, 3) uint8, RGB.
        heat: (H, W) float in [0, 1].
        strength: Opacity at the most attended place, in [0, 1].

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ValueError: If the sizes differ or strength is outside [0, 1].
    """
    if image.shape[:2] != heat.shape:
        raise ValueError(f'heat must be {image.shape[:2]} like the picture, got {heat.shape}')
    if not 0 <= strength <= 1:
        raise ValueError(f'strength must be in [0, 1], got {strength}')
    opacity = heat * np.float32(strength)
    return np.asarray(cv2.blendLinear(colour(heat), image, opacity, 1 - opacity), np.uint8)


def draw_steering(
    image: NDArray[np.uint8], predicted: float | None, true: float | None = None
) -> NDArray[np.uint8]:
    """Draw steering-wheel angles as bars in a strip below a picture, left turns to the left.

    The strip hides nothing: the lowest rows are where attention may well lie.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        predicted: rad at the wheel, left positive; None or NaN draws no bar.
        true: The recorded angle, likewise.

    Returns:
        (H + strip, W, 3) uint8, RGB. The bars are full at 90°.
    """
    top, width = image.shape[:2]
    row = max(6, top // 24)
    drawn = np.zeros((top + 2 * row, width, 3), np.uint8)
    drawn[:top] = image
    middle, half = round(0.65 * width), 0.33 * width
    angles = (('predicted', predicted, PREDICTED), ('driven', true, DRIVEN))
    for index, (name, angle, paint) in enumerate(angles):
        if angle is None or not np.isfinite(angle):
            continue
        degrees = float(np.degrees(angle))
        y = top + index * row
        end = middle - round(np.clip(degrees / _FULL_BAR_DEG, -1, 1) * half)
        cv2.rectangle(drawn, (middle, y + row // 4), (end, y + 3 * row // 4), paint, -1)
        place, size = (row // 3, y + 3 * row // 4), row / 36
        text = f'{name} {degrees:+.1f} deg'
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, paint, 1, cv2.LINE_AA)
    cv2.line(drawn, (middle, top), (middle, top + 2 * row - 1), (230, 230, 230), 1)
    return drawn


def draw_numbers(image: NDArray[np.uint8], numbers: str) -> NDArray[np.uint8]:
    """Write a line of numbers into a strip below a picture.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        numbers: What to write, in ASCII; it is made as small as the width asks for.

    Returns:
        (H + strip, W, 3) uint8, RGB.
    """
    width = image.shape[1]
    row = max(6, width // 32)
    strip = np.zeros((row, width, 3), np.uint8)
    margin, font = row // 3, cv2.FONT_HERSHEY_SIMPLEX
    (full, _), _ = cv2.getTextSize(numbers, font, 1.0, 1)
    size = min(row / 36, max(1, width - 2 * margin) / max(1, full))
    place = (margin, 3 * row // 4)
    cv2.putText(strip, numbers, place, font, size, _NUMBERS, 1, cv2.LINE_AA)
    return np.concatenate([image, strip])
