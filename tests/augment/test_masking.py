"""Blobs of exactly the share asked for, and what shows in them."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from signattn.augment import AugmentConfig, mask_frames
from signattn.augment.masking import FILLINGS, blobs, filling

ALWAYS = AugmentConfig(mask_training=1)


def rng(seed=0):
    return np.random.default_rng(seed)


def pictures(count=3, seed=0):
    return rng(seed).integers(0, (180, 256, 256), (count, 80, 160, 3)).astype(np.uint8)


def edges(masks):
    """Pairs of neighbouring pixels of which one is covered, as a share of all."""
    return (masks[:, :, 1:] != masks[:, :, :-1]).mean()


# Blobs


@pytest.mark.parametrize('moving', [False, True])
@pytest.mark.parametrize('share', [0, 1 / 12800, 0.1, 0.25, 1 / 3, 0.5, 1 - 1 / 12800, 1])
def test_each_mask_covers_the_share_to_within_one_pixel(share, moving):
    for seed in range(4):
        masks = blobs(3, share, rng(seed), moving=moving)
        assert (masks.shape, masks.dtype) == ((3, 80, 160), bool)
        assert (abs(masks.sum(axis=(1, 2)) - share * 12800) <= 0.5).all()


@pytest.mark.parametrize('moving', [False, True])
def test_masks_are_blobs_and_no_dust(moving):
    dust = rng().random((3, 80, 160)) < 0.3
    for seed in range(10):
        assert edges(blobs(3, 0.3, rng(seed), moving=moving)) < 0.2 * edges(dust)


def test_blobs_differ_in_size():
    shares = [edges(blobs(1, 0.3, rng(seed), moving=False)) for seed in range(40)]
    assert max(shares) > 3 * min(shares)


def test_no_place_is_covered_much_more_often_than_another():
    often = np.concatenate([blobs(4, 0.3, rng(seed), moving=seed % 2) for seed in range(150)])
    parts = often.mean(axis=0).reshape(4, 20, 4, 40).mean(axis=(1, 3))
    assert 0.2 < parts.min() <= parts.max() < 0.4


def test_moving_blobs_stay_nearly_where_they_were():
    # 40 px at most in 40 frames: at most one a frame, both ways.
    masks = blobs(41, 0.3, rng(), moving=True)
    agreement = [(first == second).mean() for first, second in pairwise(masks)]
    assert min(agreement) > 0.9
    assert (masks[0] == masks[-1]).mean() < 0.9


def test_fresh_blobs_are_elsewhere_in_each_frame():
    masks = blobs(40, 0.3, rng(), moving=False)
    agreement = [(first == second).mean() for first, second in pairwise(masks)]
    assert np.mean(agreement) == pytest.approx(0.3**2 + 0.7**2, abs=0.05)  # as if independent


# Fillings


def shown(kind, image, donor=None, seed=0):
    return filling(kind, rng(seed), donor)(image, 0)


def test_black_is_black():
    np.testing.assert_array_equal(shown('black', pictures()[0]), 0)


def test_the_mean_is_that_of_the_colours_and_not_of_their_numbers():
    image = np.zeros((80, 160, 3), np.uint8)
    image[..., 1:] = 255
    image[:, ::2, 0] = 120  # half blue, half red: magenta at half the brightness
    np.testing.assert_array_equal(shown('mean', image), np.full_like(image, (150, 255, 128)))


def test_blurred_is_a_gaussian_blur_of_at_least_4_px():
    image = cv2.cvtColor(cv2.GaussianBlur(pictures()[0], (0, 0), 3), cv2.COLOR_RGB2HSV)
    rgb = cv2.cvtColor(image, cv2.COLOR_HSV2RGB).astype(np.float32)
    for seed in range(5):
        got = cv2.cvtColor(shown('blurred', image, seed=seed), cv2.COLOR_HSV2RGB).astype(float)
        sigma = np.exp(rng(seed).uniform(np.log(4), np.log(16)))
        expected = cv2.GaussianBlur(rgb, (0, 0), sigma)
        assert np.abs(got - expected)[16:-16, 16:-16].mean() < 1.5


def test_noise_is_of_all_colours_and_fresh():
    noise = filling('noise', rng())
    first, second = (
        cv2.cvtColor(noise(pictures()[0], i), cv2.COLOR_HSV2RGB).astype(float) for i in range(2)
    )
    np.testing.assert_allclose(first.mean(axis=(0, 1)), 127.5, atol=3)
    np.testing.assert_allclose(first.std(axis=(0, 1)), 255 / 12**0.5, atol=3)
    assert (first != second).any()


def test_a_donors_pictures_follow_each_other_and_start_again():
    donor = pictures(2, seed=1)
    show = filling('donor', rng(), donor)
    for index, expected in enumerate((donor[0], donor[1], donor[0])):
        np.testing.assert_array_equal(show(pictures()[0], index), expected)


@pytest.mark.parametrize('kind', ['white', 'donor'])
def test_unknown_fillings_are_refused_and_a_donor_that_is_missing(kind):
    message = f"^kind must be one of black, mean, blurred, noise, donor, got '{kind}'$"
    with pytest.raises(ValueError, match=message):
        filling(kind, rng())


# Both


@pytest.mark.parametrize('donor', [None, pictures(2, seed=1)])
def test_what_is_not_covered_stays_and_the_rest_is_filled(donor):
    frames = pictures()
    frames.flags.writeable = False
    for seed in range(20):
        masked, covered = mask_frames(frames, rng(seed), ALWAYS, donor)
        np.testing.assert_array_equal(frames, pictures())
        assert (masked.shape, masked.dtype) == (frames.shape, np.uint8)
        assert masked[..., 0].max() < 180
        np.testing.assert_array_equal(masked[~covered], frames[~covered])
        assert (masked[covered] != frames[covered]).any(axis=1).mean() > 0.9


def test_shares_are_even_up_to_the_largest():
    shares = []
    for seed in range(200):
        _, covered = mask_frames(pictures(2), rng(seed), ALWAYS)
        counts = covered.sum(axis=(1, 2))
        assert counts[0] == counts[1]
        shares.append(counts[0] / 12800)
    assert 0 <= min(shares) < 0.03
    assert 0.47 < max(shares) <= 0.5
    assert np.mean(shares) == pytest.approx(0.25, abs=0.03)


def test_blobs_move_in_about_half_of_the_sequences():
    moving = total = 0
    for seed in range(80):
        _, covered = mask_frames(pictures(30), rng(seed), ALWAYS)
        share = covered[0].mean()
        if share > 0.1:
            # Fresh blobs differ as if independent, 2 · share · (1 − share); moving ones hardly.
            different = np.mean([(a != b).mean() for a, b in pairwise(covered)])
            moving, total = moving + (different < share * (1 - share)), total + 1
    assert 0.3 * total < moving < 0.7 * total


def test_nothing_is_covered_with_a_share_of_0():
    masked, covered = mask_frames(pictures(), rng(), AugmentConfig(mask_training=1, mask_share=0))
    np.testing.assert_array_equal(masked, pictures())
    assert not covered.any()


@pytest.mark.parametrize(
    ('probability', 'least', 'most'), [(0, 0, 0), (0.3, 35, 90), (1, 195, 200)]
)
def test_as_many_sequences_are_masked_as_asked_for(probability, least, most):
    config = AugmentConfig(mask_training=probability)
    masked = [mask_frames(pictures(1), rng(i), config)[1].any() for i in range(200)]
    assert least <= sum(masked) <= most


def kind_of(image, covered, donor):
    """Which filling it was, by what shows in grey pictures."""
    pixels = image[covered]
    if not pixels.any():
        return 'black'
    if (pixels == pixels[0]).all():
        return 'mean'
    if (pixels == donor[covered]).all():
        return 'donor'
    return 'noise' if pixels[:, 1].any() else 'blurred'


def test_every_filling_comes_up_as_often_as_another():
    frames, donor = np.zeros((1, 80, 160, 3), np.uint8), pictures(1, seed=1)
    frames[:, :, 40:, 2] = 100
    config = AugmentConfig(mask_training=1, mask_share=0.9)
    found = []
    for seed in range(250):
        masked, covered = mask_frames(frames, rng(seed), config, donor)
        if covered.mean() > 0.3:
            found.append(kind_of(masked[0], covered[0], donor[0]))
    assert set(found) == set(FILLINGS)
    assert min(found.count(kind) for kind in FILLINGS) > 0.1 * len(found)


def test_the_same_draws_give_the_same_masks():
    first, second = (mask_frames(pictures(), rng(7), ALWAYS, pictures(2, 1)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize('shape', [(80, 160, 3), (0, 80, 160, 3), (2, 81, 160, 3)])
def test_donors_of_other_shapes_are_refused(shape):
    message = r'^donor must be \(N, 80, 160, 3\) with N > 0, got \(.*\)$'
    with pytest.raises(ValueError, match=message):
        mask_frames(pictures(), rng(), ALWAYS, np.zeros(shape, np.uint8))
