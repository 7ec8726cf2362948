"""Amplitudes against a whole Fourier transform, and what stays."""

import math

import numpy as np
import pytest

from signattn.augment import AugmentConfig, fourier_exchange
from signattn.augment.fourier import amplitude, mix_amplitude

ALWAYS = AugmentConfig(fourier=1, fourier_band=0.03)


def rng(seed=0):
    return np.random.default_rng(seed)


def pictures(count=2, seed=0):
    return rng(seed).integers(0, (180, 256, 256), (count, 80, 160, 3)).astype(np.uint8)


def smooth(seed):
    """A value (80, 160) uint8 with room for change before black and white."""
    noise = rng(seed).normal(size=(80, 160))
    return (128 + 10 * noise).clip(60, 200).astype(np.uint8)


def whole_transform(value, donor, part, band):
    """The same with numpy's transform: every frequency whose index is within the band."""
    spectrum, other = np.fft.fft2(value), np.fft.fft2(donor)
    down = np.abs(np.fft.fftfreq(80, 1 / 80)) <= band
    across = np.abs(np.fft.fftfreq(160, 1 / 160)) <= band
    low = down[:, None] & across
    size = np.where(low, (1 - part) * abs(spectrum) + part * abs(other), abs(spectrum))
    return np.fft.ifft2(size * np.exp(1j * np.angle(spectrum))).real


@pytest.mark.parametrize('band', [0, 1, 2, 7])
@pytest.mark.parametrize('part', [0.0, 0.3, 1.0])
def test_low_frequencies_alone_give_what_a_whole_transform_gives(band, part):
    value, donor = smooth(1), smooth(2)
    mixed = mix_amplitude(value, amplitude(donor, band), part, band)
    assert (mixed.shape, mixed.dtype) == ((80, 160), np.float32)
    np.testing.assert_allclose(mixed, whole_transform(value, donor, part, band), atol=2e-3)


def wave(periods, size, phase=0.0):
    across = 2 * math.pi * periods * np.arange(160) / 160
    return np.broadcast_to(128 + size * np.cos(across + phase), (80, 160)).round().astype(np.uint8)


def test_a_wave_takes_the_donors_size_and_keeps_its_place():
    mixed = mix_amplitude(wave(2, 20, 1.0), amplitude(wave(2, 60), 3), 1.0, 3)
    np.testing.assert_allclose(mixed, wave(2, 60, 1.0), atol=1.5)


def test_a_wave_beyond_the_band_stays():
    mixed = mix_amplitude(wave(4, 20), amplitude(wave(4, 60), 3), 1.0, 3)
    np.testing.assert_allclose(mixed, wave(4, 20), atol=0.5)
    inside = mix_amplitude(wave(4, 20), amplitude(wave(4, 60), 4), 1.0, 4)
    np.testing.assert_allclose(inside, wave(4, 60), atol=1.0)


@pytest.mark.parametrize('part', [0.0, 0.25, 1.0])
def test_without_a_band_only_the_mean_is_mixed(part):
    mixed = mix_amplitude(smooth(1), amplitude(np.full((80, 160), 40, np.uint8), 0), part, 0)
    expected = smooth(1) + part * (40 - smooth(1).mean())
    np.testing.assert_allclose(mixed, expected, atol=1e-3)


def test_a_black_picture_can_take_a_mean():
    mixed = mix_amplitude(np.zeros((80, 160), np.uint8), amplitude(wave(0, 0), 2), 0.5, 2)
    np.testing.assert_allclose(mixed, 64, atol=1e-3)


def test_a_picture_is_its_own_donor():
    frames = pictures(1)
    np.testing.assert_array_equal(fourier_exchange(frames, frames[0], rng(), ALWAYS), frames)


def test_hue_saturation_and_the_input_stay():
    frames, donor = pictures(), pictures(1, seed=1)[0] // 2
    frames.flags.writeable = donor.flags.writeable = False
    mixed = fourier_exchange(frames, donor, rng(), ALWAYS)
    assert (mixed.shape, mixed.dtype) == (frames.shape, np.uint8)
    np.testing.assert_array_equal(frames, pictures())
    np.testing.assert_array_equal(mixed[..., :2], frames[..., :2])
    assert mixed[..., 2].mean() < frames[..., 2].mean() - 5


def test_the_part_and_the_band_are_drawn_and_set_for_the_whole_sequence():
    value = np.stack([smooth(1), smooth(2)])
    frames = np.stack([np.zeros_like(value), np.zeros_like(value), value], axis=-1)
    donor = frames[0] // 2
    draws = rng(4)
    draws.random()
    part = draws.uniform(0, 1)
    mixed = fourier_exchange(frames, donor, rng(4), ALWAYS)
    for before, after in zip(value, mixed[..., 2], strict=True):
        expected = whole_transform(before, donor[..., 2], part, 2)  # 0.03 · 80 = 2.4
        np.testing.assert_allclose(after, expected, atol=0.51)


@pytest.mark.parametrize(
    ('probability', 'least', 'most'), [(0, 0, 0), (0.3, 35, 90), (1, 195, 200)]
)
def test_as_many_sequences_are_exchanged_as_asked_for(probability, least, most):
    frames, donor = np.full((1, 80, 160, 3), 30, np.uint8), np.full((80, 160, 3), 230, np.uint8)
    config = AugmentConfig(fourier=probability)
    changed = [
        (fourier_exchange(frames, donor, rng(i), config) != frames).any() for i in range(200)
    ]
    assert least <= sum(changed) <= most


def test_the_same_draws_give_the_same_pictures():
    first, second = (
        fourier_exchange(pictures(), pictures(1, 1)[0], rng(5), ALWAYS) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('shape', [(1, 80, 160, 3), (80, 160), (81, 160, 3)])
def test_donors_of_other_shapes_are_refused(shape):
    message = rf'^donor must be \(80, 160, 3\), got \({", ".join(map(str, shape))}\)$'
    with pytest.raises(ValueError, match=message):
        fourier_exchange(pictures(), np.zeros(shape, np.uint8), rng(), ALWAYS)
