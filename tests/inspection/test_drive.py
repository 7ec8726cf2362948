import numpy as np
import pytest

from signattn.inspection.drive import inspect_drive
from signattn.preprocess import Preprocessing


def kinds(report):
    return [finding.kind for finding in report.warnings]


def frames(count, value=120):
    found = np.full((count, 80, 160, 3), value, np.uint8)
    found[:, 0, 0, 0] = np.arange(count) % 180
    return found


def test_a_sound_drive(write_drive):
    curvature = 0.01 * np.sin(np.arange(100) / 10)
    report = inspect_drive(write_drive(curvature, frames=frames(100)), 10)
    assert kinds(report) == []
    assert report.sound
    assert report.kind == 'drive'
    row = report.row
    assert (row['name'], row['images'], row['frames'], row['labelled']) == ('drive', 100, 100, 100)
    assert (row['sampled'], row['rate_hz'], row['speed_m_per_s_mean']) == (10, 20, 10)
    assert report.details['checks'] == {'checksums_verified': True}
    assert report.details['splits'] == {
        'stretches': 1,
        'end_train': 49 + 1,
        'end_apart': 10,
        'blocks_train': 0,
        'blocks_apart': 100,
    }
    assert report.details['vehicle']['wheelbase'] == 2
    assert report.details['preprocessing']['rate_hz'] == 20


def test_what_convert_counted_is_kept(write_drive):
    drive = write_drive(0.01 * np.sin(np.arange(40)), frames=frames(40))
    drive.description |= {
        'counts': {'images': 90, 'frames': 40, 'skipped': 41, 'out_of_order': 4, 'unreadable': 5},
        'image_size': [480, 640],
        'topics': {'image': '/camera', 'steering': '/steering', 'speed': None},
        'source': {'name': 'a.bag', 'format': 'ros1'},
        'notes': ['left and centre were swapped'],
    }
    report = inspect_drive(drive, 10)
    row = report.row
    assert (row['images'], row['skipped'], row['out_of_order'], row['unreadable']) == (
        90,
        41,
        4,
        5,
    )
    assert (row['height_px'], row['width_px']) == (480, 640)
    assert report.details['source']['camera_topic'] == '/camera'
    assert 'speed_topic' not in report.details['source']
    assert report.notes == ['left and centre were swapped']


def test_altered_files_are_damage(write_drive):
    drive = write_drive(0.01 * np.sin(np.arange(40)), frames=frames(40))
    altered = np.load(drive.path / 'frames.npy')
    altered[3] += 1
    np.save(drive.path / 'frames.npy', altered)
    report = inspect_drive(type(drive)(drive.path), 10)
    assert report.details['checks'] == {'checksums_verified': False}
    (damage,) = report.damage
    assert damage.what.startswith('checksums must be')
    assert not report.sound


@pytest.mark.parametrize(
    ('way', 'expected'),
    [
        ({'value': 0}, ['dark']),
        ({'value': 255}, ['bright']),
    ],
)
def test_exposure(write_drive, way, expected):
    curvature = 0.01 * np.sin(np.arange(40))
    assert kinds(inspect_drive(write_drive(curvature, frames=frames(40, **way)), 10)) == expected


def test_a_drive_without_labels(write_drive):
    drive = write_drive(np.full(40, np.nan), frames=frames(40), speed=np.nan)
    assert kinds(inspect_drive(drive, 10)) == ['no_steering']


def test_an_assumed_speed_is_not_asked_for_again(write_drive):
    drive = write_drive(0.01 * np.sin(np.arange(40)), frames=frames(40))
    drive.description['assume_speed'] = 10.0
    report = inspect_drive(drive, 10)
    assert kinds(report) == []
    assert report.details['source']['assume_speed_m_per_s'] == 10
    assert report.evidence.labels.speed_assumed


def test_pictures_are_shown_with_the_proportions_of_the_camera(write_drive):
    wide = Preprocessing(aspect_ratio=16 / 9)
    drive = write_drive(0.01 * np.sin(np.arange(4)), frames=frames(4), preprocessing=wide)
    (_, image), *_ = inspect_drive(drive, 10).evidence.images.shown
    assert image.shape == (180, 320, 3)
