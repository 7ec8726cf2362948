"""The bytes of INTER_AREA, on pictures known by hand, on noise, and where rounding is a tie."""

import cv2
import numpy as np
import pytest

from signattn import shrink as module
from signattn.shrink import shrink

HEIGHT, WIDTH = 80, 160
QUICK = [  # height, width
    (600, 800),  # 7.5 × 5
    (576, 1024),  # 7.2 × 6.4
    (1024, 1280),  # 12.8 × 8
    (1080, 1440),  # 13.5 × 9
    (540, 1920),  # 6.75 × 12
    (810, 1920),  # 10.125 × 12
    (1080, 1920),  # 13.5 × 12
    (1536, 2048),  # 19.2 × 12.8
]
PLAIN = {
    (480, 640): 'a small picture',
    (1200, 1920): 'whole numbers',
    (384, 640): 'few pixels in a mean',
    (1242, 2208): 'fractions that repeat late',
    (80, 160): 'as it is',
    (40, 100): 'enlarged',
    (120, 4000): 'long and thin',
    (160, 4112): 'wider than tried',
}


def opencv(image):
    return cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def noise(size, levels=256, seed=0):
    return np.random.default_rng(seed).integers(0, levels, (*size, 3), np.uint8)


def smooth(size):
    coarse = cv2.resize(noise((9, 16)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(coarse // 2 + noise(size, 5), np.uint8)


def black_and_white(size):
    return noise(size, 2) * np.uint8(255)


def white(size):
    return np.full((*size, 3), 255, np.uint8)


def ties(size, share, seed=0):
    """Left and right halves of 12 columns differ by 1 in a share of the means, each exactly .5."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 255, (1, WIDTH, 1, 3), np.uint8)
    left = np.arange(size[1] // WIDTH)[:, None] < size[1] // WIDTH / 2
    chosen = rng.random((-(-size[0] // 27), WIDTH, 1, 1)) < share
    return (level + (left & chosen.repeat(27, axis=0)[: size[0]])).reshape(*size, 3)


@pytest.fixture
def given_to_opencv(monkeypatch):
    """Sizes of the pictures that OpenCV shrinks whole."""
    sizes = []
    plain = module._by_opencv
    monkeypatch.setattr(
        module,
        '_by_opencv',
        lambda image, *size: sizes.append(image.shape[:2]) or plain(image, *size),
    )
    return sizes


def test_a_row_cut_through_counts_half_on_both_sides():
    image = np.zeros((1080, 1920, 3), np.uint8)
    image[13] = 54  # 54 / 2 / 13.5 = 2
    want = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    want[:2] = 2
    np.testing.assert_array_equal(shrink(image, HEIGHT, WIDTH), want)


def test_columns_cut_through_are_shared_by_fifths():
    image = np.zeros((1024, 2048, 3), np.uint8)  # 12.8 columns: the first takes 0.8 of column 12
    image[:, 12] = 64
    got = shrink(image, HEIGHT, WIDTH)
    assert got[:, :3].tolist() == [[[4] * 3, [1] * 3, [0] * 3]] * HEIGHT


@pytest.mark.parametrize('size', QUICK)
def test_the_bytes_of_black_and_white_noise_are_too(size):
    image = black_and_white(size)
    np.testing.assert_array_equal(shrink(image, HEIGHT, WIDTH), opencv(image))


@pytest.mark.parametrize('level', [0, 1, 127, 254, 255])
def test_a_picture_of_one_colour_keeps_it(level):
    image = np.full((1080, 1920, 3), level, np.uint8)
    assert (shrink(image, HEIGHT, WIDTH) == level).all()


@pytest.mark.parametrize('picture', [noise, smooth])
@pytest.mark.parametrize('size', QUICK)
def test_the_bytes_are_those_of_opencv(size, picture, given_to_opencv):
    image = picture(size)
    before = image.copy()
    got = shrink(image, HEIGHT, WIDTH)
    np.testing.assert_array_equal(got, opencv(image))
    assert got.dtype == np.uint8
    assert size not in given_to_opencv
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize('seed', range(20))
def test_any_size_that_repeats(seed):
    rng = np.random.default_rng(seed)
    down, across = rng.choice([1, 2, 4, 5, 8], 2)
    height = rng.integers(4 * down, 16 * down) * HEIGHT // down
    width = rng.integers(4 * across, 13 * across) * WIDTH // across
    image = rng.integers(0, rng.choice([4, 256]), (height, width, 3), np.uint8)
    np.testing.assert_array_equal(shrink(image, HEIGHT, WIDTH), opencv(image))


@pytest.mark.parametrize('size', PLAIN, ids=PLAIN.get)
def test_opencv_gets_what_it_is_quick_at(size, given_to_opencv):
    image = noise(size)
    np.testing.assert_array_equal(shrink(image, HEIGHT, WIDTH), opencv(image))
    assert given_to_opencv == [size]


@pytest.mark.parametrize('size', [(1080, 1920), (540, 1920), (810, 1920)])
@pytest.mark.parametrize('seed', range(3))
def test_ties_are_rounded_as_opencv_rounds_them(size, seed, given_to_opencv):
    image = ties(size, 0.03, seed)
    np.testing.assert_array_equal(shrink(image, HEIGHT, WIDTH), opencv(image))
    assert given_to_opencv
    assert size not in given_to_opencv


def test_without_a_second_look_ties_are_rounded_otherwise(monkeypatch):
    image = ties((1080, 1920), 0.03)
    monkeypatch.setattr(module, '_error', lambda *_: 0.0)
    assert (shrink(image, HEIGHT, WIDTH) != opencv(image)).any()


def ramp(size):
    """Means of 12 levels in a row end in .5."""
    return np.zeros((*size, 3), np.uint8) + np.arange(size[1], dtype=np.uint8)[:, None]


@pytest.mark.parametrize('picture', [ramp, lambda size: ties(size, 0.5)])
def test_opencv_gets_pictures_full_of_ties(picture, given_to_opencv):
    image = picture((1080, 1920))
    np.testing.assert_array_equal(shrink(image, HEIGHT, WIDTH), opencv(image))
    assert given_to_opencv == [(1080, 1920)]


@pytest.mark.parametrize('size', QUICK)
@pytest.mark.parametrize('picture', [noise, black_and_white, white])
def test_means_are_as_near_to_those_of_opencv_as_supposed(size, picture):
    image = picture(size)
    down, across = module.Fraction(size[0], HEIGHT), module.Fraction(size[1], WIDTH)
    means = module._means(image, down, HEIGHT, WIDTH)
    apart = np.abs(means - opencv(image.astype(np.float32))).max()
    assert apart < module._error(down, across) < 1e-3


@pytest.mark.parametrize(
    'cut', [np.s_[270:, :], np.s_[:, 160:-160], np.s_[::-1], np.s_[:, :, ::-1]]
)
def test_a_part_of_a_picture_is_a_picture(cut, given_to_opencv):
    image = noise((1080, 1920))[cut]
    np.testing.assert_array_equal(
        shrink(image, HEIGHT, WIDTH), opencv(np.ascontiguousarray(image))
    )
    assert image.shape[:2] not in given_to_opencv
