"""All variations of a sequence, drawn together."""

import math
from collections.abc import Callable
from functools import partial, reduce

import numpy as np

from signattn.augment.appearance import (
    add_gradient,
    add_noise,
    blur,
    change_tone,
    ramp,
    through_jpeg,
    tone_table,
    without_colour,
)
from signattn.augment.camera import look_from, mirror, seen_from, steered_back
from signattn.augment.config import AugmentConfig, Curvature, Frames
from signattn.preprocess import Image

JPEG_QUALITY = (20, 90)
SHARP_PX = 0.2  # a narrower blur reaches no neighbour


def augment(
    frames: Frames,
    curvature: Curvature,
    config: AugmentConfig,
    rng: np.random.Generator,
    stretch: float = 1.0,
) -> tuple[Frames, Curvature]:
    """Vary a sequence: where the camera is, then the light, then what the camera makes of it.

    Args:
        frames: (T, 80, 160, 3) uint8, HSV; not modified.
        curvature: (T,) float64, 1/m, left positive; not modified.
        config: How far.
        rng: Where the draws come from.
        stretch: Horizontal over vertical scale of the frames, as ``Preprocessing.stretch``.

    Returns:
        Frames and curvature of the same shapes; the ones given where nothing changes.
    """
    # All draws come first and always, so that switching one off leaves the others as they are.
    mirrored, greyed = rng.random(2) < (config.mirror, config.grey)
    brightness, saturation, bend = rng.uniform(-1, 1, 3)
    yaw, shift = rng.standard_normal(2) * (math.radians(config.yaw_deg), config.shift_m)
    noise = rng.uniform(0, 1) * config.noise
    (first, second), (factor, glare) = rng.uniform(-1, 1, (2, 2)).tolist()
    sigma = rng.uniform(0, 1) * config.blur
    encoded = rng.random() < config.jpeg
    quality = int(rng.integers(*JPEG_QUALITY, endpoint=True))

    steps: list[Callable[[Image], Image]] = []
    if mirrored:
        steps.append(mirror)
        curvature = -curvature
    if config.yaw_deg or config.shift_m:
        steps.append(partial(look_from, sources=seen_from(yaw, shift, config, stretch)))
        curvature = curvature + steered_back(yaw, shift, config.recovery_m)
    if greyed:
        steps.append(without_colour)
    if config.gain or config.gamma:
        strengths = np.array((config.gain, config.gain, config.gamma))
        table = tone_table(*(1 + strengths * (brightness, saturation, bend)))
        steps.append(partial(change_tone, table=table))
    if config.light:
        factors = 1 + config.light * factor * ramp(math.pi * first)
        glares = 255 * config.light * glare * ramp(math.pi * second)
        steps.append(partial(add_gradient, factor=factors, glare=glares))
    if sigma > SHARP_PX:
        steps.append(partial(blur, sigma=sigma))
    if noise:
        steps.append(partial(add_noise, noise=noise, rng=rng))
    if encoded:
        steps.append(partial(through_jpeg, quality=quality))
    return apply(steps, frames) if steps else np.ascontiguousarray(frames), curvature


def apply(steps: list[Callable[[Image], Image]], frames: Frames) -> Frames:
    """Take every picture of (T, 80, 160, 3) uint8 through all steps, one after another."""
    varied = np.empty(frames.shape, np.uint8)
    for image, place in zip(np.asarray(frames), varied, strict=True):
        place[...] = reduce(lambda changed, step: step(changed), steps, image)
    return varied
