"""Pictures of every encoding, written into bags and read back; stamps; damage."""

import re
import struct
import zlib

import cv2
import numpy as np
import pytest

from signattn.bag import BagError, Selection, open_recording
from signattn.preprocess import ENCODINGS, ImageError, decode_compressed, refuse_too_large

FORMATS = ('ros1', 'sqlite3', 'mcap')
START = 1_500_000_000_000_000_000
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
RAW = 'sensor_msgs/msg/Image'
HEIGHT, WIDTH = 6, 8
COLOUR = (200, 100, 50)
# ITU-R BT.601: 16 + 65.5 r + 128.6 g + 25.0 b, 128 - 37.8 r - 74.2 g + 112 b, 128 + 112 r - 93.8 g
# - 18.2 b, with r, g, b from 0 to 1
YUV = (123, 91, 175)
BAYER = {'r': 0, 'g': 1, 'b': 2}


def pixels(encoding, *, is_bigendian):
    """(H, bytes) uint8: rows of a picture of one colour, or of its green as grey."""
    rgb = np.full((HEIGHT, WIDTH, 3), COLOUR, np.uint8)
    grey = rgb[:, :, 1]
    if encoding in ('rgb8', 'bgr8', '8UC3'):
        return (rgb if encoding == 'rgb8' else rgb[:, :, ::-1]).reshape(HEIGHT, -1)
    if encoding in ('rgba8', 'bgra8'):
        alpha = np.full((HEIGHT, WIDTH, 1), 7, np.uint8)
        ordered = rgb if encoding == 'rgba8' else rgb[:, :, ::-1]
        return np.concatenate([ordered, alpha], axis=2).reshape(HEIGHT, -1)
    if encoding in ('mono8', '8UC1'):
        return grey
    if encoding in ('mono16', '16UC1'):
        wide = grey.astype('>u2' if is_bigendian else '<u2') * 256 + 52
        return wide.astype('>u2' if is_bigendian else '<u2').view(np.uint8)
    if encoding.startswith('bayer'):
        pattern = np.array([BAYER[letter] for letter in encoding[6:10]]).reshape(2, 2)
        return np.array(COLOUR, np.uint8)[np.tile(pattern, (HEIGHT // 2, WIDTH // 2))]
    y, u, v = YUV
    quad = (u, y, v, y) if encoding in ('yuv422', 'uyvy') else (y, u, y, v)
    return np.tile(np.array(quad, np.uint8), (HEIGHT, WIDTH // 2))


@pytest.mark.parametrize('is_bigendian', [False, True])
@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_comes_back(bag, encoding, padding, is_bigendian):
    rows = pixels(encoding, is_bigendian=is_bigendian)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    values = {
        'height': HEIGHT,
        'width': WIDTH,
        'encoding': encoding,
        'is_bigendian': int(is_bigendian),
        'step': padded.shape[1],
        'data': padded.ravel(),
    }
    path, writer = bag('mcap')
    with writer:
        writer.send('/camera', RAW, START, values)
    with open_recording(path) as recording:
        (image,) = recording.images()
    is_grey = encoding in ('mono8', 'mono16', '8UC1', '16UC1')
    expected = (COLOUR[1],) * 3 if is_grey else COLOUR
    rgb = image.rgb()
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    tolerance = 4 if encoding.startswith(('yuv', 'uyvy', 'yuyv')) else 0
    assert np.abs(rgb.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize('kind', FORMATS)
def test_raw_fields_come_back(bag, kind):
    values = {'height': 2, 'width': 2, 'step': 6, 'encoding': 'mono16', 'is_bigendian': 1}
    grey = np.array([[0x1234, 0x5678, 0xFFFF], [0x9ABC, 0xDEF0, 0xFFFF]], '>u2')
    path, writer = bag(kind)
    with writer:
        writer.send('/camera', RAW, START, values | {'data': grey.view(np.uint8).ravel()})
    with open_recording(path) as recording:
        (image,) = recording.images()
    assert image.rgb()[:, :, 0].tolist() == [[0x12, 0x56], [0x9A, 0xDE]]
    assert image.source == f'{path}: /camera at {START} ns'


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize(
    ('suffix', 'named', 'flags'),
    [
        ('.jpg', 'jpeg', cv2.IMREAD_COLOR),
        ('.jpg', 'rgb8; jpeg compressed bgr8', cv2.IMREAD_COLOR),
        ('.jpg', 'jpeg', cv2.IMREAD_GRAYSCALE),
        ('.png', 'png', cv2.IMREAD_COLOR),
        ('.png', 'mono8; png compressed ', cv2.IMREAD_GRAYSCALE),
    ],
)
def test_compressed_pictures_come_back(bag, kind, suffix, named, flags):
    rgb = np.full((HEIGHT, WIDTH, 3), COLOUR, np.uint8)
    grey = flags == cv2.IMREAD_GRAYSCALE
    data = cv2.imencode(suffix, rgb[:, :, 1] if grey else rgb[:, :, ::-1])[1].ravel()
    path, writer = bag(kind)
    with writer:
        writer.send('/camera', COMPRESSED, START, {'format': named, 'data': data})
    with open_recording(path) as recording:
        (image,) = recording.images()
    assert (image.format, image.data.tolist()) == (named, data.tolist())
    expected = (COLOUR[1],) * 3 if grey else COLOUR
    assert np.abs(image.rgb().astype(int) - expected).max() <= 4


@pytest.mark.parametrize('kind', FORMATS)
def test_the_data_is_no_copy(bag, kind):
    path, writer = bag(kind)
    with writer:
        writer.picture()
    with open_recording(path) as recording:
        (image,) = recording.images()
    assert image.data.base is not None
    assert not image.data.flags.writeable


# Stamps


@pytest.mark.parametrize('kind', FORMATS)
def test_a_stamp_of_0_gives_the_time_of_receipt_and_a_note(bag, kind):
    path, writer = bag(kind)
    wheel = 'dbw_mkz_msgs/msg/SteeringReport'
    with writer:
        for i, stamp_ns in enumerate((0, 1, 0)):
            writer.picture(START + i, '/camera', stamp_ns)
            writer.send('/wheel', wheel, START + i, {}, stamp_ns)
    with open_recording(path) as recording:
        for _ in range(2):
            images = list(recording.images())
            stamps = recording.signals().steering.stamp_ns
        assert recording.notes == [
            f'{topic} has 2 stamps of 0 in 3 messages: their times of receipt are used'
            for topic in ('/camera', '/wheel')
        ]
        times = recording.times()
    assert [image.stamp_ns for image in images] == [START, 1, START + 2]
    assert [image.received_ns for image in images] == [START, START + 1, START + 2]
    assert stamps.tolist() == [START, 1, START + 2]
    assert times['/camera'].stamp_ns.tolist() == [0, 1, 0]  # as they are


@pytest.mark.parametrize('kind', FORMATS)
def test_times_of_every_topic(bag, kind):
    path, writer = bag(kind)
    autoware = 'autoware_vehicle_msgs/msg/SteeringReport'
    number = 'std_msgs/msg/Float32'
    with writer:
        for i in range(2):
            writer.picture(START + i, '/camera', START - i)
            writer.send('/wheel', autoware, START + i, {}, START - 2 * i)
            writer.send('/number', number, START + i, {})
    with open_recording(path) as recording:
        times = recording.times()
    assert sorted(times) == ['/camera', '/number', '/wheel']
    assert times['/camera'].stamp_ns.tolist() == [START, START - 1]
    assert times['/wheel'].stamp_ns.tolist() == [START, START - 2]
    assert times['/number'].stamp_ns is None
    for topic in times.values():
        assert topic.received_ns.tolist() == [START, START + 1]


@pytest.mark.parametrize('kind', ['sqlite3', 'mcap'])
def test_messages_of_a_big_endian_machine(bag, kind):
    path, writer = bag(kind)
    with writer:
        made = writer.message(COMPRESSED, {'format': 'png', 'data': [1, 2, 3]}, START - 5)
        data = bytes(writer.types.serialize_cdr(made, COMPRESSED, little_endian=False))
        writer.send('/camera', COMPRESSED, START, data)
    with open_recording(path) as recording:
        (image,) = recording.images()
        times = recording.times()
    assert (image.stamp_ns, image.format, image.data.tolist()) == (START - 5, 'png', [1, 2, 3])
    assert times['/camera'].stamp_ns.tolist() == [START - 5]


def test_times_of_a_message_without_room_for_a_stamp(bag):
    path, writer = bag()
    with writer:
        writer.picture(START, '/camera', START - 1)
        writer.send('/camera', COMPRESSED, START + 1, b'short')
    with open_recording(path) as recording:
        times = recording.times()
        assert times['/camera'].stamp_ns.tolist() == [START - 1]
        assert times['/camera'].received_ns.tolist() == [START]
        (damage,) = recording.damage
    assert (damage.where, damage.what) == (
        f'/camera at {START + 1} ns',
        'must begin with a stamp, got 5 bytes',
    )


# Damage


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize('garbage', [b'\x00\x01\x00\x00garbage', b'', b'\xff' * 40])
def test_a_damaged_message_costs_itself(bag, kind, garbage):
    path, writer = bag(kind)
    with writer:
        for i in range(3):
            writer.picture(START + 2 * i, '/camera')
        writer.send('/camera', COMPRESSED, START + 3, garbage)
    with open_recording(path) as recording:
        for _ in range(2):
            stamps = [image.stamp_ns for image in recording.images()]
        assert stamps == [START, START + 2, START + 4]
        (damage,) = recording.damage
    assert damage.where == f'/camera at {START + 3} ns'
    assert damage.what.startswith(f'must be a readable {COMPRESSED}, got ')
    text = re.escape(f'{path}: {damage.where} {damage.what}')
    with open_recording(path, Selection(strict=True)) as recording:
        images = recording.images()
        next(images)
        with pytest.raises(BagError, match=f'^{text}$'):
            list(images)


def test_a_bag_whose_pictures_are_all_damaged_is_an_error(bag):
    path, writer = bag()
    with writer:
        writer.send('/camera', COMPRESSED, START, b'garbage')
    text = f'^{path}: /camera at {START} ns must be a readable {COMPRESSED}, got '
    with open_recording(path) as recording, pytest.raises(BagError, match=text):
        list(recording.images())


@pytest.mark.parametrize(
    'values',
    [
        {'height': 2**31, 'width': 2**31, 'step': 2**32 - 1},
        {'height': 2**32 - 1, 'width': 1, 'step': 3},
        {'height': 1, 'width': 2**32 - 1, 'step': 2**32 - 1},
        {'height': 0, 'width': 0, 'step': 0},
    ],
)
def test_an_image_of_absurd_size_costs_itself(bag, values):
    path, writer = bag()
    with writer:
        writer.send('/camera', RAW, START, {'encoding': 'rgb8', 'data': [1, 2, 3]} | values)
    with open_recording(path) as recording:
        (image,) = recording.images()
    with pytest.raises(ImageError, match=rf'^{path}: /camera at {START} ns: '):
        image.rgb()


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize(
    ('height', 'width', 'is_too_large'),
    [(8192, 8192, False), (8192, 8193, True), (2, 65535, False), (65535, 65535, True)],
)
def test_a_picture_whose_header_says_too_much_costs_no_memory(
    bag, suffix, height, width, is_too_large
):
    data = cv2.imencode(suffix, np.zeros((2, 2, 3), np.uint8))[1].tobytes()
    if suffix == '.jpg':
        place = data.index(b'\xff\xc0') + 5
        data = data[:place] + struct.pack('>HH', height, width) + data[place + 4 :]
    else:
        header = b'IHDR' + struct.pack('>II', width, height) + data[24:29]
        data = data[:12] + header + struct.pack('>I', zlib.crc32(header)) + data[33:]
    path, writer = bag()
    with writer:
        writer.send('/camera', COMPRESSED, START, {'data': np.frombuffer(data, np.uint8)})
    with open_recording(path) as recording:
        (image,) = recording.images()
    text = f'data must be a picture of at most 67108864 pixels, got {height}×{width}$'
    if is_too_large:
        for decode in (image.rgb, lambda: decode_compressed(data)):
            with pytest.raises(ImageError, match=text):
                decode()
    else:
        refuse_too_large(data)


@pytest.mark.parametrize('kind', FORMATS)
def test_an_unreadable_picture_is_an_error_of_its_own_alone(bag, kind):
    path, writer = bag(kind)
    with writer:
        writer.send('/camera', COMPRESSED, START, {'format': 'jpeg', 'data': [255, 216, 1]})
        writer.picture(START + 1, '/camera')
    with open_recording(path) as recording:
        bad, good = recording.images()
        assert recording.damage == []
    with pytest.raises(ImageError, match=rf'^{path}: /camera at {START} ns: data must be'):
        bad.rgb()
    assert good.rgb().shape == (8, 12, 3)


def test_an_encoding_nobody_knows_is_named(bag):
    path, writer = bag()
    values = {'height': 1, 'width': 1, 'step': 1, 'encoding': 'smell8', 'data': [0]}
    with writer:
        writer.send('/camera', RAW, START, values)
    with open_recording(path) as recording:
        (image,) = recording.images()
    text = f"^{path}: /camera at {START} ns: encoding must be one of .*, got 'smell8'$"
    with pytest.raises(ImageError, match=text):
        image.rgb()
