"""Bags and image folders become drives: every byte, every count, every refusal."""

import csv
import re
from dataclasses import replace
from types import MappingProxyType

import cv2
import numpy as np
import pytest

from signattn.bag import BagError, BagWriter, open_recording
from signattn.bag.messages import RAW
from signattn.convert import ConvertConfig, convert, one, pictures
from signattn.drive import DriveError
from signattn.preprocess import NS_PER_S, Preprocessing, decode_raw, network_input

KINDS = ('ros1', 'sqlite3', 'mcap', 'folder')
START = 1_479_424_215_880_976_321  # ns
STEP = 50_000_000  # ns, 20 Hz
CAMERA = '/center_camera/image_color/compressed'
REPORT = '/vehicle/steering_report'
BROKEN = np.frombuffer(b'\xff\xd8 no picture', np.uint8)


def picture(i):
    """A smooth picture, another one for each i."""
    coarse = np.random.default_rng(i).integers(0, 256, (6, 9, 3), np.uint8)
    return cv2.resize(coarse, (180, 120), interpolation=cv2.INTER_CUBIC)


def stamps(count, step=STEP):
    return [START + i * step for i in range(count)]


class Restamped(BagWriter):
    """Writes some messages with another stamp than the time at which they are received."""

    restamped = MappingProxyType({})

    def _header(self, topic, stamp_ns, frame_id):
        return super()._header(topic, self.restamped.get(stamp_ns, stamp_ns), frame_id)


def write_bag(path, kind='mcap', images=None, reports=(), restamped=None):
    """Images at these stamps, and reports of (stamp, steering angle, speed)."""
    with Restamped(path, kind) as writer:
        writer.restamped = restamped or {}
        for i, stamp in enumerate(images or stamps(4)):
            writer.image(stamp, picture(i))
        for report in reports:
            writer.steering(*report)
    return path


def write_folder(path, count=4, columns=('angle', 'speed'), values=(0.5, 10.0)):
    path.mkdir()
    with (path / 'interpolated.csv').open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(('timestamp', 'filename', *columns))
        for i, stamp in enumerate(stamps(count)):
            cv2.imwrite(str(path / f'{i}.jpg'), picture(i)[:, :, ::-1])
            writer.writerow((stamp, f'{i}.jpg', *values))
    return path


def write_any(folder, kind):
    """The same drive in each kind of recording: 4 pictures, the wheel at 0.5 rad, 10 m/s."""
    if kind == 'folder':
        return write_folder(folder / 'recording')
    path = folder / ('recording.bag' if kind == 'ros1' else 'recording')
    return write_bag(path, kind, reports=[(stamp, 0.5, 10.0) for stamp in stamps(4)])


@pytest.fixture
def config(vehicle_file):
    return ConvertConfig(vehicle=vehicle_file)


def refuses(source, out, config, text, error=BagError):
    """It's refused with this text, and nothing is left, seen or hidden."""
    with pytest.raises(error, match=f'^{re.escape(text)}'):
        convert(source, out, config)
    assert not out.exists()
    assert list(out.parent.iterdir()) == []


# What comes out


@pytest.mark.parametrize('kind', KINDS)
def test_frames_are_the_networks_input_byte_for_byte(tmp_path, config, kind):
    source = write_any(tmp_path, kind)
    drive = convert(source, tmp_path / 'out' / 'drive', config)
    with open_recording(source) as recording:
        expected = [network_input(image.rgb(), Preprocessing()) for image in recording.images()]
    np.testing.assert_array_equal(drive.frames, expected)
    assert drive.stamps_ns.tolist() == stamps(4)
    assert drive.column('steering_angle').tolist() == [0.5] * 4
    assert drive.column('speed').tolist() == [10.0] * 4
    drive.verify()


@pytest.mark.parametrize('kind', KINDS)
def test_the_description_says_where_it_comes_from(tmp_path, config, vehicle, kind):
    source = write_any(tmp_path, kind)
    drive = convert(source, tmp_path / 'new' / 'drive', config)
    description = drive.description
    assert description['name'] == 'drive'
    assert description['source'] == {'name': source.name, 'format': kind}
    topics = ['camera', 'angle', 'speed'] if kind == 'folder' else [CAMERA, REPORT, REPORT]
    assert list(description['topics'].values()) == topics
    assert description['image_size'] == [120, 180]
    assert drive.preprocessing == Preprocessing(aspect_ratio=1.5)
    assert drive.vehicle == vehicle
    counts = {'images': 4, 'frames': 4, 'skipped': 0, 'out_of_order': 0, 'unreadable': 0}
    assert description['counts'] == counts | {'damaged': 0, 'labelled': 4}
    assert description['duration_s'] == 0.15
    assert list(drive.path.parent.iterdir()) == [drive.path]


def test_a_crop_is_applied_and_recorded(tmp_path, config):
    source = write_any(tmp_path, 'mcap')
    config = replace(config, crop_top=0.25, crop_bottom=0.1, crop_left=0.2)
    drive = convert(source, tmp_path / 'drive', config)
    cut = Preprocessing(crop_top=0.25, crop_bottom=0.1, crop_left=0.2)
    with open_recording(source) as recording:
        expected = [network_input(image.rgb(), cut) for image in recording.images()]
    np.testing.assert_array_equal(drive.frames, expected)
    assert drive.preprocessing == replace(cut, aspect_ratio=1.5)


@pytest.mark.parametrize(
    'limits',
    [{'_BATCH': 2}, {'_BATCH_BYTES': 0}, {'_AHEAD_BYTES': 0}],
    ids=lambda it: next(iter(it)),
)
def test_any_number_of_threads_gives_the_same_bytes(tmp_path, config, monkeypatch, limits):
    for name, value in limits.items():  # several rounds
        monkeypatch.setattr(pictures, name, value)
    reports = [(stamp, i / 8, 10.0) for i, stamp in enumerate(stamps(21))]
    source = write_bag(tmp_path / 'bag', images=stamps(21), reports=reports)
    single, several = (
        convert(source, tmp_path / str(threads) / 'drive', config, threads=threads).path
        for threads in (1, 3)
    )
    for file in ('frames.npy', 'samples.parquet', 'drive.yaml'):
        assert (single / file).read_bytes() == (several / file).read_bytes()


@pytest.mark.parametrize(
    ('rate_hz', 'frames'),
    [(10, 20), (20, 20), (40, 10), (60, 7)],
)
def test_a_faster_camera_is_thinned_and_the_rest_counted(tmp_path, config, rate_hz, frames):
    source = write_bag(tmp_path / 'bag', images=stamps(20, NS_PER_S // rate_hz))
    counts = convert(source, tmp_path / 'drive', config).description['counts']
    assert (counts['frames'], counts['skipped']) == (frames, 20 - frames)


def test_of_30_images_a_second_20_are_kept(tmp_path, config):
    source = write_bag(tmp_path / 'bag', images=stamps(30, NS_PER_S // 30))
    drive = convert(source, tmp_path / 'drive', config)
    counts = drive.description['counts']
    assert (counts['images'], counts['frames'], counts['skipped']) == (30, 20, 10)
    steps = np.diff(drive.stamps_ns) / NS_PER_S
    assert set(np.round(steps * 30).astype(int)) == {1, 2}


def test_an_unreadable_image_costs_one_frame(tmp_path, config):
    source = write_folder(tmp_path / 'folder', 5)
    (source / '1.jpg').write_bytes(BROKEN.tobytes())
    (source / '3.jpg').unlink()
    drive = convert(source, tmp_path / 'drive', config)
    assert drive.stamps_ns.tolist() == [stamps(5)[i] for i in (0, 2, 4)]
    counts = drive.description['counts']
    assert (counts['images'], counts['frames'], counts['unreadable']) == (5, 3, 2)
    assert [text.partition(':')[0] for text in drive.description['unreadable']] == [
        'folder/1.jpg',
        'folder/3.jpg (no such file)',
    ]
    expected = network_input(cv2.imread(str(source / '2.jpg'))[:, :, ::-1], Preprocessing())
    np.testing.assert_array_equal(drive.frames[1], expected)


def test_padded_rows_are_cut(tmp_path, config):
    rows = np.zeros((8, 40), np.uint8)  # 12 pixels and 4 bytes
    rows[:, :36] = np.arange(36)
    fields = {'height': 8, 'width': 12, 'encoding': 'rgb8', 'is_bigendian': 0, 'step': 40}
    with BagWriter(tmp_path / 'bag', 'mcap') as writer:
        writer._write('/cam', RAW, START, 'cam', {**fields, 'data': rows.ravel()})
    drive = convert(tmp_path / 'bag', tmp_path / 'drive', config)
    rgb = decode_raw(
        rows[:, :36].tobytes(), encoding='rgb8', height=8, width=12, step=36, is_bigendian=False
    )
    np.testing.assert_array_equal(drive.frames[0], network_input(rgb, Preprocessing()))


# Labels


def test_curvature_by_hand(tmp_path, config):
    # Eq. 3: 0.5 rad at 10 m/s is 0.5 / 40, at 20 m/s 0.5 / (2 · 10 · (1 + 0.01 · 400)).
    reports = zip(stamps(4), (0.5, -0.5, 0.5, 0.0), (10.0, 10.0, 20.0, 0.0), strict=True)
    source = write_bag(tmp_path / 'bag', reports=reports)
    drive = convert(source, tmp_path / 'drive', config)
    np.testing.assert_allclose(drive.column('curvature'), [0.0125, -0.0125, 0.005, 0.0])


def test_smoothing_by_hand_starts_afresh_behind_a_gap(tmp_path, config):
    images = [START + ms * 1_000_000 for ms in (0, 50, 100, 700, 750)]
    reports = zip(images, (0.0, 1.0, 1.0, 2.0, 0.0), (10.0, 10.0, 20.0, 10.0, 10.0), strict=True)
    source = write_bag(tmp_path / 'bag', images=images, reports=reports)
    drive = convert(source, tmp_path / 'drive', config)
    angle, speed = [0, 0.5, 0.75, 2, 1], [10, 10, 15, 10, 10]  # Eq. 2, α_s = 0.5
    np.testing.assert_allclose(drive.column('steering_angle_smooth'), angle)
    np.testing.assert_allclose(drive.column('speed_smooth'), speed)
    # Eq. 3 of both: at 15 m/s 20 · (1 + 0.01 · 225) = 65 rad·m.
    curvature = [0, 0.5 / 40, 0.75 / 65, 2 / 40, 1 / 40]
    np.testing.assert_allclose(drive.column('curvature_smooth'), curvature)
    assert drive.column('steering_angle').tolist() == [0, 1, 1, 2, 0]  # as recorded
    rough = convert(source, tmp_path / 'rough', replace(config, smoothing=1.0))
    assert rough.column('steering_angle_smooth').tolist() == [0, 1, 1, 2, 0]


def test_without_steering_every_image_is_kept_and_none_labelled(tmp_path, config):
    source = write_bag(tmp_path / 'bag')
    drive = convert(source, tmp_path / 'drive', config)
    assert drive.description['counts']['labelled'] == 0
    assert drive.description['topics'] == {'image': CAMERA, 'steering': None, 'speed': None}
    assert drive.samples.drop(columns='stamp_ns').isna().all(axis=None)
    text = f'^{drive.path} must have steering to be trained or scored on, got none'
    with pytest.raises(DriveError, match=text):
        drive.require_labels()


def test_images_without_label_are_kept(tmp_path, config):
    source = write_bag(tmp_path / 'bag', reports=[(stamp, 0.5, 10.0) for stamp in stamps(4)[1:3]])
    drive = convert(source, tmp_path / 'drive', config)
    np.testing.assert_array_equal(drive.column('curvature'), [np.nan, 0.0125, 0.0125, np.nan])
    assert drive.description['counts']['labelled'] == 2


def test_a_speed_is_assumed_where_none_is_recorded(tmp_path, config):
    source = write_folder(tmp_path / 'folder', columns=['angle'], values=[0.5])
    refuses(
        source,
        tmp_path / 'out' / 'drive',
        config,
        f'{source}: speed must be recorded or given, got none: the curvature depends on it; '
        'name one with --assume-speed M_PER_S, or its topic with --speed',
    )
    drive = convert(source, tmp_path / 'drive', replace(config, assume_speed=20.0))
    assert drive.column('speed').tolist() == [20.0] * 4
    assert drive.column('curvature').tolist() == [0.005] * 4
    assert drive.description['assume_speed'] == 20.0


def test_a_recorded_speed_is_not_replaced(tmp_path, config):
    source = write_any(tmp_path, 'mcap')
    drive = convert(source, tmp_path / 'drive', replace(config, assume_speed=20.0))
    assert drive.column('speed')[0] == 10.0
    assert drive.description['assume_speed'] is None


# Refusals


@pytest.mark.parametrize('kind', KINDS[:3])
def test_images_that_go_backwards_are_left_out(tmp_path, config, kind):
    """One clock that jumps ahead costs one image, and so does one that jumps back."""
    path = tmp_path / ('drive.bag' if kind == 'ros1' else 'bag')
    times = stamps(7)
    write_bag(path, kind, times, restamped={times[2]: times[6] + 1, times[5]: times[0] - 1})
    drive = convert(path, tmp_path / 'drive', config)
    assert drive.stamps_ns.tolist() == [times[i] for i in (0, 1, 3, 4, 6)]
    counts = drive.description['counts']
    assert (counts['images'], counts['frames'], counts['out_of_order']) == (7, 5, 2)
    with open_recording(path) as recording:
        frames = [network_input(image.rgb(), Preprocessing()) for image in recording.images()]
    np.testing.assert_array_equal(drive.frames, [frames[i] for i in (0, 1, 3, 4, 6)])
    text = (
        f'{path}: image stamps on {CAMERA} must increase, got {times[3]} behind {times[6] + 1} '
        'at image 3'
    )
    refuses(path, tmp_path / 'out' / 'drive', replace(config, strict=True), text)


def test_what_a_user_should_know_stands_in_the_description(tmp_path, config):
    reports = [(stamp, 0.5, 10.0) for stamp in stamps(4)]
    reports[1] = (stamps(4)[1], float('inf'), 10.0)
    drive = convert(write_bag(tmp_path / 'bag', reports=reports), tmp_path / 'drive', config)
    note = f'{REPORT}: 1 of 4 values of steering_angle are infinite; there is no label there'
    assert note in drive.description['notes']
    assert drive.description['counts']['labelled'] == 3


def test_two_images_of_one_stamp_are_one_frame(tmp_path, config):
    first, second = stamps(2)
    drive = convert(
        write_bag(tmp_path / 'bag', images=[first, first, second]), tmp_path / 'drive', config
    )
    assert drive.stamps_ns.tolist() == [first, second]
    assert drive.description['counts']['skipped'] == 1


def test_no_readable_image_says_why(tmp_path, config):
    source = write_folder(tmp_path / 'folder', 2)
    for file in source.glob('*.jpg'):
        file.write_bytes(BROKEN.tobytes())
    text = (
        f'{source}: camera must hold a readable image, got 2 unreadable of 2, '
        f'the first: {source}/0.jpg: data must be a '
    )
    refuses(source, tmp_path / 'out' / 'drive', config, text)


def test_an_encoding_nobody_knows(tmp_path, config):
    fields = {'height': 1, 'width': 1, 'encoding': 'smell8', 'is_bigendian': 0, 'step': 1}
    with BagWriter(tmp_path / 'bag', 'mcap') as writer:
        writer._write('/cam', RAW, START, 'cam', {**fields, 'data': np.zeros(1, np.uint8)})
    text = (
        f'{tmp_path}/bag: /cam must hold a readable image, got 1 unreadable of 1, '
        f'the first: {tmp_path}/bag: /cam at {START} ns: encoding must be one of '
    )
    refuses(tmp_path / 'bag', tmp_path / 'out' / 'drive', config, text)
    with pytest.raises(BagError, match=r"got 'smell8'$"):
        convert(tmp_path / 'bag', tmp_path / 'drive', config)


def test_what_is_no_recording(tmp_path, config):
    text = f'{tmp_path}/gone must be a bag or an image folder, got nothing there'
    refuses(tmp_path / 'gone', tmp_path / 'out' / 'drive', config, text)
    (tmp_path / 'notes.bag').write_text('no bag')
    refuses(
        tmp_path / 'notes.bag',
        tmp_path / 'out' / 'drive',
        config,
        f'{tmp_path}/notes.bag must be a ROS 1 bag',
    )


def test_what_a_damaged_bag_still_gives_is_used_and_the_rest_reported(tmp_path, config):
    source = write_bag(tmp_path / 'cut.bag', 'ros1', images=stamps(40))
    source.write_bytes(source.read_bytes()[:-100])
    drive = convert(source, tmp_path / 'drive', config)
    description = drive.description
    assert description['counts']['frames'] == len(drive) == 40
    assert description['counts']['damaged'] == len(description['damage']) >= 1
    assert all(it.keys() == {'where', 'what'} for it in description['damage'])
    assert str(tmp_path) not in (drive.path / 'drive.yaml').read_text()
    with pytest.raises(BagError, match=f'^{source}'):
        convert(source, tmp_path / 'strict', replace(config, strict=True))
    assert not (tmp_path / 'strict').exists()


def test_a_damaged_jpeg_costs_one_frame(tmp_path, config):
    """Damaged in its middle: OpenCV would give a picture, half of it grey."""
    source = write_folder(tmp_path / 'folder', 3)
    noisy = np.random.default_rng(0).integers(0, 256, (120, 180, 3), np.uint8)
    data = bytearray(cv2.imencode('.jpg', noisy)[1].tobytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    (source / '1.jpg').write_bytes(data)
    drive = convert(source, tmp_path / 'drive', config)
    assert drive.stamps_ns.tolist() == [stamps(3)[i] for i in (0, 2)]
    (said,) = drive.description['unreadable']
    assert said.startswith('folder/1.jpg: data must be an undamaged JPEG picture, got: ')
    text = f'{source}: every image must be readable with --strict: {source}/1.jpg: data must be'
    refuses(source, tmp_path / 'out' / 'drive', replace(config, strict=True), text)


def test_reports_are_counted_whole_and_kept_in_part(tmp_path, config):
    source = write_folder(tmp_path / 'folder', 30)
    for i in range(1, 30):
        (source / f'{i}.jpg').unlink()
    description = convert(source, tmp_path / 'drive', config).description
    assert description['counts']['unreadable'] == 29
    assert len(description['unreadable']) == 20


def test_reduced_frames_are_others_and_say_so(tmp_path, config):
    source = tmp_path / 'folder'
    write_folder(source, 1)
    big = cv2.resize(picture(0), (640, 480), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(source / '0.jpg'), big[:, :, ::-1])
    exact = convert(source, tmp_path / 'exact', config)
    reduced = convert(source, tmp_path / 'reduced', replace(config, reduced=True))
    assert (exact.preprocessing.reduced, reduced.preprocessing.reduced) == (False, True)
    assert reduced.description['image_size'] == exact.description['image_size'] == [480, 640]
    off = np.abs(exact.frames[0].astype(int) - reduced.frames[0])[..., 2]
    assert off.max() > 0
    assert off.mean() < 3


def test_two_cameras(tmp_path, config):
    with BagWriter(tmp_path / 'bag', 'mcap') as writer:
        for topic in ('/left', '/right'):
            writer.image(START, picture(0), topic=topic)
    text = f'{tmp_path}/bag must have one camera, got /left, /right; name one with --image-topic'
    refuses(tmp_path / 'bag', tmp_path / 'out' / 'drive', config, text)
    drive = convert(tmp_path / 'bag', tmp_path / 'drive', replace(config, image_topic='/right'))
    assert drive.description['topics']['image'] == '/right'


def test_an_unknown_vehicle(tmp_path):
    source = write_bag(tmp_path / 'bag')
    (tmp_path / 'out').mkdir()
    text = 'vehicle must be one of ['
    refuses(source, tmp_path / 'out' / 'drive', ConvertConfig(vehicle='tank'), text, ValueError)


# Whole or not at all


def test_a_drive_is_not_overwritten(tmp_path, config):
    source = write_bag(tmp_path / 'bag')
    (tmp_path / 'drive').mkdir()
    text = f'^{tmp_path}/drive must not exist yet: remove it, or name another --out$'
    with pytest.raises(DriveError, match=text):
        convert(source, tmp_path / 'drive', config)
    assert list((tmp_path / 'drive').iterdir()) == []


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize('place', ['pictures.network_input', 'one.labels_at', 'one.sha256'])
def test_an_interruption_leaves_nothing(tmp_path, config, monkeypatch, place, error):
    source = write_any(tmp_path, 'mcap')
    target, name = (
        {'pictures': pictures, 'one': one}[place.partition('.')[0]],
        place.partition('.')[2],
    )
    real, calls = getattr(target, name), []

    def interrupted(*arguments):
        calls.append(arguments)
        if name != 'network_input' or len(calls) == 3:
            raise error('mine')
        return real(*arguments)

    monkeypatch.setattr(target, name, interrupted)
    refuses(source, tmp_path / 'out' / 'drive', config, 'mine', error)


def test_what_a_killed_conversion_left_is_replaced(tmp_path, config):
    source = write_any(tmp_path, 'mcap')
    left = tmp_path / 'out' / '.drive.partial'
    left.mkdir(parents=True)
    (left / 'frames.npy').write_bytes(b'half')
    drive = convert(source, tmp_path / 'out' / 'drive', config)
    drive.verify()
    assert list((tmp_path / 'out').iterdir()) == [drive.path]
