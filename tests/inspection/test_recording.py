"""Real bags and folders: what is found in them, and what is wrong with them."""

import dataclasses

import cv2
import numpy as np
import pytest

from signattn.bag import BagWriter
from signattn.inspection import InspectConfig
from signattn.inspection.recording import inspect_recording

STEP_NS = 50_000_000
BEGIN_NS = 1_479_400_000_000_000_000


def kinds(report):
    return [finding.kind for finding in report.warnings]


@pytest.mark.parametrize('fmt', ['ros1', 'sqlite3', 'mcap'])
def test_a_sound_bag(write_bag, fmt):
    path = write_bag(fmt=fmt)
    report = inspect_recording(path, InspectConfig())
    assert kinds(report) == []
    assert report.sound
    assert report.kind == 'recording'
    row = report.row
    assert (row['name'], row['format']) == (path.name, fmt)
    assert (row['images'], row['frames'], row['skipped'], row['out_of_order']) == (800, 800, 0, 0)
    assert (row['sampled'], row['unreadable'], row['damaged'], row['labelled']) == (200, 0, 0, 800)
    assert (row['height_px'], row['width_px']) == (48, 64)
    assert (row['duration_s'], row['rate_hz'], row['gaps']) == (39.95, 20, 0)
    assert row['speed_m_per_s_mean'] == 10
    assert row['steering_deg_max'] == pytest.approx(20 * 1.4, abs=2)
    assert report.details['camera']['format'] == 'jpeg'
    assert report.details['motion']['correlation'] > 0.9
    assert report.details['motion']['lag_s'] == 0


def test_the_topics_of_a_bag(write_bag):
    report = inspect_recording(write_bag(count=40), InspectConfig())
    steering = {
        'topic': '/vehicle/steering_report',
        'type': 'dbw_mkz_msgs/msg/SteeringReport',
        'count': 40,
        'rate_hz': 20.0,
        'offset_ms': 0.0,
        'offset_spread_ms': 0.0,
        'offset_drift_ms': 0.0,
        'zero_stamps': 0,
        'read_as': 'steering, speed',
    }
    camera = steering | {
        'topic': '/center_camera/image_color/compressed',
        'type': 'sensor_msgs/msg/CompressedImage',
        'read_as': 'camera',
    }
    assert report.topics == [camera, steering]
    assert report.details['steering']['begins_behind_camera_s'] == 0
    assert report.details['speed']['quantity'] == 'speed'


@pytest.mark.parametrize(
    ('way', 'expected'),
    [
        ({'sign': -1.0}, ['reversed_steering']),
        ({'lag_s': 1.0}, ['lag']),
        ({'sign': -1.0, 'lag_s': -0.5}, ['reversed_steering', 'lag']),
    ],
)
def test_sign_and_clock_are_read_from_the_pictures(write_bag, way, expected):
    report = inspect_recording(write_bag(**way), InspectConfig())
    assert kinds(report) == expected
    assert report.details['motion']['lag_s'] == pytest.approx(way.get('lag_s', 0), abs=0.051)


def test_a_bag_without_steering(write_bag):
    report = inspect_recording(write_bag(count=40, steering=False), InspectConfig())
    assert kinds(report) == ['no_steering']
    assert report.row['labelled'] == 0
    assert 'steering' not in report.details


def test_header_stamps_and_times_of_receipt(write_bag, monkeypatch):
    real = BagWriter._write

    def late(bag, topic, msgtype, stamp_ns, frame_id, fields):
        """Received 0.3 s late where it is a picture."""
        delay_ns = 300_000_000 * ('camera' in topic)
        monkeypatch.setattr(bag, '_header', lambda *_: header(topic, stamp_ns, frame_id))
        header = type(bag)._header.__get__(bag)
        real(bag, topic, msgtype, stamp_ns + delay_ns, frame_id, fields)

    monkeypatch.setattr(BagWriter, '_write', late)
    report = inspect_recording(write_bag(count=40), InspectConfig())
    assert [row['offset_ms'] for row in report.topics] == [-300, 0]
    assert kinds(report) == ['clocks_apart']


def test_a_small_sample(write_bag):
    report = inspect_recording(write_bag(count=40), InspectConfig(pictures=3))
    assert report.row['sampled'] == 3
    assert report.row['images'] == 40


def test_strict_lives_to_report(write_bag):
    config = InspectConfig(strict=True)
    assert inspect_recording(write_bag(count=40, steering=False), config).warnings


def write_folder(tmp_path, header, rows, size=(48, 64)):
    folder = tmp_path / 'folder'
    folder.mkdir()
    for index in range(len(rows)):
        rng = np.random.default_rng(index)
        cv2.imwrite(str(folder / f'{index}.png'), rng.integers(0, 200, (*size, 3), np.uint8))
    lines = [header, *(','.join(map(str, row)) for row in rows)]
    (folder / 'interpolated.csv').write_text('\n'.join(lines) + '\n')
    return folder


def rows(count=40):
    for index in range(count):
        yield BEGIN_NS + index * STEP_NS, f'{index}.png', round(0.3 * np.sin(index / 5), 4)


def test_a_folder_without_speed(tmp_path):
    folder = write_folder(tmp_path, 'timestamp,filename,angle', [*rows()])
    report = inspect_recording(folder, InspectConfig())
    assert kinds(report) == ['no_speed']
    assert report.evidence.clocks == []
    assert report.row['labelled'] == 0
    assert report.row['steering_deg_max'] == pytest.approx(np.degrees(0.3), abs=0.1)
    assert report.row['curvature_per_m_max'] is None
    assumed = inspect_recording(folder, InspectConfig(assume_speed=10.0))
    assert kinds(assumed) == []
    assert assumed.row['labelled'] == 40
    assert assumed.row['speed_m_per_s_mean'] == 10


def test_angles_in_degrees(tmp_path):
    in_degrees = [(stamp, name, 90 * angle) for stamp, name, angle in rows()]
    folder = write_folder(tmp_path, 'timestamp,filename,angle', in_degrees)
    report = inspect_recording(folder, InspectConfig(assume_speed=10.0))
    assert kinds(report) == ['steering_unit', 'implausible_curvature']


def test_a_picture_of_another_shape_and_a_broken_one(tmp_path):
    folder = write_folder(tmp_path, 'timestamp,filename,angle', [*rows()], size=(48, 85))
    (folder / '7.png').write_bytes(b'nothing')
    report = inspect_recording(folder, InspectConfig(assume_speed=10.0))
    assert kinds(report) == ['unreadable', 'aspect_ratio']
    assert report.row['unreadable'] == 1
    assert report.details['camera']['aspect_ratio'] == pytest.approx(85 / 48, abs=1e-4)


def test_what_convert_refuses(tmp_path):
    path = tmp_path / 'two'
    with BagWriter(path, 'mcap') as bag:
        for topic in ('/a/image', '/b/image'):
            bag.raw_image(BEGIN_NS, np.zeros((4, 6, 3), np.uint8), topic=topic)
        bag.steering(BEGIN_NS, 0.0, 10.0)
    report = inspect_recording(path, InspectConfig())
    assert kinds(report)[0] == 'refused'
    assert (
        'convert refuses: two must have one camera, got /a/image, /b/image'
        in report.warnings[0].text
    )
    assert report.warnings[0].remedy == 'name one with --image-topic'
    assert str(tmp_path) not in report.warnings[0].text
    assert report.row['images'] == 0
    assert [row['topic'] for row in report.topics if not row['read_as']] == [
        '/a/image',
        '/b/image',
    ]
    chosen = inspect_recording(path, InspectConfig(image_topic='/b/image'))
    assert 'refused' not in kinds(chosen)
    assert chosen.details['camera']['format'] == 'rgb8'


def test_a_bag_without_camera(tmp_path):
    path = tmp_path / 'none'
    with BagWriter(path, 'mcap') as bag:
        bag.steering(BEGIN_NS, 0.0, 10.0)
        bag.steering(BEGIN_NS + STEP_NS, 0.1, 10.0)
    report = inspect_recording(path, InspectConfig())
    assert 'must have a camera' in report.warnings[0].text
    assert report.details['steering']['values'] == 2
    assert report.details['steering']['begins_behind_camera_s'] is None


def test_a_speed_that_must_be_assumed_and_cannot(tmp_path):
    folder = write_folder(tmp_path, 'timestamp,filename,angle', [*rows()])
    report = inspect_recording(folder, InspectConfig(assume_speed=-1.0))
    assert '--assume-speed must be at least 0 m/s, got -1.0' in report.warnings[0].text


def test_notes_of_the_reader_are_told(tmp_path):
    back = [(*row, -5 if index == 7 else 5) for index, row in enumerate(rows())]
    folder = write_folder(tmp_path, 'timestamp,filename,angle,speed', back)
    report = inspect_recording(folder, InspectConfig())
    assert report.notes == [
        'speed: the car goes backwards in 1 of 40 messages; there is no label there'
    ]
    assert kinds(report) == []
    assert report.sound


def test_damage_is_told(write_bag):
    path = write_bag(fmt='ros1', count=40)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    report = inspect_recording(path, InspectConfig())
    assert report.damage
    assert report.row['damaged'] == len(report.damage)
    assert not report.sound


def test_stamps_that_go_backwards_are_counted(tmp_path):
    mixed = [*rows()]
    mixed[20], mixed[21] = mixed[21], mixed[20]
    folder = write_folder(tmp_path, 'timestamp,filename,angle', mixed)
    report = inspect_recording(folder, InspectConfig(assume_speed=10.0))
    assert 'backward_stamps' in kinds(report)
    assert (report.row['frames'], report.row['out_of_order']) == (39, 1)


def test_a_faster_camera_is_thinned(tmp_path):
    fast = [(BEGIN_NS + (stamp - BEGIN_NS) // 2, *rest) for stamp, *rest in rows()]
    folder = write_folder(tmp_path, 'timestamp,filename,angle', fast)
    report = inspect_recording(folder, InspectConfig(assume_speed=10.0))
    assert (report.row['frames'], report.row['skipped']) == (20, 20)
    assert report.details['camera']['rate_hz'] == 40


def test_progress_is_told(write_bag):
    told = []
    inspect_recording(write_bag(count=120), InspectConfig(), lambda *it: told.append(it))
    assert told == [(0, 120), (100, 120)]


def test_the_vehicle_must_exist(write_bag):
    with pytest.raises(ValueError, match='vehicle must be one of'):
        inspect_recording(write_bag(count=4), InspectConfig(vehicle='tank'))


def test_a_sample_must_hold_a_picture():
    with pytest.raises(ValueError, match='pictures must be at least 1, got 0'):
        dataclasses.replace(InspectConfig(), pictures=0)
