"""Image folders with interpolated.csv, written here and read back."""

import re

import cv2
import numpy as np
import pytest

from signattn.bag import BagError, Damage, Selection, Signals, Topic, open_recording
from signattn.preprocess import ImageError

FULL = 'index,timestamp,width,height,frame_id,filename,angle,torque,speed,lat,long,alt'
FEW = 'timestamp,filename'
RED = np.full((8, 12, 3), (200, 0, 0), np.uint8)
SWAPPED = 1_477_400_000_000_000_000  # ns; 2016-10-25, 05:53 in Mountain View


@pytest.fixture
def folder(tmp_path):
    """Gives a function that writes a folder with this table and one picture."""

    def write(*rows, columns=FULL):
        (tmp_path / 'center').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / 'center' / '1.jpg'), RED[:, :, ::-1])
        text = '\n'.join([columns, *rows]) + '\n'
        (tmp_path / 'interpolated.csv').write_bytes(text.encode('utf-8', 'surrogateescape'))
        return tmp_path

    return write


def three_cameras(*stamps):
    """Rows as udacity-driving-reader writes them."""
    return [
        f'2016-11-17 23:00:{i:02},{stamp},12,8,{side}_camera,{side}/{stamp}.jpg,{i / 4},0.1,'
        f'{20 + i},37.4,-122.1,5'
        for i, stamp in enumerate(stamps)
        for side in ('left', 'center', 'right')
    ]


def test_all_columns_and_three_cameras(folder):
    with open_recording(folder(*three_cameras(1, 2))) as recording:
        signals = recording.signals()
        first, _ = recording.images()
        times = recording.times()
    assert recording.format == 'folder'
    assert (recording.image_topic, recording.steering_topic) == ('center_camera', 'angle')
    assert recording.speed_topic == 'speed'
    assert recording.topics == [
        Topic('center_camera', 'image file', 2),
        Topic('left_camera', 'image file', 2),
        Topic('right_camera', 'image file', 2),
        *(Topic(name, 'column', 6) for name in ('alt', 'angle', 'lat', 'long', 'speed', 'torque')),
    ]
    assert signals.steering.quantity == 'steering_angle'
    assert signals.steering.stamp_ns.tolist() == [1, 2]
    assert signals.steering.values.tolist() == [0, 0.25]
    assert signals.speed.values.tolist() == [20, 21]
    assert (first.stamp_ns, first.received_ns, first.frame_id) == (1, 1, 'center_camera')
    assert (first.format, first.source) == ('jpeg', str(recording.path / 'center' / '1.jpg'))
    assert np.abs(first.rgb().astype(int) - RED).max() <= 3  # JPEG
    assert times['left_camera'].stamp_ns.tolist() == [1, 2]
    assert times['left_camera'].received_ns.tolist() == [1, 2]


def test_side_cameras(folder):
    with open_recording(folder(*three_cameras(1, 2))) as recording:
        assert recording.cameras() == ['center_camera', 'left_camera', 'right_camera']
        assert recording.side_cameras() == {'left': 'left_camera', 'right': 'right_camera'}
        left = list(recording.images('left_camera'))
        with pytest.raises(BagError, match=r'camera must be one of center_camera, .*, got rear'):
            recording.images('rear')
    assert [image.stamp_ns for image in left] == [1, 2]
    assert {image.frame_id for image in left} == {'left_camera'}
    with open_recording(recording.path, Selection(image_topic='left_camera')) as recording:
        assert recording.side_cameras() == {}


def test_few_columns(folder):
    with open_recording(folder('1,center/1.jpg', '2,center/1.jpg', columns=FEW)) as recording:
        assert (recording.image_topic, recording.steering_topic) == ('camera', None)
        assert recording.signals() == Signals(None, None)
        assert [image.stamp_ns for image in recording.images()] == [1, 2]
        assert recording.side_cameras() == {}


def test_empty_cells_are_unknown_and_stamps_stay_as_they_stand(folder):
    columns = 'timestamp,filename,angle,public'
    with open_recording(folder('2,a.jpg,0.5,0', '1,a.jpg,,1', columns=columns)) as recording:
        signals = recording.signals()
        assert recording.damage == []
    assert signals.steering.stamp_ns.tolist() == [2, 1]
    np.testing.assert_array_equal(signals.steering.values, [0.5, np.nan])
    assert signals.speed is None


def test_other_columns_in_other_units(folder):
    columns = 'timestamp,filename,angle,wheel,kmh'
    path = folder('1,a.jpg,0.5,90,36', columns=columns)
    selection = Selection(steering='wheel', unit='deg_right', speed='kmh', speed_unit='km/h')
    with open_recording(path, selection) as recording:
        signals = recording.signals()
    assert (recording.steering_topic, recording.speed_topic) == ('wheel', 'kmh')
    np.testing.assert_allclose(signals.steering.values, [-np.pi / 2])
    np.testing.assert_allclose(signals.speed.values, [10])
    with open_recording(path, Selection(unit='tyre_deg')) as recording:
        (angle,) = recording.signals().steering.values
    assert angle == pytest.approx(0.5 * np.pi / 180)


@pytest.mark.parametrize(
    ('selection', 'text'),
    [
        ({}, 'must have one camera, got left, right; name one with --image-topic'),
        (
            {'image_topic': 'center'},
            '--image-topic must be a camera of {table} (left, right), got',
        ),
        ({'steering': 'torque'}, '--steering must be a column of {table} (angle, x), got torque'),
        ({'speed': 'v'}, '--speed must be a column of {table} (angle, x), got v'),
        ({'steering': 'x'}, '--unit must be given for --steering x, got none'),
        ({'steering': 'x', 'unit': 'm/s'}, '--unit must be one of rad, deg, '),
        ({'speed': 'x', 'speed_unit': 'rad'}, '--speed-unit must be one of m/s, km/h, mph, got '),
    ],
)
def test_a_selection_that_cant_be_read(folder, selection, text):
    columns = 'timestamp,filename,frame_id,angle,x'
    path = folder('1,a.jpg,left,1,1', '2,b.jpg,right,1,1', columns=columns)
    chosen = {'image_topic': 'left'} | selection if selection else {}
    text = re.escape(text.format(table=path / 'interpolated.csv'))
    with pytest.raises(BagError, match=text):
        open_recording(path, Selection(**chosen))


def test_a_folder_without_labels_names_none(folder):
    path = folder('1,a.jpg', columns=FEW)
    text = r'--steering must be a column of .* \(no label in it\), got angle'
    with pytest.raises(BagError, match=text):
        open_recording(path, Selection(steering='angle'))
    with open_recording(path, Selection(image_topic='x'), tolerant=True) as recording:
        assert 'must be a camera' in recording.problems[0]
        with pytest.raises(BagError, match='must be a camera'):
            recording.images()


def test_a_missing_image_is_an_unreadable_one(folder):
    names = ('gone.jpg', 'center', '/dev/zero', 'nul\0.jpg')
    rows = [f'{i},{name}' for i, name in enumerate((*names, 'center/1.jpg'))]
    with open_recording(folder(*rows, columns=FEW)) as recording:
        *gone, there = recording.images()
    for name, image in zip(names, gone, strict=True):
        text = f'{recording.path / name} (no such file): data must be'
        with pytest.raises(ImageError, match=re.escape(text)):
            image.rgb()
    assert there.rgb().shape == RED.shape


def test_an_image_that_nobody_may_read_is_an_unreadable_one(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, 'Permission denied')

    with open_recording(folder('1,center/1.jpg', columns=FEW)) as recording:
        monkeypatch.setattr(np, 'fromfile', refuse)
        (image,) = recording.images()
    with pytest.raises(ImageError, match=r'1\.jpg \(Permission denied\): data must be'):
        image.rgb()


def test_a_name_that_is_no_utf8_is_read(folder):
    path = folder('1,\udcff.jpg', '2,center/1.jpg', columns=FEW)
    (path / '\udcff.jpg').write_bytes((path / 'center' / '1.jpg').read_bytes())
    with open_recording(path) as recording:
        assert [image.rgb().shape for image in recording.images()] == [RED.shape] * 2


def test_the_swapped_cameras_are_read_as_they_are_named_with_a_note(folder):
    def notes(*stamps):
        with open_recording(folder(*three_cameras(*stamps))) as recording:
            assert recording.image_topic == 'center_camera'
            return recording.notes

    assert notes(SWAPPED - 86_400_000_000_000) == []
    (note,) = notes(SWAPPED)
    assert note.startswith('recorded on 2016-10-25, when left_camera and center_camera bore')


# Damage


@pytest.mark.parametrize(
    ('table', 'text'),
    [
        ('', 'must have the columns timestamp and filename, got an empty file'),
        ('timestamp,angle\n1,2\n', 'must have the columns timestamp and filename, got timestamp,'),
        ('timestamp,filename\n', 'must have at least one row, got none'),
        (
            'timestamp,filename\n1,a.jpg,3\n',
            (
                'must have at least one row, got none; interpolated.csv line 2 must have 2 cells, '
                'got 3'
            ),
        ),
        ('timestamp,filename\n1,"a.jpg\n', 'got none; interpolated.csv from line 2 must be read'),
        ('"timestamp,filename\n', 'must be a readable table, got: unexpected end of data'),
    ],
)
def test_a_table_that_is_none(tmp_path, table, text):
    file = tmp_path / 'interpolated.csv'
    file.write_text(table)
    with pytest.raises(BagError, match=rf'^{file} .*{re.escape(text)}'):
        open_recording(tmp_path)


def test_a_table_that_cant_be_opened(tmp_path):
    (tmp_path / 'interpolated.csv').mkdir()
    with pytest.raises(BagError, match=r'interpolated\.csv must be a readable table, got: '):
        open_recording(tmp_path)


@pytest.mark.parametrize('cell', ['-1', '1.5', '', 'noon', str(2**63), '9' * 5000])
def test_a_timestamp_that_is_none_costs_its_row(folder, cell):
    path = folder('1,a.jpg', f'{cell},b.jpg', '3,c.jpg', columns=FEW)
    damage = Damage('interpolated.csv line 3', f'timestamp must be ns, got {cell!r}')
    with open_recording(path) as recording:
        assert [image.stamp_ns for image in recording.images()] == [1, 3]
        assert recording.damage == [damage]
    text = f'{path}: interpolated.csv line 3 timestamp must be ns, got {cell!r}'
    with pytest.raises(BagError, match=re.escape(text)):
        open_recording(path, Selection(strict=True))


def test_a_label_that_is_no_number_is_unknown(folder):
    path = folder('1,a.jpg,0.5', '2,a.jpg,left', columns='timestamp,filename,angle')
    damage = Damage('interpolated.csv line 3', "angle must be a number, got 'left'")
    with open_recording(path) as recording:
        for _ in range(2):
            values = recording.signals().steering.values
        np.testing.assert_array_equal(values, [0.5, np.nan])
        assert recording.damage == [damage]
    with (
        open_recording(path, Selection(strict=True)) as recording,
        pytest.raises(BagError, match='line 3 angle must be a number'),
    ):
        recording.signals()


def test_a_broken_quotation_costs_the_rest_of_the_table(folder):
    path = folder('1,a.jpg', '2,"b.jpg', '3,c.jpg', columns=FEW)
    with open_recording(path) as recording:
        assert [image.stamp_ns for image in recording.images()] == [1]
    (damage,) = recording.damage
    assert damage.where == 'interpolated.csv from line 4'
