"""Covers parts of pictures, so that a network knows pictures with parts deleted."""

import math
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.augment.appearance import to_bgr, to_hsv
from signattn.augment.config import AugmentConfig, Frames
from signattn.preprocess import HEIGHT, WIDTH, Image

FILLINGS = ('black', 'mean', 'blurred', 'noise', 'donor')
BLOB_PX = (3.0, 16.0)
BLUR_PX = (4.0, 16.0)
DRIFT_PX = 40  # the furthest that moving blobs get, in each direction

Mask = NDArray[np.bool_]
Filling = Callable[[Image, int], Image]


def mask_frames(
    frames: Frames,
    rng: np.random.Generator,
    config: AugmentConfig,
    donor: Frames | None = None,
) -> tuple[Frames, Mask]:
    """Cover a part of each picture with blobs.

    One share, evenly from 0 to ``mask_share``, and one filling hold for the sequence. Half of the
    sequences have fresh blobs in each picture, half have blobs that move slowly.

    Args:
        frames: (T, 80, 160, 3) uint8, HSV; not modified.
        rng: Where the draws come from.
        config: How often (``mask_training``) and how much (``mask_share``).
        donor: (N, 80, 160, 3) uint8, HSV, another sequence, whose pictures may show in the blobs;
            None to do without that filling.

    Returns:
        Frames (T, 80, 160, 3) uint8, HSV, and where they are covered, (T, 80, 160) bool: all
        frames alike in number of pixels, the share to within one.

    Raises:
        ValueError: If donor has another shape.
    """
    if donor is not None and (donor.shape[1:] != frames.shape[1:] or not len(donor)):
        raise ValueError(f'donor must be (N, {HEIGHT}, {WIDTH}, 3) with N > 0, got {donor.shape}')
    if rng.random() >= config.mask_training:
        return frames, np.zeros(frames.shape[:3], bool)
    share = rng.uniform(0, config.mask_share)
    moving = rng.random() < 0.5
    fill = filling(FILLINGS[rng.integers(len(FILLINGS) - (donor is None))], rng, donor)
    covered = blobs(len(frames), share, rng, moving=moving)
    masked = np.array(frames)
    for index, (image, mask) in enumerate(zip(masked, covered, strict=True)):
        cv2.copyTo(fill(image, index), mask.view(np.uint8), image)
    return masked, covered


def blobs(count: int, share: float, rng: np.random.Generator, *, moving: bool) -> Mask:
    """Smooth blobs of a random size.

    Args:
        count: Of masks.
        share: Of the pixels that are covered, in each mask.
        rng: Where the draws come from.
        moving: One pattern that slides slowly, instead of fresh ones.

    Returns:
        (count, 80, 160) bool, round(share · 12,800) of each True.
    """
    covered = np.zeros((count, HEIGHT, WIDTH), bool)
    left = HEIGHT * WIDTH - round(share * HEIGHT * WIDTH)
    if left == HEIGHT * WIDTH:
        return covered
    hills = _sliding(count, rng) if moving else _fresh(count, rng)
    for mask, heights in zip(covered, hills, strict=True):
        # By rank, not by a threshold, so that equal heights can't change the number.
        mask.reshape(-1)[np.argpartition(heights, left, axis=None)[left:]] = True
    return covered


def _fresh(count: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    for _ in range(count):
        yield _landscape(HEIGHT, WIDTH, rng)


def _sliding(count: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    canvas = _landscape(HEIGHT + DRIFT_PX, WIDTH + DRIFT_PX, rng)
    start, end = rng.integers(0, DRIFT_PX, (2, 2), endpoint=True)
    for y, x in np.linspace(start, end, count).round().astype(int):
        yield canvas[y : y + HEIGHT, x : x + WIDTH]


def _landscape(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Random hills (height, width) float32, as wide as a Gaussian of a random size."""
    sigma = math.exp(rng.uniform(*np.log(BLOB_PX)))
    # White noise of coarse cells, blurred, gives the same hills as of pixels, and is cheaper. The
    # border, where the blur sees too little, is cut off.
    cell, border = sigma / 2, 2
    rows, columns = (math.ceil(size / cell) + 2 * border for size in (height, width))
    noise = cv2.GaussianBlur(rng.random((rows, columns), np.float32), (0, 0), sigma / cell)
    hills = cv2.resize(noise, None, fx=cell, fy=cell)
    first = math.floor(border * cell)
    return np.asarray(hills[first : first + height, first : first + width], np.float32)


def filling(kind: str, rng: np.random.Generator, donor: Frames | None = None) -> Filling:
    """What shows in place of covered pixels.

    Mean and blur are those of RGB, as of the fillings that explanations are measured with.

    Args:
        kind: One of ``FILLINGS``.
        rng: Where the draws come from.
        donor: (N, 80, 160, 3) uint8, HSV, for ``donor``; repeated where it is shorter.

    Returns:
        From a picture (80, 160, 3) uint8, HSV, and its index in the sequence, to another.

    Raises:
        ValueError: If kind is unknown, or ``donor`` without one.
    """
    if kind == 'black':
        return lambda image, _: np.zeros_like(image)
    if kind == 'mean':
        return lambda image, _: _mean(image)
    if kind == 'blurred':
        sigma = math.exp(rng.uniform(*np.log(BLUR_PX)))
        return lambda image, _: _blurred(image, sigma)
    if kind == 'noise':
        return lambda image, _: to_hsv(rng.integers(0, 256, image.shape, np.uint8))
    if kind == 'donor' and donor is not None:
        return lambda _, index: donor[index % len(donor)]
    raise ValueError(f'kind must be one of {", ".join(FILLINGS)}, got {kind!r}')


def _mean(image: Image) -> Image:
    mean = np.rint(cv2.mean(to_bgr(image))[:3]).astype(np.uint8)
    pixel = to_hsv(mean.reshape(1, 1, 3))
    return np.asarray(cv2.resize(pixel, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))


def _blurred(image: Image, sigma: float) -> Image:
    """A Gaussian blur of at least 4 px, made at a quarter of the size, as it is cheaper there."""
    small = cv2.resize(to_bgr(image), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    return to_hsv(np.asarray(cv2.resize(small, (WIDTH, HEIGHT)), np.uint8))
