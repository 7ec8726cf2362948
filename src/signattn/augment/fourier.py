"""Rendered pictures with the large-scale light and dark of real ones."""

from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from signattn.augment.appearance import with_value
from signattn.augment.config import AugmentConfig, Frames
from signattn.augment.sequence import apply
from signattn.preprocess import HEIGHT, WIDTH, Image

_TINY, _ONE = np.float32(1e-9), np.complex64(1)


def fourier_exchange(
    frames: Frames, donor: Frames, rng: np.random.Generator, config: AugmentConfig
) -> Frames:
    """Mix the amplitude of low frequencies with a donor's, and keep the phase.

    On the brightness alone: channel by channel of RGB, a grey donor would paint roads blue. The
    donor's part is drawn evenly from 0 to 1, once for the sequence.

    Args:
        frames: (T, 80, 160, 3) uint8, HSV; not modified.
        donor: (80, 160, 3) uint8, HSV, a picture of the kind that frames should come closer to.
        rng: Where the draws come from.
        config: How often (``fourier``), and which frequencies (``fourier_band``).

    Returns:
        (T, 80, 160, 3) uint8, HSV.

    Raises:
        ValueError: If donor has another shape.

    Source: Yang and Soatto, FDA: Fourier Domain Adaptation for Semantic Segmentation, CVPR 2020;
    mixed as in Xu et al., A Fourier-based Framework for Domain Generalization, CVPR 2021.
    """
    if donor.shape != (HEIGHT, WIDTH, 3):
        raise ValueError(f'donor must be ({HEIGHT}, {WIDTH}, 3), got {donor.shape}')
    exchanged, part = rng.random() < config.fourier, rng.uniform(0, 1)
    if not exchanged:
        return frames
    band = int(config.fourier_band * HEIGHT)
    target = amplitude(donor[..., 2], band)
    return apply([partial(_exchanged, target=target, part=part, band=band)], frames)


def _exchanged(image: Image, target: NDArray[np.float32], part: float, band: int) -> Image:
    value = mix_amplitude(image[..., 2], target, part, band)
    return with_value(image, np.rint(value).clip(0, 255).astype(np.uint8))


def amplitude(value: Image, band: int) -> NDArray[np.float32]:
    """Amplitude of low frequencies.

    Args:
        value: (80, 160) uint8.
        band: Periods in the picture, along its height and along its width, up to which.

    Returns:
        (2·band + 1, band + 1) float32: down from −band, across from 0.
    """
    return np.abs(_low_frequencies(value, band))


def mix_amplitude(
    value: Image, target: NDArray[np.float32], part: float, band: int
) -> NDArray[np.float32]:
    """Mix the amplitude of low frequencies with another, and keep the phase.

    Only these frequencies are computed: with few of them that is ten times as fast as a whole
    transform.

    Args:
        value: (80, 160) uint8.
        target: (2·band + 1, band + 1) float32, as from ``amplitude``.
        part: The target's, in [0, 1].
        band: As of the target.

    Returns:
        (80, 160) float32, neither rounded nor clipped.
    """
    spectrum = _low_frequencies(value, band)
    size = np.abs(spectrum)
    phase = np.where(size > 0, spectrum / np.maximum(size, _TINY), _ONE)
    return value + _from_low_frequencies(np.float32(part) * (target - size) * phase, band)


@lru_cache
def _waves(band: int) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Waves down (2·band + 1, 80) and across (160, band + 1), complex64.

    The picture is real, so waves to the left are those to the right, conjugated.
    """
    down = np.outer(np.arange(-band, band + 1), np.arange(HEIGHT) / HEIGHT)
    across = np.outer(np.arange(WIDTH) / WIDTH, np.arange(band + 1))
    return (
        np.exp(-2j * np.pi * down).astype(np.complex64),
        np.exp(-2j * np.pi * across).astype(np.complex64),
    )


def _low_frequencies(value: Image, band: int) -> NDArray[np.complex64]:
    """The spectrum (2·band + 1, band + 1) complex64 of (80, 160) uint8."""
    down, across = _waves(band)
    # As pairs of real numbers: the picture needs no imaginary part.
    rows = (value.astype(np.float32) @ across.view(np.float32)).view(np.complex64)
    return np.asarray(down @ rows)


def _from_low_frequencies(spectrum: NDArray[np.complex64], band: int) -> NDArray[np.float32]:
    """The picture (80, 160) float32 of a spectrum (2·band + 1, band + 1) complex64."""
    down, across = _waves(band)
    both_sides = np.full(band + 1, 2 / (HEIGHT * WIDTH), np.float32)
    both_sides[0] /= 2
    rows = down.conj().T @ (spectrum * both_sides)
    # The real part of the product with conjugated waves, again as pairs of real numbers.
    return np.asarray(rows.view(np.float32) @ across.view(np.float32).T)
