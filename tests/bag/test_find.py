"""Recordings found among files, folders and patterns; nothing is opened."""

import re
from pathlib import Path

import pytest

from signattn.bag import BagError, find_recordings


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(folder, *given):
    return [str(path.relative_to(folder)) for path in find_recordings(given or [folder])]


@pytest.mark.parametrize(
    'name', ['a.bag', 'a.bag.active', 'a.db3', 'a.mcap', 'a.db3.zstd', 'a.mcap.zstd', 'a.zip']
)
def test_a_named_file_is_taken_whatever_it_is(tmp_path, name):
    touch(tmp_path, name)
    assert names(tmp_path, str(tmp_path / name)) == [name]


@pytest.mark.parametrize('table', ['metadata.yaml', 'interpolated.csv', 'driving_log.csv'])
def test_a_folder_may_be_one_recording(tmp_path, table):
    touch(tmp_path, table, 'bag_0.db3', 'bag_1.db3', 'more/center.bag')
    assert names(tmp_path) == ['.']


def test_a_folder_is_searched_in_the_order_of_names(tmp_path):
    touch(tmp_path, 'c.bag', 'b/metadata.yaml', 'b/b_0.mcap', 'a/z/y.mcap', 'a/z/x.mcap')
    touch(tmp_path, 'd/driving_log.csv', 'd/IMG/1.jpg', 'readme.txt')
    assert names(tmp_path) == ['a/z/x.mcap', 'a/z/y.mcap', 'b', 'c.bag', 'd']


def test_split_ros1_bags_stay_apart(tmp_path):
    touch(tmp_path, 'drive_0.bag', 'drive_1.bag')
    assert names(tmp_path) == ['drive_0.bag', 'drive_1.bag']


def test_split_files_without_metadata_are_one_bag(tmp_path):
    touch(tmp_path, 'x/drive_0.mcap', 'x/drive_1.mcap', 'y/one.db3', 'z/one.db3', 'z/two.db3')
    assert names(tmp_path) == ['x', 'y', 'z/one.db3', 'z/two.db3']


def test_hidden_files_drives_and_backups_are_passed_over(tmp_path):
    touch(tmp_path, '.hidden.bag', '.cache/a.bag', 'a/drive.yaml', 'a/frames.npy', 'a/b.bag')
    touch(tmp_path, 'c.bag', 'c.orig.bag', 'd.orig.bag')
    assert names(tmp_path) == ['c.bag', 'd.orig.bag']


def test_a_pattern_that_the_shell_did_not_expand(tmp_path):
    touch(tmp_path, 'a/1.bag', 'a/2.bag', 'a/2.txt', 'b/3.bag', 'b/c/metadata.yaml')
    assert names(tmp_path, f'{tmp_path}/a/*') == ['a/1.bag', 'a/2.bag']
    assert names(tmp_path, f'{tmp_path}/[b]') == ['b/3.bag', 'b/c']
    assert names(tmp_path, f'{tmp_path}/**/?.bag') == ['a/1.bag', 'a/2.bag', 'b/3.bag']


def test_a_name_with_brackets_is_a_name_first(tmp_path):
    touch(tmp_path, 'a[1].bag', 'a1.bag')
    assert names(tmp_path, f'{tmp_path}/a[1].bag') == ['a[1].bag']


def test_each_is_found_once_where_it_was_first_named(tmp_path):
    touch(tmp_path, 'a.bag', 'b.bag')
    (tmp_path / 'link').symlink_to(tmp_path)  # and this one leads back
    given = [tmp_path / 'b.bag', tmp_path, f'{tmp_path}/*.bag']
    assert names(tmp_path, *given) == ['b.bag', 'a.bag']


def test_nothing_there(tmp_path):
    text = f'{tmp_path}/no.bag must be a bag or an image folder, got nothing there'
    with pytest.raises(BagError, match=re.escape(text)):
        find_recordings([tmp_path / 'no.bag'])
    text = f'{tmp_path}/*.bag must be or hold a recording, got nothing that matches'
    with pytest.raises(BagError, match=re.escape(text)):
        find_recordings([f'{tmp_path}/*.bag'])


def test_a_folder_without_recordings_says_what_is_there(tmp_path):
    text = f'{tmp_path} must be or hold a recording, got nothing'
    with pytest.raises(BagError, match=re.escape(text)):
        find_recordings([tmp_path])
    touch(tmp_path, *'fedcba')
    with pytest.raises(BagError, match=r'got a, b, c, d, e, …$'):
        find_recordings([tmp_path])


def test_a_folder_that_cant_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(Path, 'iterdir', refuse)
    text = f"{tmp_path} must be readable, got [Errno 13] Permission denied: '{tmp_path}'"
    with pytest.raises(BagError, match=re.escape(text)):
        find_recordings([tmp_path])
