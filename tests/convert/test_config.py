"""What tells drives apart: options, and the recording's content."""

import math
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from signattn.convert import ConvertConfig
from signattn.convert.config import options, with_absolute_paths
from signattn.convert.identity import fingerprint, source_size


def test_options_that_change_no_drive_are_not_kept():
    config = ConvertConfig()
    assert options(replace(config, strict=True, side_cameras_deg=3.0)) == options(config)
    assert options(replace(config, reduced=True)) != options(config)
    assert options(config)['rate_hz'] == 20.0


@pytest.mark.parametrize(
    ('wrong', 'text'),
    [
        ({'crop_top': 1.0}, 'crop_top must be in [0, 1), got 1.0'),
        ({'rate_hz': 0.0}, 'rate_hz must be above 0, got 0.0'),
        ({'max_gap_s': 0.0}, 'max_gap_s must be above 0, got 0.0'),
        ({'smoothing': 0.0}, 'smoothing must be in (0, 1], got 0.0'),
        ({'smoothing': 1.01}, 'smoothing must be in (0, 1], got 1.01'),
        ({'assume_speed': -0.1}, '--assume-speed must be at least 0 m/s, got -0.1'),
        ({'assume_speed': math.inf}, '--assume-speed must be at least 0 m/s, got inf'),
        ({'side_cameras_deg': -1.0}, 'side_cameras_deg must be at least 0, got -1.0'),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_read(wrong, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        ConvertConfig(**wrong)


def test_of_definitions_the_content_counts_not_the_place(tmp_path):
    kept = []
    for name, text in (('a', 'float32 x'), ('b', 'float32 x'), ('c', 'float32 y')):
        folder = tmp_path / name / 'my_msgs' / 'msg'
        folder.mkdir(parents=True)
        (folder / 'Steering.msg').write_text(text)
        kept.append(options(ConvertConfig(msg_path=tmp_path / name))['msg_path'])
    assert kept[0] == kept[1] != kept[2]


def test_paths_hold_wherever_a_process_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = ConvertConfig(rate_hz=10.0)
    assert with_absolute_paths(shipped) == shipped
    own = with_absolute_paths(ConvertConfig(vehicle='cars/cart.yaml', msg_path=Path('msgs')))
    assert own.vehicle == str(tmp_path / 'cars' / 'cart.yaml')
    assert own.msg_path == tmp_path / 'msgs'


@pytest.mark.parametrize(
    ('change', 'differs'),
    [
        (lambda folder: os.utime(folder / 'interpolated.csv', (0, 0)), False),
        (lambda folder: (folder / 'notes.txt').write_text('seen'), False),
        (lambda folder: (folder / '0.jpg').write_bytes(b'another size'), True),
        (lambda folder: (folder / '0.jpg').rename(folder / '9.jpg'), True),
        (lambda folder: (folder / '0.jpg').unlink(), True),
    ],
)
def test_a_folder_is_known_by_its_table_and_its_pictures_names_and_sizes(
    tmp_path, write_folder, change, differs
):
    folder = write_folder(tmp_path / 'in')
    before = fingerprint(folder)
    assert fingerprint(folder.rename(tmp_path / 'moved')) == before
    change(tmp_path / 'moved')
    assert (fingerprint(tmp_path / 'moved') != before) == differs


@pytest.mark.parametrize(
    ('place', 'differs'),
    [(0, True), (65_535, True), (65_536, False), (134_463, False), (134_464, True)],
)
def test_a_file_is_known_by_its_ends(tmp_path, place, differs):
    data = bytearray(200_000)
    path = tmp_path / 'a.bag'
    path.write_bytes(data)
    before = fingerprint(path)
    data[place] = 1
    path.write_bytes(data)
    assert (fingerprint(path) != before) == differs
    assert source_size(path) == 200_000


def test_what_is_not_there_has_no_size(tmp_path):
    assert source_size(tmp_path / 'gone') == 0
