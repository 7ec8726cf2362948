"""The Udacity simulator's driving_log.csv, written here and read back."""

import math
import re
from datetime import datetime, timezone

import cv2
import numpy as np
import pytest

from signattn.bag import BagError, Selection, Topic, open_recording

HEADER = 'center,left,right,steering,throttle,brake,speed'
FOREIGN = 'C:\\Users\\x\\my data\\IMG\\'
TIME = '2016_12_01_13_30_48_287'
TIME_NS = int(datetime(2016, 12, 1, 13, 30, 48, tzinfo=timezone.utc).timestamp()) * 10**9
FIRST = TIME_NS + 287_000_000
COLOURS = {'center': (200, 0, 0), 'left': (0, 200, 0), 'right': (0, 0, 200)}


def row(time=TIME, steering=0.0, speed=0.0, folder='IMG/'):
    """As Udacity's own data has it: with spaces behind the commas."""
    pictures = [f'{folder}{side}_{time}.jpg' for side in COLOURS]
    return ', '.join([*pictures, str(steering), '0.5', '0', str(speed)])


@pytest.fixture
def log(tmp_path):
    """Gives a function that writes a log, and the pictures of the first time."""

    def write(*lines):
        (tmp_path / 'IMG').mkdir(exist_ok=True)
        for side, colour in COLOURS.items():
            picture = np.full((8, 12, 3), colour, np.uint8)
            cv2.imwrite(str(tmp_path / 'IMG' / f'{side}_{TIME}.jpg'), picture[:, :, ::-1])
        (tmp_path / 'driving_log.csv').write_text('\n'.join(lines) + '\n')
        return tmp_path

    return write


@pytest.mark.parametrize('header', [[HEADER], []])
@pytest.mark.parametrize('folder', ['IMG/', FOREIGN, '/home/x/IMG/'])
def test_a_log_with_its_pictures(log, header, folder):
    lines = [row(steering=0.5, speed=30), row(TIME.replace('287', '354'), -1, 10)]
    lines = [line.replace('IMG/', folder) for line in lines]
    with open_recording(log(*header, *lines)) as recording:
        signals = recording.signals()
        first, second = recording.images()
    assert (recording.format, recording.image_topic) == ('folder', 'center')
    assert (recording.steering_topic, recording.speed_topic) == ('steering', 'speed')
    assert recording.damage == []
    assert recording.topics == [
        *(Topic(side, 'image file', 2) for side in COLOURS),
        *(Topic(name, 'column', 6) for name in ('brake', 'speed', 'steering', 'throttle')),
    ]
    assert (first.stamp_ns, second.stamp_ns) == (FIRST, FIRST + 67_000_000)
    assert first.rgb().reshape(-1, 3).mean(0) == pytest.approx(COLOURS['center'], abs=3)
    assert signals.steering.quantity == 'tyre_angle'
    np.testing.assert_allclose(signals.steering.values, np.radians([-12.5, 25]))  # left positive
    np.testing.assert_allclose(signals.speed.values, [13.411, 4.470], atol=1e-3)  # mph
    assert signals.speed.stamp_ns.tolist() == [first.stamp_ns, second.stamp_ns]


def test_the_assumptions_are_noted(log):
    with open_recording(log(row())) as recording:
        (note,) = recording.notes
    assert 'a share of 25° at the tyre, right positive, and speed as mph' in note


def test_the_cameras_beside(log):
    with open_recording(log(row())) as recording:
        assert recording.side_cameras() == {'left': 'left', 'right': 'right'}
        for side, name in recording.side_cameras().items():
            (image,) = recording.images(name)
            assert image.rgb().reshape(-1, 3).mean(0) == pytest.approx(COLOURS[side], abs=3)


def test_other_units(log):
    path = log(row(steering=10, speed=36))
    selection = Selection(steering='steering', unit='tyre_deg', speed_unit='km/h')
    with open_recording(path, selection) as recording:
        signals = recording.signals()
    np.testing.assert_allclose(signals.steering.values, [math.radians(10)])
    np.testing.assert_allclose(signals.speed.values, [10])


def test_a_log_of_the_centre_camera_alone(log):
    line = row().split(', ')
    line[1] = line[2] = ''
    with open_recording(log(HEADER, ','.join(line))) as recording:
        assert recording.cameras() == ['center']
        assert recording.side_cameras() == {}


@pytest.mark.parametrize(
    'name',
    [
        '1.jpg',
        'center_2016_13_01_13_30_48_287.jpg',
        'center_1969_12_31_23_59_59_999.jpg',
        'center_9016_12_01_13_30_48_287.jpg',
    ],
)
def test_a_picture_that_names_no_time_is_lost(log, name):
    bad = row().replace(f'center_{TIME}.jpg', name)
    with open_recording(log(HEADER, bad, row())) as recording:
        assert [image.stamp_ns for image in recording.images()] == [FIRST]
    (damage,) = recording.damage
    assert damage.where == 'driving_log.csv line 2'
    assert damage.what == (
        'center must be a picture named by its time, as in center_2016_12_01_13_30_48_287.jpg, '
        f"got 'IMG/{name}'"
    )


def test_a_log_with_decimal_commas_says_so(log):
    line = row(steering='0,5')
    text = 'got none; driving_log.csv line 1 must have 7 cells, got 8'
    with pytest.raises(BagError, match=re.escape(text)):
        open_recording(log(line))


def test_an_empty_log(log):
    text = 'must have the columns center and left and right and steering, got an empty file'
    path = log()
    (path / 'driving_log.csv').write_text('')
    with pytest.raises(BagError, match=text):
        open_recording(path)
