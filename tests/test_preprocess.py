"""From bytes to the network's input, on pictures whose result is known by hand."""

import array
import math
import re

import cv2
import numpy as np
import pytest

from signattn.preprocess import (
    ENCODINGS,
    ImageError,
    Preprocessing,
    RateGate,
    decode_compressed,
    decode_raw,
    network_input,
    scale,
    unscale,
)

MS = 1_000_000  # ns
PLAIN = Preprocessing()


def raw(data, encoding, height, width, step, *, is_bigendian=False):
    return decode_raw(
        bytes(data),
        encoding=encoding,
        height=height,
        width=width,
        step=step,
        is_bigendian=is_bigendian,
    )


def picture(rgb, height=80, width=160):
    return np.full((height, width, 3), rgb, np.uint8)


def encoded(image, extension, *parameters):
    """(H, W, 3) BGR or (H, W) grey, as a file."""
    return cv2.imencode(extension, image, parameters)[1].tobytes()


# Raw encodings

ONE_PIXEL = {
    'mono8': ([77], (77, 77, 77)),
    '8UC1': ([77], (77, 77, 77)),
    'rgb8': ([10, 20, 30], (10, 20, 30)),
    'bgr8': ([10, 20, 30], (30, 20, 10)),
    '8UC3': ([10, 20, 30], (30, 20, 10)),
    'rgba8': ([10, 20, 30, 99], (10, 20, 30)),
    'bgra8': ([10, 20, 30, 99], (30, 20, 10)),
    'mono16': ([0xCD, 0x4D], (77, 77, 77)),
    '16UC1': ([0xCD, 0x4D], (77, 77, 77)),
}


@pytest.mark.parametrize('encoding', ONE_PIXEL)
def test_one_pixel(encoding):
    data, rgb = ONE_PIXEL[encoding]
    assert raw(data, encoding, 1, 1, len(data)).tolist() == [[list(rgb)]]


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_sixteen_bits_have_a_byte_order(encoding):
    data = [0x4D, 0xCD]
    assert raw(data, encoding, 1, 1, 2, is_bigendian=True).tolist() == [[[77] * 3]]
    assert raw(data, encoding, 1, 1, 2).tolist() == [[[0xCD] * 3]]


@pytest.mark.parametrize('encoding', ['mono8', 'rgb8', 'bgra8', 'yuv422'])
def test_eight_bits_have_none(encoding):
    data = bytes(range(100, 116))
    pixels = 16 // {'mono8': 1, 'rgb8': 3, 'bgra8': 4, 'yuv422': 2}[encoding] // 2 * 2
    little, big = (
        raw(data, encoding, 1, pixels, 16, is_bigendian=order) for order in (False, True)
    )
    np.testing.assert_array_equal(little, big)


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_a_mosaic_of_one_colour_is_that_colour_everywhere(pattern):
    values = [{'r': 200, 'g': 100, 'b': 50}[letter] for letter in pattern]
    mosaic = np.tile(np.array(values, np.uint8).reshape(2, 2), (2, 3))
    got = raw(mosaic.tobytes(), f'bayer_{pattern}8', 4, 6, 6)
    np.testing.assert_array_equal(got, picture((200, 100, 50), 4, 6))


# Luma 16 is black, 235 white, 126 in between: (126 − 16) · 255 / 219 = 128. Chroma 90 and 240 at
# luma 81 are pure red.
@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy'])
def test_chroma_first(encoding):
    data = [128, 16, 128, 235, 128, 126, 128, 16, 90, 81, 240, 81]
    got = raw(data, encoding, 1, 6, 12)[0].astype(int)
    want = [[0] * 3, [255] * 3, [128] * 3, [0] * 3, [255, 0, 0], [255, 0, 0]]
    assert np.abs(got - want).max() <= 2


@pytest.mark.parametrize('encoding', ['yuv422_yuy2', 'yuyv'])
def test_luma_first(encoding):
    data = [16, 128, 235, 128, 81, 90, 81, 240]
    got = raw(data, encoding, 1, 4, 8)[0].astype(int)
    assert np.abs(got - [[0] * 3, [255] * 3, [255, 0, 0], [255, 0, 0]]).max() <= 2


def test_every_encoding_is_tested_above():
    bayer = {f'bayer_{pattern}8' for pattern in ('rggb', 'bggr', 'gbrg', 'grbg')}
    assert set(ENCODINGS) == {*ONE_PIXEL, *bayer, 'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'}


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_padding_is_cut_and_may_be_missing_in_the_last_row(encoding):
    bytes_per_pixel = {'rgba8': 4, 'bgra8': 4, 'rgb8': 3, 'bgr8': 3, '8UC3': 3}
    size = bytes_per_pixel.get(encoding, 1 if '8' in encoding else 2)
    row = 4 * size
    pixels = np.random.default_rng(0).integers(0, 256, (4, row), np.uint8)
    padded = np.pad(pixels, ((0, 0), (0, 5)), constant_values=255).tobytes()
    want = raw(pixels.tobytes(), encoding, 4, 4, row)
    assert want.shape == (4, 4, 3)
    np.testing.assert_array_equal(raw(padded, encoding, 4, 4, row + 5), want)
    np.testing.assert_array_equal(raw(padded[:-5], encoding, 4, 4, row + 5), want)
    text = f'data must have {4 * (row + 5)} bytes, got {len(padded) - 6}'
    with pytest.raises(ImageError, match=f'^{text}$'):
        raw(padded[:-6], encoding, 4, 4, row + 5)


@pytest.mark.parametrize('kind', [bytes, bytearray, lambda data: array.array('B', data), np.array])
def test_any_buffer_of_bytes_will_do(kind):
    data = np.arange(6, dtype=np.uint8)
    buffer = kind(data) if kind is np.array else kind(data.tobytes())
    got = decode_raw(buffer, encoding='rgb8', height=1, width=2, step=6, is_bigendian=False)
    assert got.tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        (('smell8', 1, 1, 3), r"encoding must be one of .*bgr8.*, got 'smell8'"),
        (('rgb8', 0, 1, 3), 'image must have pixels, got 0×1'),
        (('rgb8', 1, 0, 3), 'image must have pixels, got 1×0'),
        (('rgb8', 1, 1, 2), 'step must be at least 3 bytes for rgb8, got 2'),
        (('mono16', 1, 2, 3), 'step must be at least 4 bytes for mono16, got 3'),
        (('rgb8', 2, 1, 3), 'data must have 6 bytes, got 3'),
        (('yuv422', 1, 1, 2), 'width must be even for yuv422, got 1'),
        (('bayer_rggb8', 1, 3, 3), 'image must have at least 4×4 pixels for bayer_rggb8, got 1×3'),
    ],
)
def test_pixels_that_do_not_fit_are_refused(given, text):
    with pytest.raises(ImageError, match=f'^{text}$'):
        raw([1, 2, 3], *given)


def test_no_data_is_too_little():
    with pytest.raises(ImageError, match=r'^data must have 3 bytes, got 0$'):
        raw([], 'rgb8', 1, 1, 3)


# Compressed pictures

RAMP = np.dstack([np.tile(np.arange(0, 256, 8, np.uint8), (24, 1))] * 3)
RAMP[:, :, 2] = 40  # (24, 32, 3) BGR
JPEG, PNG = encoded(RAMP, '.jpg'), encoded(RAMP, '.png')
FILES = {'JPEG': JPEG, 'PNG': PNG}


def app1(content):
    """A segment that applications may put behind a JPEG's first two bytes."""
    return b'\xff\xe1' + (len(content) + 2).to_bytes(2, 'big') + content


def test_png_is_exact():
    np.testing.assert_array_equal(decode_compressed(PNG), RAMP[:, :, ::-1])


def test_jpeg_is_near():
    got = decode_compressed(JPEG).astype(int)
    assert np.abs(got - RAMP[:, :, ::-1]).max() <= 12
    assert np.abs(got - RAMP[:, :, ::-1]).mean() <= 2


def test_grey_gets_three_equal_channels():
    got = decode_compressed(encoded(RAMP[:, :, 0], '.png'))
    np.testing.assert_array_equal(got, np.dstack([RAMP[:, :, 0]] * 3))


def test_sixteen_bits_keep_their_upper_byte():
    got = decode_compressed(encoded(np.array([[0x4D00, 0xFF12]], np.uint16), '.png'))
    assert got.tolist() == [[[0x4D] * 3, [0xFF] * 3]]


def test_the_camera_is_not_turned():
    orientation_6 = b'\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00' + bytes(4)
    exif = app1(b'Exif\0\0II*\0\x08\0\0\0' + orientation_6)
    assert decode_compressed(JPEG[:2] + exif + JPEG[2:]).shape == (24, 32, 3)


@pytest.mark.parametrize(
    ('data', 'format', 'text'),
    [
        (b'', '', 'got 0 bytes: nothing'),
        (b'not a picture', 'jpeg', "got 13 bytes (format 'jpeg'): 6e 6f 74 20 61 20 70 69"),
    ],
)
def test_what_is_no_picture_is_refused(data, format, text):  # noqa: A002
    want = f'data must be a JPEG or PNG picture, {text}'
    with pytest.raises(ImageError, match=f'^{re.escape(want)}$'):
        decode_compressed(data, format)


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('kept', [0.1, 0.5, 0.9])
def test_a_picture_that_is_cut_off_is_refused(name, kept):
    cut = FILES[name][: int(kept * len(FILES[name]))]
    text = f'data must be a whole {name} picture, got {len(cut)} bytes without its end'
    with pytest.raises(ImageError, match=f'^{text}$'):
        decode_compressed(cut)
    with pytest.raises(ImageError, match=f'^data must be a whole {name} picture'):
        decode_compressed(cut + bytes(len(FILES[name])))  # a buffer filled in part


@pytest.mark.parametrize('name', FILES)
def test_a_picture_without_its_last_byte_is_cut_off(name):
    with pytest.raises(ImageError, match=f'^data must be a whole {name} picture'):
        decode_compressed(FILES[name][:-1])


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('tail', [b'\0' * 64, b'\xff' * 3, b'sensor 17'])
def test_bytes_behind_the_picture_are_left_alone(name, tail):
    data = FILES[name]
    np.testing.assert_array_equal(decode_compressed(data + tail), decode_compressed(data))


def test_the_end_of_a_thumbnail_is_not_the_end():
    data = JPEG[:2] + app1(JPEG) + JPEG[2:]
    np.testing.assert_array_equal(decode_compressed(data), decode_compressed(JPEG))
    with pytest.raises(ImageError, match=r'^data must be a whole JPEG picture'):
        decode_compressed(data[:-2])


@pytest.mark.parametrize(
    'parameters',
    [(cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)],
    ids=['progressive', 'restart markers'],
)
def test_every_kind_of_jpeg_is_found_whole(parameters):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(noise, '.jpg', *parameters)
    assert decode_compressed(data).shape == (64, 64, 3)
    with pytest.raises(ImageError, match=r'^data must be a whole JPEG picture'):
        decode_compressed(data[:-1])


# The network's input


@pytest.mark.parametrize(
    ('rgb', 'hsv'),
    [
        ((255, 0, 0), (0, 255, 255)),
        ((0, 255, 0), (60, 255, 255)),
        ((0, 0, 255), (120, 255, 255)),
        ((255, 255, 0), (30, 255, 255)),
        ((200, 120, 120), (0, 102, 200)),  # S = 255 · (200 − 120) / 200
        ((77, 77, 77), (0, 0, 77)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_hsv_of_a_colour(rgb, hsv):
    got = network_input(picture(rgb), PLAIN)
    np.testing.assert_array_equal(got, picture(hsv))
    assert got.dtype == np.uint8


def test_shrinking_takes_the_mean_of_each_area():
    blocks = np.tile(np.array([[0, 0], [0, 200]], np.uint8), (80, 160))  # mean 50
    got = network_input(np.dstack([blocks] * 3), PLAIN)
    np.testing.assert_array_equal(got, picture((0, 0, 50)))


def test_shrinking_by_one_and_a_half_weighs_half_pixels():
    # (90 + 0/2) / 1.5 = 60 and (0/2 + 30) / 1.5 = 20.
    columns = np.tile(np.array([90, 0, 30], np.uint8), (120, 80))
    got = network_input(np.dstack([columns] * 3), PLAIN)
    np.testing.assert_array_equal(got[:, :, 2], np.tile([60, 20], (80, 80)))


@pytest.mark.parametrize(
    ('side', 'kept'),
    [
        ('crop_top', np.s_[20:, :]),
        ('crop_bottom', np.s_[:80, :]),
        ('crop_left', np.s_[:, 40:]),
        ('crop_right', np.s_[:, :160]),
    ],
)
def test_a_fraction_is_cropped_and_not_a_row_more(side, kept):
    image = picture(0, 100, 200)
    image[kept] = 255
    np.testing.assert_array_equal(
        network_input(image, Preprocessing(**{side: 0.2})), picture((0, 0, 255))
    )
    less = network_input(image, Preprocessing(**{side: 0.19}))
    assert less[:, :, 2].min() < 255


def test_the_picture_is_not_modified():
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    before = image.copy()
    network_input(image, Preprocessing(crop_top=0.2, crop_left=0.1))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ('image', 'text'),
    [
        (np.zeros((80, 160), np.uint8), r'\(H, W, 3\) uint8, got \(80, 160\) uint8'),
        (np.zeros((80, 160, 4), np.uint8), r'\(H, W, 3\) uint8, got \(80, 160, 4\) uint8'),
        (np.zeros((8, 8, 3), np.float32), r'\(H, W, 3\) uint8, got \(8, 8, 3\) float32'),
        (np.zeros((1, 1, 3), np.uint8), 'large enough to be cropped, got 1×1'),
        (np.zeros((0, 5, 3), np.uint8), 'large enough to be cropped, got 0×5'),
    ],
)
def test_what_is_no_picture_does_not_reach_the_network(image, text):
    with pytest.raises(ImageError, match=f'^image must be {text}$'):
        network_input(image, Preprocessing(crop_top=0.6))


def test_scaling_can_be_undone():
    levels = np.arange(2 * 80 * 160 * 3).reshape(2, 80, 160, 3) % 256
    frames = np.minimum(levels, [179, 255, 255]).astype(np.uint8)
    back = unscale(scale(frames))
    assert back.dtype == np.uint8
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, frames)


def test_scaled_numbers_are_at_most_1():
    frames = np.zeros((2, 80, 160, 3), np.uint8)
    frames[1, 3, 7] = (179, 255, 51)
    before = frames.copy()
    scaled = scale(frames)
    assert (scaled.shape, scaled.dtype) == ((2, 3, 80, 160), np.float32)
    np.testing.assert_allclose(scaled[1, :, 3, 7], [1, 1, 0.2])
    assert scaled.sum() == pytest.approx(2.2)
    assert scaled.flags.c_contiguous
    np.testing.assert_array_equal(frames, before)


# The contract

CONTRACT = {
    'crop_top': 0.25,
    'crop_bottom': 0.0,
    'crop_left': 0.0,
    'crop_right': 0.0,
    'rate_hz': 20.0,
    'aspect_ratio': 1.5,
    'size': [80, 160],
    'interpolation': 'area',
    'color': 'hsv',
    'scale': [179, 255, 255],
}


def test_the_contract_is_written_whole_and_read_back():
    preprocessing = Preprocessing(crop_top=0.25, aspect_ratio=1.5)
    assert preprocessing.to_mapping() == CONTRACT
    assert Preprocessing.from_mapping(CONTRACT) == preprocessing


def test_reduced_decoding_stands_in_the_contract_where_it_was_chosen():
    preprocessing = Preprocessing(crop_top=0.25, aspect_ratio=1.5, reduced=True)
    assert preprocessing.to_mapping() == CONTRACT | {'reduced': True}
    assert Preprocessing.from_mapping(CONTRACT | {'reduced': True}) == preprocessing


@pytest.mark.parametrize('key', list(CONTRACT))
def test_a_contract_leaves_nothing_out(key):
    rest = {name: value for name, value in CONTRACT.items() if name != key}
    with pytest.raises(ValueError, match=rf"^model: keys \['{key}'\] must be given, got "):
        Preprocessing.from_mapping(rest, 'model')


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'interpolation': 'linear'}, 'model: interpolation must be area, got linear'),
        ({'size': [66, 200]}, 'model: size must be [80, 160], got [66, 200]'),
        ({'color': 'yuv'}, 'model: color must be hsv, got yuv'),
        ({'scale': [1, 1, 1]}, 'model: scale must be [179, 255, 255], got [1, 1, 1]'),
        ({'crop_tpo': 0.1}, "got 'crop_tpo'; did you mean 'crop_top'?"),
        ({'crop_top': 'much'}, "model: '<=' not supported between instances of "),
    ],
)
def test_another_contract_is_refused(change, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Preprocessing.from_mapping(CONTRACT | change, 'model')


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        ({'crop_top': 1.0}, 'crop_top must be in [0, 1), got 1.0'),
        ({'crop_right': -0.01}, 'crop_right must be in [0, 1), got -0.01'),
        ({'crop_left': math.nan}, 'crop_left must be in [0, 1), got nan'),
        (
            {'crop_top': 0.5, 'crop_bottom': 0.5},
            'crop_top + crop_bottom must be below 1, got 1.0',
        ),
        (
            {'crop_left': 0.75, 'crop_right': 0.5},
            'crop_left + crop_right must be below 1, got 1.25',
        ),
        ({'rate_hz': 0.0}, 'rate_hz must be above 0, got 0.0'),
        ({'rate_hz': math.inf}, 'rate_hz must be above 0, got inf'),
        ({'aspect_ratio': 0.0}, 'aspect_ratio must be above 0, got 0.0'),
    ],
)
def test_a_preprocessing_that_cannot_be_is_refused(given, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        Preprocessing(**given)


def test_a_crop_that_leaves_little_is_allowed():
    assert Preprocessing(crop_top=0.5, crop_bottom=0.49).crop_bottom == 0.49


# The rate


def kept(stamps_ns, rate_hz=20):
    gate = RateGate(rate_hz)
    return [index for index, stamp in enumerate(stamps_ns) if gate.accept(stamp)]


def camera(rate_hz, count, jitter=0.0):
    """Stamps of a camera; jitter as a fraction of its interval, each way."""
    noise = np.random.default_rng(0).uniform(-jitter, jitter, count)
    return [round(stamp) for stamp in (np.arange(count) + noise) * 1e9 / rate_hz]


@pytest.mark.parametrize('rate_hz', [5, 10, 15, 18, 19, 19.9, 20, 20.1])
@pytest.mark.parametrize('jitter', [0.0, 0.1])
def test_a_camera_that_is_not_faster_loses_nothing(rate_hz, jitter):
    assert kept(camera(rate_hz, 1000, jitter)) == list(range(1000))


def test_a_camera_of_30_hz_keeps_two_of_three():
    indices = kept(camera(30, 3000))
    assert len(indices) == 2000
    assert set(np.diff(indices)) == {1, 2}
    assert set(np.diff(indices, 2)) == {-1, 1}  # never two short or two long steps in a row


def test_a_camera_of_30_hz_with_jitter_keeps_two_of_three():
    indices = kept(camera(30, 3000, 0.1))
    assert abs(len(indices) - 2000) <= 2
    assert set(np.diff(indices)) <= {1, 2, 3}


@pytest.mark.parametrize(('rate_hz', 'every'), [(40, 2), (60, 3), (120, 6)])
@pytest.mark.parametrize('jitter', [0.0, 0.1])
def test_a_camera_of_a_multiple_keeps_exactly_each_nth(rate_hz, every, jitter):
    assert kept(camera(rate_hz, 600, jitter)) == list(range(0, 600, every))


def test_half_an_interval_before_the_tick_is_near_enough():
    # After 33.3… ms the tick is 16.6… ms away, half of what the camera took for its last image.
    assert kept([0, 33_333_334]) == [0, 1]
    assert kept([0, 33_333_333]) == [0]


def test_another_rate_has_other_ticks():
    assert kept(camera(20, 10), rate_hz=10) == [0, 2, 4, 6, 8]


def test_an_image_that_comes_twice_is_skipped_and_changes_nothing():
    stamps = [stamp * MS for stamp in (0, 0, 20, 20, 50, 50, 70, 100, 100)]
    assert kept(stamps) == [0, 4, 7]


def test_a_stamp_that_goes_backwards_starts_afresh():
    # From 10 ms on the next tick is at 60 ms; without the fresh start it would be at 50 ms.
    stamps = [stamp * MS for stamp in (100, 120, 10, 35, 60)]
    assert kept(stamps) == [0, 2, 4]


@pytest.mark.parametrize(('extra_ns', 'last'), [(0, [3]), (1, [])])
def test_a_gap_starts_afresh_when_it_is_longer_than_half_a_second(extra_ns, last):
    # The image of 520 ms is 20 ms behind its tick, so the next tick is near at 550 ms; after a
    # fresh start it is at 570 ms.
    stamps = [stamp * MS for stamp in (0, 20, 520, 550)]
    stamps[2:] = [stamp + extra_ns for stamp in stamps[2:]]
    assert kept(stamps) == [0, 2, *last]


def test_images_that_were_lost_are_not_made_up_for():
    stamps = camera(60, 60)
    lost = stamps[:7] + stamps[21:]  # gone: 7 to 20; ticks are at 6, 9, …, 21
    assert [lost[index] for index in kept(lost)] == stamps[0:7:3] + stamps[21::3]


def test_a_reset_takes_the_next_image():
    gate = RateGate(20)
    assert [gate.accept(0), gate.accept(20 * MS)] == [True, False]
    gate.reset()
    assert gate.accept(30 * MS)


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        ((0.0,), 'rate_hz must be above 0, got 0.0'),
        ((math.nan,), 'rate_hz must be above 0, got nan'),
        ((20.0, 0.0), 'max_gap_s must be above 0, got 0.0'),
    ],
)
def test_a_rate_that_cannot_be_is_refused(given, text):
    with pytest.raises(ValueError, match=f'^{text}$'):
        RateGate(*given)


@pytest.mark.parametrize(
    ('contract', 'stretch'),
    [
        (Preprocessing(), 1.0),
        (Preprocessing(aspect_ratio=2.0), 1.0),
        (Preprocessing(aspect_ratio=4 / 3), 1.5),
        (Preprocessing(aspect_ratio=4 / 3, crop_top=1 / 3), 1.0),
        (Preprocessing(aspect_ratio=2.0, crop_left=0.25, crop_right=0.25), 2.0),
    ],
)
def test_stretch_is_how_much_wider_than_high_a_square_becomes(contract, stretch):
    assert contract.stretch == pytest.approx(stretch)
