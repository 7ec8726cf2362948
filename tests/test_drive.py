"""Windows, splits, and what is no drive."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from signattn.drive import Drive, DriveError, Split, open_drives, stretches, windows

SECOND = 1_000_000_000  # ns


@pytest.fixture
def seconds(write_drive):
    """Gives a function that writes a drive with a frame at each of these times, in s."""

    def write(times, name='drive'):
        start = 1_479_424_215_880_976_321
        stamps = [start + round(time * SECOND) for time in times]
        return write_drive([0.01] * len(times), stamps_ns=stamps, name=name)

    return write


def indices(part):
    return np.flatnonzero(part).tolist()


# Stretches and windows


@pytest.mark.parametrize(
    ('step', 'expected'),
    [
        (SECOND // 2, [slice(0, 4)]),  # as long as allowed
        (SECOND // 2 + 1, [slice(0, 2), slice(2, 4)]),
        (1, [slice(0, 4)]),
        (0, [slice(0, 2), slice(2, 4)]),
        (-1, [slice(0, 2), slice(2, 4)]),
    ],
)
def test_a_longer_step_or_none_forward_is_a_gap(step, expected):
    stamps = np.cumsum([7, 100, step, 100])
    assert stretches(stamps, 0.5) == expected


def test_a_stretch_may_be_one_frame_and_a_series_empty():
    assert stretches(np.array([0, SECOND, 2 * SECOND]), 0.5) == [
        slice(0, 1),
        slice(1, 2),
        slice(2, 3),
    ]
    assert stretches(np.zeros(0, np.int64), 0.5) == []


def test_windows_never_cross_a_gap(seconds):
    drive = seconds([0, 0.1, 0.2, 0.3, 0.81, 0.91, 1.01])  # the gap is 0.51 s
    assert drive.stretches() == [slice(0, 4), slice(4, 7)]
    assert windows(drive, 3).tolist() == [0, 1, 4]
    assert windows(drive, 4).tolist() == [0]
    assert windows(drive, 5).tolist() == []
    assert windows(drive, 100).tolist() == []
    assert windows(drive, 1).tolist() == list(range(7))


def test_windows_may_cross_what_is_just_no_gap(seconds):
    drive = seconds([0, 0.1, 0.2, 0.3, 0.8, 0.9, 1.0])
    assert windows(drive, 5).tolist() == [0, 1, 2]


def test_windows_stay_inside_a_part(seconds):
    drive = seconds(np.arange(10) / 10)
    part = np.array([1, 1, 1, 0, 1, 1, 1, 1, 0, 1], bool)
    assert windows(drive, 3, part).tolist() == [0, 4, 5]
    assert windows(drive, 1, part).tolist() == indices(part)
    assert windows(drive, 2, np.zeros(10, bool)).tolist() == []


def test_a_window_has_a_frame(seconds):
    with pytest.raises(ValueError, match=r'^length must be at least 1, got 0$'):
        windows(seconds([0]), 0)


# Splits


def test_none_keeps_nothing_apart(seconds):
    train, apart = Split('none').parts(seconds([0, 1, 2]))
    assert (indices(train), indices(apart)) == ([0, 1, 2], [])


def test_end_keeps_the_last_part_apart_and_purges_before_it(seconds):
    drive = seconds(range(11))  # 0 to 10 s: the border is at 8 s
    train, apart = Split('end', fraction=0.2, purge_s=2).parts(drive)
    assert indices(train) == [0, 1, 2, 3, 4, 5, 6]
    assert indices(apart) == [9, 10]
    train, _ = Split('end', fraction=0.2, purge_s=2.001).parts(drive)
    assert indices(train) == [0, 1, 2, 3, 4, 5]
    train, apart = Split('end', fraction=0.2, purge_s=0).parts(drive)
    assert indices(train) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_end_is_a_share_of_the_time_not_of_the_frames(seconds):
    drive = seconds([0, 0.1, 0.2, 0.3, 0.4, 0.5, 9, 10])
    train, apart = Split('end', fraction=0.5, purge_s=0).parts(drive)
    assert (indices(train), indices(apart)) == ([0, 1, 2, 3, 4, 5], [6, 7])


@pytest.mark.parametrize(
    ('fold', 'expected_train', 'expected_apart'),
    [
        (0, [3, 4, 9, 10, 11], [0, 1, 6, 7]),
        (1, [0, 5, 6, 11], [2, 3, 8, 9]),
        (2, [0, 1, 2, 7, 8], [4, 5, 10, 11]),
    ],
)
def test_blocks_are_dealt_in_turn_and_purged_on_each_side(
    seconds, fold, expected_train, expected_apart
):
    # Blocks of 2 s are 01 23 45 67 89 AB; a second is purged before each and behind it.
    split = Split('blocks', folds=3, fold=fold, block_s=2, purge_s=1)
    train, apart = split.parts(seconds(range(12)))
    assert (indices(train), indices(apart)) == (expected_train, expected_apart)


def test_the_purge_ends_at_the_frame(seconds):
    drive = seconds([0, 1, 1.5, 2, 3.9, 4, 4.5, 5])  # apart are 2 s ≤ t < 4 s
    for purge_s, expected in [
        (0, [0, 1, 2, 5, 6, 7]),
        (0.499, [0, 1, 2, 6, 7]),
        (0.5, [0, 1, 6, 7]),  # half-open like the blocks
        (0.501, [0, 1, 7]),
        (1.001, [0]),
    ]:
        train, _ = Split('blocks', folds=3, fold=1, block_s=2, purge_s=purge_s).parts(drive)
        assert indices(train) == expected


def test_over_all_folds_each_frame_is_apart_once_and_never_trained_on(seconds):
    drive = seconds(np.sort(np.random.default_rng(0).uniform(0, 60, 200)))
    total = np.zeros(200, int)
    for fold in range(5):
        train, apart = Split('blocks', folds=5, fold=fold, block_s=3, purge_s=1).parts(drive)
        assert not (train & apart).any()
        total += apart
    assert (total == 1).all()


def test_the_next_fold_validates_and_is_kept_from_training(write_drive):
    drive = write_drive([0.0] * 240)  # 12 s at 20 Hz
    split = Split('blocks', folds=3, fold=2, block_s=2, purge_s=0.5, validate=True)
    train, apart = split.parts(drive)
    validation = split.validation(drive)
    seconds = np.arange(240) / 20
    assert seconds[apart].tolist() == seconds[80:120].tolist() + seconds[200:].tolist()
    # Blocks 0 and 3, without 0.5 s behind block 2, at 6 s.
    assert seconds[validation].tolist() == seconds[:40].tolist() + seconds[130:160].tolist()
    # Blocks 1 and 4, without 0.5 s on either side.
    assert seconds[train].tolist() == seconds[50:70].tolist() + seconds[170:190].tolist()


def test_without_a_validation_fold_nothing_validates(write_drive):
    drive = write_drive([0.0] * 240)
    assert not Split('blocks', folds=3).validation(drive).any()
    end = Split('end', fraction=0.25)
    np.testing.assert_array_equal(end.validation(drive), end.parts(drive)[1])


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'kind': 'random'}, "kind must be none, end or blocks, got 'random'"),
        (
            {'kind': 'end', 'validate': True},
            'validate must be with blocks of at least 3 folds, got end of 5',
        ),
        (
            {'kind': 'blocks', 'folds': 2, 'validate': True},
            'validate must be with blocks of at least 3 folds, got blocks of 2',
        ),
        ({'fraction': 0.0}, 'fraction must be in (0, 1), got 0.0'),
        ({'fraction': 1.0}, 'fraction must be in (0, 1), got 1.0'),
        ({'folds': 1}, 'fold must be in 0..folds-1 with folds at least 2, got 0 of 1'),
        ({'fold': 5}, 'fold must be in 0..folds-1 with folds at least 2, got 5 of 5'),
        ({'fold': -1}, 'fold must be in 0..folds-1 with folds at least 2, got -1 of 5'),
        ({'block_s': 0}, 'block_s must be above 0, got 0'),
        ({'purge_s': -0.1}, 'purge_s must be at least 0, got -0.1'),
    ],
)
def test_splits_that_are_none(options, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        Split(**options)


# Drives


def test_a_drive_gives_back_what_was_written(write_drive, vehicle):
    frames = np.random.default_rng(0).integers(0, 256, (3, 80, 160, 3), np.uint8)
    drive = write_drive([0.01, np.nan, -0.02], frames=frames, stamps_ns=[5, 7, 9], speed=10)
    assert len(drive) == 3
    assert isinstance(drive.frames, np.memmap)
    np.testing.assert_array_equal(drive.frames, frames)
    assert drive.stamps_ns.tolist() == [5, 7, 9]
    np.testing.assert_allclose(drive.column('steering_angle'), [0.4, np.nan, -0.8])
    assert (drive.name, drive.vehicle, drive.max_gap_s) == ('drive', vehicle, 0.5)
    assert drive.preprocessing.rate_hz == 20
    drive.require_labels()
    drive.verify()


def test_a_drive_without_labels_is_refused_where_they_are_needed(write_drive):
    drive = write_drive([np.nan, np.nan])
    text = f'^{drive.path} must have steering to be trained or scored on, got none'
    with pytest.raises(DriveError, match=text):
        drive.require_labels()


@pytest.mark.parametrize('file', ['drive.yaml', 'frames.npy', 'samples.parquet'])
def test_a_missing_file_is_named(write_drive, file):
    path = write_drive([0.0]).path
    (path / file).unlink()
    with pytest.raises(DriveError, match=f'^drive must be a folder with {file}, got {path}$'):
        Drive(path)


@pytest.mark.parametrize('file', ['drive.yaml', 'frames.npy', 'samples.parquet'])
@pytest.mark.parametrize('keep', [0, 150])
def test_a_file_cut_short_is_refused(write_drive, file, keep):
    path = write_drive([0.0, 0.0]).path
    (path / file).write_bytes((path / file).read_bytes()[:keep])
    text = f'^{path}(:| must be a whole drive, got:) '
    with pytest.raises(DriveError, match=text):
        Drive(path)


def edit(path, change):
    description = yaml.safe_load((path / 'drive.yaml').read_text())
    change(description)
    (path / 'drive.yaml').write_text(yaml.safe_dump(description))


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (lambda it: it.update(max_gap=it.pop('max_gap_s')), "must have the key 'max_gap_s'"),
        (lambda it: it.pop('vehicle'), "must have the key 'vehicle'"),
        (
            lambda it: it['vehicle'].update(wheelbse=it['vehicle'].pop('wheelbase')),
            "got 'wheelbse'; did you mean 'wheelbase'?",
        ),
        (
            lambda it: it['preprocessing'].update(crop_topp=0.1),
            "got 'crop_topp'; did you mean 'crop_top'?",
        ),
        (lambda it: it['preprocessing'].update(color='rgb'), 'color must be hsv, got rgb'),
        (lambda it: it.update(vehicle=None), 'must be a whole drive, got: '),
        (lambda it: it.update(max_gap_s=None), 'must be a whole drive, got: '),
        (lambda it: it.update(format=2), 'format must be 1, got 2'),
    ],
)
def test_a_description_that_is_wrong(write_drive, change, text):
    path = write_drive([0.0]).path
    edit(path, change)
    with pytest.raises(DriveError, match=f'^{path}.*{re.escape(text)}'):
        Drive(path)


@pytest.mark.parametrize(
    ('frames', 'got'),
    [
        (np.zeros((3, 80, 160, 3), np.uint8), '(3, 80, 160, 3) uint8'),
        (np.zeros((2, 160, 80, 3), np.uint8), '(2, 160, 80, 3) uint8'),
        (np.zeros((2, 80, 160, 3), np.float32), '(2, 80, 160, 3) float32'),
    ],
)
def test_frames_of_another_shape(write_drive, frames, got):
    path = write_drive([0.0, 0.0]).path
    np.save(path / 'frames.npy', frames)
    text = f'{path}/frames.npy must be (2, 80, 160, 3) uint8, got {got}'
    with pytest.raises(DriveError, match=f'^{re.escape(text)}$'):
        Drive(path)


def test_a_missing_column_is_named(write_drive):
    path = write_drive([0.0]).path
    samples = pd.read_parquet(path / 'samples.parquet').drop(columns=['speed'])
    samples.to_parquet(path / 'samples.parquet')
    text = f"{path}/samples.parquet must have the columns ['speed']"
    with pytest.raises(DriveError, match=f'^{re.escape(text)}'):
        Drive(path)


@pytest.mark.parametrize(('file', 'place'), [('frames.npy', -1), ('frames.npy', -38400)])
def test_an_altered_byte_of_the_frames_is_found(write_drive, file, place):
    path = write_drive([0.0]).path
    data = bytearray((path / file).read_bytes())
    data[place] ^= 1
    (path / file).write_bytes(data)
    with pytest.raises(DriveError, match=f'^{path}: checksums must be .*, got .*frames_sha256'):
        Drive(path).verify()


def test_an_altered_label_is_found(write_drive):
    drive = write_drive([0.0])
    samples = drive.samples.assign(curvature=0.5)
    samples.to_parquet(drive.path / 'samples.parquet', index=False)
    with pytest.raises(DriveError, match=f'^{drive.path}: checksums must be .*, got '):
        Drive(drive.path).verify()


# Several drives


def test_a_folder_of_drives_is_opened_by_name(write_drive, tmp_path):
    for name in ('b', 'a', '.c.partial'):
        write_drive([0.0], name=name)
    assert [drive.name for drive in open_drives(tmp_path / 'drives')] == ['a', 'b']
    assert [drive.name for drive in open_drives(str(tmp_path / 'drives' / 'b'))] == ['b']


def test_drives_of_one_name_are_refused(write_drive, tmp_path):
    first = write_drive([0.0], name='a')
    shutil.copytree(first.path, tmp_path / 'drives' / 'copy')
    text = (
        f'drives of a folder must have different names, got a of {first.path} and of '
        f'{tmp_path / "drives" / "copy"}: change one in its drive.yaml'
    )
    with pytest.raises(DriveError, match=f'^{re.escape(text)}$'):
        open_drives(tmp_path / 'drives')


def test_a_folder_without_drives(tmp_path):
    for path in (tmp_path, tmp_path / 'nothing'):
        text = f'^data must be a drive or a folder of drives, got {path}$'
        with pytest.raises(DriveError, match=text):
            open_drives(path)
