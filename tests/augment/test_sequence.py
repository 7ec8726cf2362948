"""What is drawn, what it changes, and what it leaves."""

from dataclasses import replace

import numpy as np
import pytest

from signattn.augment import AugmentConfig, augment, sequence

NOTHING = AugmentConfig(mirror=0)
ALL = AugmentConfig(
    mirror=0.5,
    gain=0.5,
    gamma=0.5,
    light=0.5,
    grey=0.5,
    blur=2,
    noise=20,
    jpeg=0.5,
    yaw_deg=3,
    shift_m=0.3,
)
CURVATURE = np.array([0.01, np.nan, -0.02])


def rng(seed=0):
    return np.random.default_rng(seed)


def colours(count=3):
    return rng().integers(0, (180, 256, 256), (count, 80, 160, 3)).astype(np.uint8)


def line(column=80):
    """One picture of a bright vertical line, 1 px wide."""
    frames = np.zeros((1, 80, 160, 3), np.uint8)
    frames[:, :, column, 2] = 255
    return frames


def columns(frames):
    """Column of the line in each row of the first picture."""
    assert (np.count_nonzero(frames[0, :, :, 2], axis=1) == 1).all()
    return frames[0, :, :, 2].argmax(axis=1)


# No change


def test_a_configuration_that_does_nothing_changes_nothing():
    frames, curvature = augment(colours(), CURVATURE, NOTHING, rng())
    np.testing.assert_array_equal(frames, colours())
    np.testing.assert_array_equal(curvature, CURVATURE)


@pytest.mark.parametrize('seed', range(8))
def test_the_input_is_not_modified_and_shapes_stay(seed):
    frames, curvature = colours(), CURVATURE.copy()
    varied, label = augment(frames, curvature, ALL, rng(seed))
    np.testing.assert_array_equal(frames, colours())
    np.testing.assert_array_equal(curvature, CURVATURE)
    assert varied[..., 0].max() < 180
    assert (varied.shape, varied.dtype) == (frames.shape, np.uint8)
    assert varied.flags.c_contiguous
    assert np.isnan(label).tolist() == [False, True, False]


def test_read_only_frames_as_of_a_drive_can_be_varied():
    frames = colours()
    frames.flags.writeable = False
    augment(frames, CURVATURE, ALL, rng())


def test_the_same_draws_give_the_same_variation():
    first, second = (augment(colours(), CURVATURE, ALL, rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_switching_others_off_leaves_the_draws_of_the_rest():
    others = replace(ALL, gain=0, gamma=0, light=0, grey=0, blur=0, noise=0, jpeg=0)
    for seed in range(8):
        _, with_others = augment(colours(), CURVATURE, ALL, rng(seed))
        _, without = augment(colours(), CURVATURE, others, rng(seed))
        np.testing.assert_array_equal(with_others, without)


# Mirror


def test_a_mirror_changes_sides_and_sign():
    frames, curvature = augment(line(3), np.array([0.01]), AugmentConfig(mirror=1), rng())
    assert (columns(frames) == 156).all()  # 159 − 3
    assert curvature.tolist() == [-0.01]


def test_a_mirror_twice_is_nothing():
    config = AugmentConfig(mirror=1)
    frames, curvature = augment(*augment(colours(), CURVATURE, config, rng()), config, rng())
    np.testing.assert_array_equal(frames, colours())
    np.testing.assert_array_equal(curvature, CURVATURE)


def test_half_of_the_sequences_are_mirrored():
    signs = [augment(line(), np.ones(1), AugmentConfig(mirror=0.5), rng(i))[1] for i in range(200)]
    assert 70 < np.sum(np.array(signs) < 0) < 130


def test_hues_are_never_mixed():
    # Red lies at both ends of the circle of hues: a mean of 2 and 178 would be cyan.
    frames = np.full((1, 80, 160, 3), 255, np.uint8)
    frames[..., 0] = np.where(np.indices((80, 160)).sum(0) % 2, 2, 178)
    config = replace(ALL, mirror=1, grey=0, blur=0, jpeg=0)
    for seed in range(5):
        varied, _ = augment(frames, np.zeros(1), config, rng(seed))
        assert set(np.unique(varied[..., 0])) == {2, 178}


# Appearance: what is drawn; the steps themselves are in test_appearance.py


def test_grey_has_no_colour_and_leaves_the_label():
    frames, curvature = augment(colours(), CURVATURE, AugmentConfig(mirror=0, grey=1), rng())
    assert not frames[..., :2].any()
    np.testing.assert_array_equal(curvature, CURVATURE)


@pytest.mark.parametrize('seed', range(4))
def test_gain_scales_brightness_and_saturation_apart(seed):
    frames = np.empty((1, 80, 160, 3), np.uint8)
    frames[:] = (100, 120, 80)
    varied, _ = augment(frames, np.zeros(1), AugmentConfig(mirror=0, gain=0.5), rng(seed))
    draws = rng(seed)
    draws.random(2)
    brightness, saturation, _ = draws.uniform(-1, 1, 3)
    expected = (100, round(120 * (1 + saturation / 2)), round(80 * (1 + brightness / 2)))
    assert np.unique(varied.reshape(-1, 3), axis=0).tolist() == [list(expected)]


def test_gamma_moves_the_middle_and_keeps_black_and_white():
    frames = np.zeros((1, 80, 160, 3), np.uint8)
    frames[..., 2] = (0, 128, 255) * 53 + (0,)
    varied, _ = augment(frames, np.zeros(1), AugmentConfig(mirror=0, gamma=0.9), rng(1))
    black, middle, white = varied[0, 0, :3, 2]
    assert (black, white) == (0, 255)
    assert middle != 128


def test_light_stays_within_its_range_and_reaches_far():
    grey = np.full((1, 80, 160, 3), 100, np.uint8)
    config = AugmentConfig(mirror=0, light=0.2)
    seen = [augment(grey, np.zeros(1), config, rng(i))[0][..., 2] for i in range(60)]
    # 100 · (1 ± 0.2) ± 0.2 · 255
    assert 100 - 20 - 51 <= np.min(seen) < 50
    assert 150 < np.max(seen) <= 100 + 20 + 51
    # The middle is where both ramps are 0.
    assert {value[0, 39:41, 79:81].mean().round() for value in seen} == {100}


def test_light_blur_and_jpeg_are_the_same_in_every_frame():
    still = np.repeat(colours(1), 3, axis=0)
    config = AugmentConfig(mirror=0, light=0.5, blur=2, jpeg=1)
    varied, _ = augment(still, CURVATURE, config, rng(3))
    assert (varied != still).any()
    np.testing.assert_array_equal(varied[0], varied[1])
    np.testing.assert_array_equal(varied[0], varied[2])


def test_noise_is_fresh_in_every_frame_and_on_the_brightness_alone():
    frames = np.full((2, 80, 160, 3), 128, np.uint8)
    varied, _ = augment(frames, np.zeros(2), AugmentConfig(mirror=0, noise=20), rng())
    np.testing.assert_array_equal(varied[..., :2], 128)
    assert 0 < varied[..., 2].std() < 21
    assert abs(varied[..., 2].mean() - 128) < 1
    assert (varied[0] != varied[1]).any()


def spread_beside_a_line(sigma_limit, seed):
    varied, _ = augment(line(), np.zeros(1), AugmentConfig(mirror=0, blur=sigma_limit), rng(seed))
    row = varied[0, 40, :, 2].astype(float)
    return np.sqrt(np.average((np.arange(160) - 80.0) ** 2, weights=row))


def test_blur_is_drawn_up_to_its_limit():
    drawn = [spread_beside_a_line(3.0, seed) for seed in range(40)]
    assert min(drawn) < 0.5
    assert 2.5 < max(drawn) < 3.1


@pytest.mark.parametrize(
    ('probability', 'least', 'most'), [(0, 0, 0), (0.3, 35, 90), (1, 200, 200)]
)
def test_as_many_sequences_pass_jpeg_as_asked_for(probability, least, most):
    config, picture = AugmentConfig(mirror=0, jpeg=probability), colours(1)
    passed = [
        (augment(picture, np.zeros(1), config, rng(i))[0] != picture).any() for i in range(200)
    ]
    assert least <= sum(passed) <= most


def drawn_qualities(monkeypatch, config, seeds):
    drawn = []
    monkeypatch.setattr(
        sequence, 'through_jpeg', lambda image, quality: drawn.append(quality) or image
    )
    for seed in seeds:
        augment(line(), np.zeros(1), config, rng(seed))
    return drawn


def test_qualities_are_from_20_to_90(monkeypatch):
    drawn = drawn_qualities(monkeypatch, AugmentConfig(mirror=0, jpeg=1), range(800))
    assert set(drawn) == set(range(20, 91))


def test_switching_the_light_on_leaves_the_qualities(monkeypatch):
    plain, lit = (
        drawn_qualities(
            monkeypatch, AugmentConfig(mirror=0, jpeg=1, light=light, gain=light), range(8)
        )
        for light in (0, 0.5)
    )
    assert len(plain) == 8
    assert plain == lit
