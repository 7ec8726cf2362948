"""Maps that know nothing of the frame: an explanation must beat them."""

import numpy as np
from numpy.typing import NDArray

from signattn.drive import frames_apart
from signattn.model.encoder import COLUMNS, ROWS
from signattn.preprocess import HEIGHT, WIDTH

Maps = NDArray[np.floating]
"""(N, 80, 160), at least 0."""


def random(count: int, seed: int) -> Maps:
    """White noise, a fresh map for each frame; the blur of the measure makes hills of it.

    Args:
        count: Of frames.
        seed: Of the noise.

    Returns:
        (count, 80, 160) float32 in [0, 1).
    """
    return np.random.default_rng(seed).random((count, HEIGHT, WIDTH), np.float32)


def centre(count: int) -> Maps:
    """The nearer to the middle of the picture, the more salient.

    Args:
        count: Of frames.

    Returns:
        (count, 80, 160) float64 in [0, 1), the same map for each frame; read-only.
    """
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    away = np.hypot(y - (HEIGHT - 1) / 2, x - (WIDTH - 1) / 2)
    return _for_each(1 - away / np.hypot(HEIGHT / 2, WIDTH / 2), count)


def time_mean(saliency: Maps) -> Maps:
    """The mean over the frames, each map counting alike whatever its scale.

    Args:
        saliency: (N, 80, 160).

    Returns:
        (N, 80, 160) float64, the same map for each frame; read-only.
    """
    mean = np.zeros((HEIGHT, WIDTH))
    for image in saliency:
        mean += image / max(float(image.sum(dtype=np.float64)), np.finfo(np.float64).tiny)
    return _for_each(mean / len(saliency), len(saliency))


def away(saliency: Maps, rate_hz: float, seconds: float = 10.0) -> Maps:
    """For each frame the map of one that much later; at the end those of the start.

    Args:
        saliency: (N, 80, 160).
        rate_hz: Frames a second.
        seconds: s; of a drive below twice that, half of it.

    Returns:
        (N, 80, 160).

    Raises:
        ValueError: If that is less than a frame: each would keep its own map.
    """
    return np.roll(saliency, -frames_apart(len(saliency), rate_hz, seconds), axis=0)


def away_in_sample(
    saliency: Maps,
    frames: NDArray[np.int64],
    count: int,
    rate_hz: float,
    seconds: float = 10.0,
) -> Maps:
    """As ``away`` where only some frames have maps: of these the first that is as much later.

    Args:
        saliency: (M, 80, 160).
        frames: (M,) int64, rising places of the maps in the drive.
        count: Frames of the drive.
        rate_hz: Frames a second.
        seconds: s; of a drive below twice that, half of it.

    Returns:
        (M, 80, 160). Where no other is so far, the farthest; a lone map is its own, and so ahead
        of nothing.

    Raises:
        ValueError: As ``away``.
    """
    apart = frames_apart(count, rate_hz, seconds)
    later = (frames - (frames[:, None] + apart)) % count
    distance = np.abs(frames - frames[:, None])
    chosen = np.where(distance >= apart, later, 2 * count - distance).argmin(1)
    return np.asarray(saliency[chosen])


def row_mean(saliency: Maps) -> Maps:
    """Each map with all pixels of a row alike.

    Args:
        saliency: (N, 80, 160).

    Returns:
        (N, 80, 160); read-only.
    """
    return np.broadcast_to(saliency.mean(2, keepdims=True), saliency.shape)


def permuted(saliency: Maps, seed: int) -> Maps:
    """Each map with its 10×20 cells, 8×8 pixels each, in another order for each frame.

    Args:
        saliency: (N, 80, 160).
        seed: Of the orders.

    Returns:
        (N, 80, 160).
    """
    rng, side = np.random.default_rng(seed), HEIGHT // ROWS
    mixed = np.empty_like(saliency)
    for image, given in zip(mixed, saliency, strict=True):
        cells = given.reshape(ROWS, side, COLUMNS, side).swapaxes(1, 2).reshape(-1, side, side)
        shuffled = rng.permutation(cells).reshape(ROWS, COLUMNS, side, side)
        image[:] = shuffled.swapaxes(1, 2).reshape(HEIGHT, WIDTH)
    return mixed


def _for_each(image: Maps, count: int) -> Maps:
    return np.broadcast_to(image, (count, HEIGHT, WIDTH))
