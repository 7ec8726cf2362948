"""JPEGs whose damage is heard, and the same pixels as everywhere else."""

import re
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from signattn.bag.jpeg import Scratch, decode_jpeg, jpeg_size
from signattn.preprocess import ImageError, Preprocessing, decode_compressed, network_input

RNG = np.random.default_rng(0)
COARSE = RNG.integers(60, 200, (12, 16, 3), np.uint8)
SMOOTH = cv2.resize(COARSE, (641, 483), interpolation=cv2.INTER_CUBIC)  # odd on purpose
PICTURE = (SMOOTH + RNG.integers(0, 20, SMOOTH.shape)).astype(np.uint8)
END = b'\xff\xd9'


def encoded(picture, *parameters):
    return cv2.imencode('.jpg', picture, [*parameters])[1].tobytes()


JPEG = encoded(PICTURE)
SCAN = JPEG.index(b'\xff\xda') + 14
SAMPLING = cv2.IMWRITE_JPEG_SAMPLING_FACTOR


@pytest.mark.parametrize(
    'data',
    [
        JPEG,
        encoded(PICTURE[:480, :640], cv2.IMWRITE_JPEG_QUALITY, 60),
        encoded(PICTURE[:, :, 0]),
        encoded(PICTURE, SAMPLING, 0x111111),
        encoded(PICTURE, SAMPLING, 0x211111),
        encoded(PICTURE, SAMPLING, 0x411111),
        encoded(PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        encoded(PICTURE, cv2.IMWRITE_JPEG_RST_INTERVAL, 5),
        encoded(PICTURE[:1, :1]),
    ],
)
def test_the_pixels_are_those_of_the_vehicle(data):
    np.testing.assert_array_equal(decode_jpeg(data), decode_compressed(data))


def test_memory_is_used_again_by_its_thread_alone():
    scratch = Scratch()
    small, large = encoded(PICTURE[:80, :160]), JPEG
    for data in (small, large, small, JPEG):
        np.testing.assert_array_equal(decode_jpeg(data, scratch=scratch), decode_compressed(data))
    first, second = (decode_jpeg(data, scratch=scratch) for data in (large, small))
    assert np.shares_memory(first, second)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(decode_jpeg, small, scratch=scratch).result()
    assert not np.shares_memory(other, second)


def changed(place, with_what):
    return JPEG[:place] + with_what + JPEG[place + len(with_what) :]


MIDDLE = (SCAN + len(JPEG)) // 2
NOISE = np.random.default_rng(3).integers(0, 256, 512, np.uint8).tobytes()


@pytest.mark.parametrize(
    'data',
    [changed(MIDDLE, bytes(512)), changed(MIDDLE, NOISE), changed(MIDDLE, b'\xff\x02')],
    ids=['zeros', 'noise', 'marker'],
)
def test_damage_in_the_middle_is_heard(data):
    assert decode_compressed(data).shape == PICTURE.shape  # which it isn't there
    text = '^data must be an undamaged JPEG picture, got: '
    with pytest.raises(ImageError, match=text):
        decode_jpeg(data)


@pytest.mark.parametrize('kept', [2, SCAN, MIDDLE, len(JPEG) - 1])
def test_a_picture_that_is_cut_off(kept):
    text = f'data must be a whole JPEG picture, got {kept} bytes without its end'
    with pytest.raises(ImageError, match=f'^{re.escape(text)}'):
        decode_jpeg(JPEG[:kept])


@pytest.mark.parametrize('filling', [b'\x00', b'\xff', b'\x20'])
@pytest.mark.parametrize('count', [1, 64])
def test_what_a_camera_fills_up_with_is_no_damage(filling, count):
    padded = JPEG[:-2] + filling * count + END
    np.testing.assert_array_equal(decode_jpeg(padded), decode_compressed(JPEG))
    np.testing.assert_array_equal(decode_jpeg(JPEG + filling * count), decode_compressed(JPEG))


def test_what_is_left_over_otherwise_is():
    with pytest.raises(ImageError, match=r'got: Corrupt JPEG data: \d+ extraneous bytes before'):
        decode_jpeg(JPEG[:-2] + b'picture left over' + END)


def test_what_is_no_picture():
    with pytest.raises(ImageError, match=r'^data must be a whole JPEG picture, got 12 bytes'):
        decode_jpeg(b'\xff\xd8 no picture'[:12])
    with pytest.raises(ImageError, match=r'^data must be a JPEG picture, got: '):
        jpeg_size(b'\xff\xd8 no picture')


# Reduced


@pytest.mark.parametrize(
    ('size', 'crop_top', 'expected'),
    [
        ((320, 640), 0.0, (80, 160)),
        ((483, 641), 0.0, (121, 161)),
        ((320, 639), 0.0, (160, 320)),  # a quarter would be narrower than the network's input
        ((319, 640), 0.0, (160, 320)),
        ((426, 640), 0.25, (213, 320)),  # 319.5 rows are left
        ((428, 640), 0.25, (107, 160)),
        ((160, 320), 0.0, (80, 160)),
        ((159, 320), 0.0, (159, 320)),
    ],
)
def test_a_reduced_picture_is_never_smaller_than_what_is_made_of_it(size, crop_top, expected):
    data = encoded(cv2.resize(PICTURE, size[::-1]))
    preprocessing = Preprocessing(crop_top=crop_top, reduced=True)
    assert decode_jpeg(data, preprocessing).shape == (*expected, 3)
    assert jpeg_size(data) == size
    whole = decode_jpeg(data, Preprocessing(crop_top=crop_top))
    np.testing.assert_array_equal(whole, decode_compressed(data))


def test_a_reduced_picture_looks_alike():
    reduced = network_input(decode_jpeg(JPEG, Preprocessing(reduced=True)), Preprocessing())
    exact = network_input(decode_jpeg(JPEG), Preprocessing())
    off = np.abs(reduced[..., 2].astype(int) - exact[..., 2])
    assert 0 < off.mean() < 3
