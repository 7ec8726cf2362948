"""Damaged recordings, opened as every verb opens them."""

import re

import numpy as np
import pytest
from mcap.writer import Writer as McapWriter
from rosbags import rosbag1

from signattn.bag import BagError, BagWriter, Selection, open_recording
from signattn.bag.storage import Storage

START = 1_479_425_441_000_000_000  # ns
STEP = 50_000_000  # ns
RED = np.full((8, 12, 3), (200, 0, 0), np.uint8)
COUNT = 10


def bag(path, kind='ros1'):
    with BagWriter(path, kind) as writer:
        if kind == 'ros1':
            writer._writer.chunk_threshold = 2000  # bytes, three moments
        for i in range(COUNT):
            writer.image(START + i * STEP, RED)
            writer.steering(START + i * STEP, i / 10, 10.0)
    return path


def stamps(images):
    return [(image.stamp_ns - START) // STEP for image in images]


@pytest.fixture
def damaged(tmp_path):
    """A bag whose second chunk can't be read, and the chunk's place."""
    path = bag(tmp_path / 'drive.bag')
    with rosbag1.Reader(path) as reader:
        place = list(reader.chunks)[1]
    content = bytearray(path.read_bytes())
    content[place : place + 4] = b'\xff' * 4
    path.write_bytes(content)
    return path, place


def test_damage_is_counted_once_whatever_is_read(damaged):
    path, place = damaged
    with open_recording(path) as recording:
        assert recording.damage == []
        read = stamps(recording.images())
        assert len(read) < COUNT
        assert read == sorted(read)
        assert stamps(recording.images()) == read
        recording.signals()
        recording.times()
        (damage,) = recording.damage
    assert damage.where == f'byte {place}'
    assert re.fullmatch(r'must begin a whole chunk of \d messages, got .*', damage.what)


def test_strict_makes_damage_an_error(damaged):
    path, place = damaged
    with (
        open_recording(path, Selection(strict=True)) as recording,
        pytest.raises(BagError, match=f'^{path}: byte {place} must begin a whole chunk of '),
    ):
        list(recording.images())


def test_strict_makes_a_missing_index_an_error(tmp_path):
    path = bag(tmp_path / 'drive.bag')
    path.write_bytes(path.read_bytes()[:-1])
    with open_recording(path) as recording:
        assert len(list(recording.images())) == COUNT
    with pytest.raises(BagError, match=rf'^{path}: byte \d+ must begin a whole index, got '):
        open_recording(path, Selection(strict=True))


@pytest.mark.parametrize('kind', ['sqlite3', 'mcap'])
def test_a_folder_without_metadata_is_opened_with_a_note(tmp_path, kind):
    path = bag(tmp_path / 'drive', kind)
    (path / 'metadata.yaml').unlink()
    with open_recording(path, Selection(strict=True)) as recording:
        assert recording.format == kind
        assert stamps(recording.images()) == list(range(COUNT))
        (note,) = recording.notes
    assert note.startswith('no metadata.yaml names its files; read in the order of time: drive.')


def test_ros1_messages_in_an_mcap_are_read(tmp_path):
    class Silent:
        def note(self, text):
            raise AssertionError(text)

        lose = note

    path = tmp_path / 'drive.mcap'
    writer = McapWriter(str(path))
    writer.start('ros1', '')
    channels = {}
    for raw in Storage(bag(tmp_path / 'drive.bag'), Silent()).messages():
        if raw.topic not in channels:
            schema = writer.register_schema(
                raw.type.replace('/msg/', '/'), 'ros1msg', raw.definition.data.encode()
            )
            channels[raw.topic] = writer.register_channel(raw.topic, 'ros1', schema)
        writer.add_message(channels[raw.topic], raw.received_ns, raw.data, raw.received_ns)
    writer.finish()
    with open_recording(path) as recording:
        assert recording.format == 'mcap'
        assert stamps(recording.images()) == list(range(COUNT))
        assert recording.signals().speed.values.tolist() == [10.0] * COUNT


def test_a_recording_that_cant_be_read_names_itself(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, 'Permission denied', str(path))

    path = bag(tmp_path / 'drive.bag')
    monkeypatch.setattr('pathlib.Path.open', refuse)
    text = f"{path} must be readable, got [Errno 13] Permission denied: '{path}'"
    with pytest.raises(BagError, match=f'^{re.escape(text)}$'):
        open_recording(path)


def test_definitions_must_be_in_a_folder_that_is_there(tmp_path):
    path = bag(tmp_path / 'drive.bag')
    gone = tmp_path / 'gone'
    text = f'^--msg-path must be a folder with .msg files, got {gone}$'
    with pytest.raises(BagError, match=text):
        open_recording(path, Selection(msg_path=gone))
    with open_recording(path, Selection(msg_path=tmp_path)) as recording:  # not needed here
        assert len(list(recording.images())) == COUNT
