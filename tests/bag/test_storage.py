"""Whole bags of every kind, written here, read message by message."""

import sqlite3
import struct
import tracemalloc
from contextlib import closing

import pytest
import zstandard
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags import rosbag1, rosbag2
from rosbags.interfaces import MessageDefinitionFormat
from rosbags.typesys import Stores, get_typestore

from signattn.bag import BagError, Topic
from signattn.bag.storage import Storage

START = 1_479_425_441_000_000_007  # ns
STEP = 50_000_000  # ns
STRING = 'std_msgs/msg/String'
A, B = Topic('/a', STRING, 6), Topic('/b', STRING, 3)


def stamp(i):
    return START + i * STEP


def payload(i, size=400):
    """A string, serialised for ROS 2."""
    text = (b'%d' % i).rjust(size, b'.') + b'\0'
    return b'\x00\x01\x00\x00' + struct.pack('<I', len(text)) + text


class Kept:
    """Keeps remarks and damage."""

    def __init__(self):
        self.notes, self.damage = [], []

    def note(self, text):
        self.notes.append(text)

    def lose(self, where, what):
        self.damage.append((where, what))


def sent():
    """Topic, index and data of the messages in each bag: every second one of /a with one of /b."""
    for i in range(6):
        yield '/a', i, payload(i)
        if i % 2:
            yield '/b', i, payload(100 + i)


def write(writer):
    types = get_typestore(Stores.ROS2_JAZZY)
    connections = {t: writer.add_connection(t, STRING, typestore=types) for t in ('/a', '/b')}
    for topic, i, data in sent():
        writer.write(connections[topic], stamp(i), data)


def ros1(folder, compression=None):
    path = folder / 'drive.bag'
    writer = rosbag1.Writer(path)
    writer.chunk_threshold = 900  # two messages in a chunk
    if compression:
        writer.set_compression(rosbag1.Writer.CompressionFormat[compression])
    with writer:
        types = get_typestore(Stores.ROS1_NOETIC)
        connections = {t: writer.add_connection(t, STRING, typestore=types) for t in ('/a', '/b')}
        for topic, i, data in sent():
            writer.write(connections[topic], stamp(i), data)
    return path


def ros2(folder, plugin, mode=None):
    path = folder / 'drive'
    writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[plugin])
    if mode:
        writer.set_compression(rosbag2.CompressionMode[mode], rosbag2.CompressionFormat.ZSTD)
    with writer:
        write(writer)
    return path


def mcap(path, compression='NONE', times=stamp, **options):
    """An mcap file by the writer of its inventors, two or three messages in a chunk."""
    options = {'chunk_size': 900, 'compression': CompressionType[compression]} | options
    writer = McapWriter(str(path), **options)
    writer.start('ros2', '')
    schema = writer.register_schema(STRING, 'ros2msg', b'string data')
    channels = {t: writer.register_channel(t, 'cdr', schema) for t in ('/a', '/b')}
    for topic, i, data in sent():
        writer.add_message(channels[topic], times(i), data, times(i))
    writer.finish()
    return path


NO_INDEX = {
    'use_chunking': False,
    'use_statistics': False,
    'use_summary_offsets': False,
    'repeat_schemas': False,
    'repeat_channels': False,
}
NO_SUMMARY = NO_INDEX | {'use_chunking': True, 'index_types': IndexType.NONE}

TOPICS = {
    1: 'id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT',
    2: 'id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, '
    'offered_qos_profiles TEXT',
}


def database(path, schema=1):
    """A database as the first versions of ROS 2 write it."""
    with closing(sqlite3.connect(path)) as bag, bag:
        bag.execute(f'CREATE TABLE topics({TOPICS[min(schema, 2)]})')
        bag.execute(
            'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, '
            'timestamp INTEGER NOT NULL, data BLOB NOT NULL)'
        )
        if schema > 1:
            bag.execute('CREATE INDEX timestamp_idx ON messages (timestamp ASC)')
        if schema > 2:
            bag.execute('CREATE TABLE schema(schema_version INTEGER, ros_distro TEXT)')
            bag.execute('INSERT INTO schema VALUES (3, ?)', ('humble',))
        for number, name in ((1, '/a'), (2, '/b')):
            query = 'INSERT INTO topics(id, name, type, serialization_format) VALUES (?, ?, ?, ?)'
            bag.execute(query, (number, name, STRING if schema > 1 else 'std_msgs/String', 'cdr'))
        for topic, i, data in sent():
            row = (1 if topic == '/a' else 2, stamp(i), data)
            bag.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)', row)
    return path


def single(folder, suffix):
    """The file of a bag, without its folder; packed, if the suffix says so."""
    plugin = 'SQLITE3' if suffix.startswith('.db3') else 'MCAP'
    file = next(ros2(folder, plugin).glob(f'drive{suffix.removesuffix(".zstd")}'))
    if not suffix.endswith('.zstd'):
        return file
    packed = folder / f'alone{suffix}'
    packed.write_bytes(zstandard.compress(file.read_bytes()))
    return packed


KINDS = {
    'ros1': ros1,
    'ros1-bz2': lambda folder: ros1(folder, 'BZ2'),
    'ros1-lz4': lambda folder: ros1(folder, 'LZ4'),
    'sqlite3': lambda folder: ros2(folder, 'SQLITE3'),
    'sqlite3-zstd-file': lambda folder: ros2(folder, 'SQLITE3', 'FILE'),
    'sqlite3-zstd-message': lambda folder: ros2(folder, 'SQLITE3', 'MESSAGE'),
    'sqlite3-schema-1': lambda folder: database(folder / 'drive.db3', 1),
    'sqlite3-schema-2': lambda folder: database(folder / 'drive.db3', 2),
    'sqlite3-schema-3': lambda folder: database(folder / 'drive.db3', 3),
    'mcap': lambda folder: ros2(folder, 'MCAP'),
    'mcap-zstd-file': lambda folder: ros2(folder, 'MCAP', 'FILE'),
    'mcap-zstd-message': lambda folder: ros2(folder, 'MCAP', 'MESSAGE'),
    'mcap-zstd-storage': lambda folder: ros2(folder, 'MCAP', 'STORAGE'),
    'mcap-chunks': lambda folder: mcap(folder / 'drive.mcap'),
    'mcap-lz4': lambda folder: mcap(folder / 'drive.mcap', 'LZ4'),
    'mcap-zstd': lambda folder: mcap(folder / 'drive.mcap', 'ZSTD'),
    'mcap-without-chunks': lambda folder: mcap(folder / 'drive.mcap', use_chunking=False),
    'mcap-without-index': lambda folder: mcap(folder / 'drive.mcap', **NO_INDEX),
    'mcap-without-summary': lambda folder: mcap(folder / 'drive.mcap', 'LZ4', **NO_SUMMARY),
    'db3': lambda folder: single(folder, '.db3'),
    'db3-zstd': lambda folder: single(folder, '.db3.zstd'),
    'mcap-alone': lambda folder: single(folder, '.mcap'),
    'mcap-alone-zstd': lambda folder: single(folder, '.mcap.zstd'),
}
kinds = pytest.mark.parametrize('kind', KINDS)


def read(storage, topic):
    return [(raw.received_ns, raw.data) for raw in storage.messages(topic)]


@kinds
def test_every_kind_gives_its_messages(tmp_path, kind):
    kept = Kept()
    storage = Storage(KINDS[kind](tmp_path), kept)
    assert storage.format == kind.split('-')[0].replace('db3', 'sqlite3')
    assert storage.topics == [A, B]
    assert read(storage, '/a') == [(stamp(i), payload(i)) for i in range(6)]
    assert read(storage, '/b') == [(stamp(i), payload(100 + i)) for i in (1, 3, 5)]
    assert [raw.topic for raw in storage.messages()] == [topic for topic, _, _ in sent()]
    first = next(storage.messages('/a'))
    assert first.serialization == ('ros1' if storage.format == 'ros1' else 'cdr')
    bare = 'schema' in kind
    assert first.definition.format == MessageDefinitionFormat['NONE' if bare else 'MSG']
    assert first.definition.data.startswith('' if bare else 'string data')
    storage.close()
    assert kept.notes == kept.damage == []


@kinds
def test_passes_may_interleave_and_outlive_close(tmp_path, kind):
    storage = Storage(KINDS[kind](tmp_path), Kept())
    first, second = storage.messages('/a'), storage.messages('/a')
    assert next(first).received_ns == stamp(0)
    assert [raw.received_ns for raw in second] == [stamp(i) for i in range(6)]
    storage.close()
    assert [raw.received_ns for raw in first] == [stamp(i) for i in range(1, 6)]


def test_only_the_wanted_types_of_a_topic_are_read(tmp_path):
    storage = Storage(ros1(tmp_path), Kept())
    assert list(storage.messages('/a', ['std_msgs/msg/Header'])) == []
    assert len(list(storage.messages('/a', ['std_msgs/msg/Header', STRING]))) == 6


def test_unpacked_copies_go_with_the_last_pass(tmp_path, monkeypatch):
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(scratch))
    storage = Storage(ros2(tmp_path, 'SQLITE3', 'FILE'), Kept())
    messages = storage.messages('/a')
    storage.close()
    assert len(list(scratch.iterdir())) == 1
    assert len(list(messages)) == 6
    del messages
    assert list(scratch.iterdir()) == []


# Order


@pytest.mark.parametrize('options', [{}, NO_INDEX, NO_SUMMARY])
def test_an_mcap_that_is_not_in_order_is_put_in_order(tmp_path, options):
    path = mcap(tmp_path / 'drive.mcap', times=lambda i: stamp((i * 5) % 6), **options)
    received = [raw.received_ns for raw in Storage(path, Kept()).messages('/a')]
    assert received == [stamp(i) for i in range(6)]


def test_a_ros1_bag_that_is_not_in_order_is_put_in_order(tmp_path):
    path = tmp_path / 'drive.bag'
    writer = rosbag1.Writer(path)
    writer.chunk_threshold = 900
    with writer:
        types = get_typestore(Stores.ROS1_NOETIC)
        connection = writer.add_connection('/a', STRING, typestore=types)
        for i in (1, 0, 5, 2, 4, 3):
            writer.write(connection, stamp(i), payload(i))
    assert read(Storage(path, Kept()), '/a') == [(stamp(i), payload(i)) for i in range(6)]


def test_a_database_that_is_not_in_order_is_put_in_order(tmp_path):
    path = database(tmp_path / 'drive.db3')
    with closing(sqlite3.connect(path)) as bag, bag:
        bag.execute('UPDATE messages SET timestamp = 0 WHERE id = 7')
        bag.execute('UPDATE messages SET timestamp = ? WHERE id = 1', (stamp(1),))
    received = [(raw.received_ns, raw.data) for raw in Storage(path, Kept()).messages('/a')]
    order = [(0, 4), (stamp(1), 0), (stamp(1), 1), (stamp(2), 2), (stamp(3), 3), (stamp(5), 5)]
    assert received == [(time, payload(i)) for time, i in order]


# Memory


@pytest.mark.parametrize('kind', ['ros1', 'SQLITE3', 'MCAP', 'unindexed'])
def test_a_pass_holds_few_messages_at_a_time(tmp_path, kind):
    path, size, count = tmp_path / 'drive.bag', 100_000, 200
    if kind == 'unindexed':
        path = tmp_path / 'drive.mcap'
        writer = McapWriter(str(path), **NO_INDEX)
        writer.start('ros2', '')
        channel = writer.register_channel('/a', 'cdr', 0)
        for i in range(count):
            writer.add_message(channel, stamp(i), payload(i, size), stamp(i))
        writer.finish()
    else:
        plugin = rosbag2.StoragePlugin.__members__.get(kind)
        path = path if kind == 'ros1' else tmp_path / 'drive'
        make = (
            rosbag1.Writer(path)
            if kind == 'ros1'
            else rosbag2.Writer(path, version=9, storage_plugin=plugin)
        )
        types = get_typestore(Stores.ROS1_NOETIC if kind == 'ros1' else Stores.ROS2_JAZZY)
        with make as writer:
            connection = writer.add_connection('/a', STRING, typestore=types)
            for i in range(count):
                writer.write(connection, stamp(i), payload(i, size))
    tracemalloc.start()
    assert sum(1 for _ in Storage(path, Kept()).messages()) == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000  # bytes, of 20 MB


def test_chunks_that_all_overlap_are_not_all_held(tmp_path, monkeypatch):
    path = mcap(tmp_path / 'drive.mcap', times=lambda i: stamp((i * 5) % 6))
    storage = Storage(path, Kept())
    assert [raw.received_ns for raw in storage.messages('/a')] == [stamp(i) for i in range(6)]
    monkeypatch.setattr('signattn.bag.blocks.MAX_BYTES', 1)
    received = [raw.received_ns for raw in storage.messages('/a')]
    assert received[:2] == [stamp(0), stamp(5)]  # its first chunk
    assert sorted(received) == [stamp(i) for i in range(6)]


# Folders


def split(folder, starts=(0, 3, 6)):
    """A bag in three files of three messages; names and times go different ways."""
    path = folder / 'drive'
    path.mkdir()
    files = []
    for number, first in enumerate(starts):
        files.append(f'drive_{number}.mcap')
        writer = McapWriter(str(path / files[-1]))
        writer.start('ros2', '')
        schema = writer.register_schema(STRING, 'ros2msg', b'string data')
        channel = writer.register_channel('/a', 'cdr', schema)
        for i in range(first, first + 3):
            writer.add_message(channel, stamp(i), payload(i), stamp(i))
        writer.finish()
    describe(path, files)
    return path


def describe(path, files):
    listed = ''.join(f'\n    - {file}' for file in files) or ' []'
    (path / 'metadata.yaml').write_text(
        f'rosbag2_bagfile_information:\n  version: 9\n  relative_file_paths:{listed}\n'
    )


def test_split_files_are_read_in_the_order_of_time(tmp_path):
    kept = Kept()
    storage = Storage(split(tmp_path, (3, 0, 6)), kept)
    assert storage.topics == [Topic('/a', STRING, 9)]
    assert [raw.received_ns for raw in storage.messages('/a')] == [stamp(i) for i in range(9)]
    assert kept.notes == kept.damage == []


def test_metadata_of_old_versions_names_the_folder_too(tmp_path):
    path = split(tmp_path)
    describe(path, ['drive/drive_0.mcap', 'drive/drive_2.mcap', 'drive/drive_1.mcap'])
    kept = Kept()
    assert len(read(Storage(path, kept), '/a')) == 9
    assert kept.notes == kept.damage == []


def test_a_folder_that_lost_its_metadata_is_read(tmp_path):
    path = split(tmp_path, (3, 0, 6))
    (path / 'metadata.yaml').unlink()
    (path / 'notes.txt').touch()
    kept = Kept()
    storage = Storage(path, kept)
    assert [raw.received_ns for raw in storage.messages('/a')] == [stamp(i) for i in range(9)]
    (note,) = kept.notes
    names = 'drive_0.mcap, drive_1.mcap, drive_2.mcap'
    assert note == f'no metadata.yaml names its files; read in the order of time: {names}'
    assert kept.damage == []


@pytest.mark.parametrize(
    ('text', 'got'),
    [
        ('a: 1', "KeyError: 'rosbag2_bagfile_information'"),
        ('a: [', 'ValueError: '),
        ('rosbag2_bagfile_information: 1', 'TypeError: '),
        ('rosbag2_bagfile_information: {version: 9}', "KeyError: 'relative_file_paths'"),
    ],
)
def test_metadata_that_describes_no_bag(tmp_path, text, got):
    path = split(tmp_path)
    (path / 'metadata.yaml').write_text(text)
    kept = Kept()
    assert len(read(Storage(path, kept), '/a')) == 9
    ((where, what),) = kept.damage
    assert (where, what.startswith(f'must describe a ROS 2 bag, got {got}')) == (
        'metadata.yaml',
        True,
    )
    assert len(kept.notes) == 1


def test_metadata_is_not_believed_about_what_the_files_hold(tmp_path):
    path = ros2(tmp_path, 'MCAP')
    metadata = path / 'metadata.yaml'
    text = (
        metadata.read_text()
        .replace('name: /a', 'name: /c')
        .replace('storage_identifier: mcap', 'storage_identifier: tape')
    )
    metadata.write_text(text.replace('message_count: 6', 'message_count: 60'))
    kept = Kept()
    storage = Storage(path, kept)
    assert storage.topics == [A, B]
    assert len(read(storage, '/a')) == 6
    assert kept.notes == kept.damage == []


def test_files_that_metadata_names_by_other_names_are_read(tmp_path):
    path = split(tmp_path)
    describe(path, ['before_0.mcap', 'before_1.mcap'])
    kept = Kept()
    assert len(read(Storage(path, kept), '/a')) == 9
    assert kept.damage == []
    assert len(kept.notes) == 1


def test_a_file_of_a_split_bag_that_is_missing_is_damage(tmp_path):
    path = split(tmp_path)
    (path / 'drive_1.mcap').unlink()
    kept = Kept()
    received = [raw.received_ns for raw in Storage(path, kept).messages('/a')]
    assert received == [stamp(i) for i in (0, 1, 2, 6, 7, 8)]
    assert kept.damage == [
        ('drive_1.mcap', 'must be there, as metadata.yaml names it, got nothing')
    ]


def test_a_file_of_a_split_bag_that_is_none_is_damage(tmp_path):
    path = split(tmp_path)
    (path / 'drive_1.mcap').write_bytes(b'picture')
    kept = Kept()
    assert len(read(Storage(path, kept), '/a')) == 6
    text = f"{path / 'drive_1.mcap'} must be an mcap file, got one that begins b'picture'"
    assert kept.damage == [('drive_1.mcap', f'must be readable, got {text}')]


def test_a_file_that_metadata_does_not_name_is_left_out(tmp_path):
    path = split(tmp_path)
    mcap(path / 'mended.mcap')
    kept = Kept()
    assert len(read(Storage(path, kept), '/a')) == 9
    assert kept.notes == ['metadata.yaml does not name mended.mcap, so not read']


def test_a_folder_without_files(tmp_path):
    (tmp_path / 'metadata.yaml').touch()
    with pytest.raises(BagError, match=r'must hold \.db3 or \.mcap files, got metadata\.yaml$'):
        Storage(tmp_path, Kept())


def test_a_folder_of_two_kinds(tmp_path):
    mcap(tmp_path / 'a.mcap')
    database(tmp_path / 'a.db3')
    text = r'must be stored as sqlite3 or mcap, got both: a\.db3, a\.mcap$'
    with pytest.raises(BagError, match=text):
        Storage(tmp_path, Kept())


# Other than ROS 2


def test_an_mcap_of_ros1_messages_says_so(tmp_path):
    writer = McapWriter(str(tmp_path / 'drive.mcap'))
    writer.start('ros1', '')
    schema = writer.register_schema('std_msgs/String', 'ros1msg', b'string data')
    writer.add_message(writer.register_channel('/a', 'ros1', schema), 5, b'\1\0\0\0x', 5)
    writer.finish()
    (raw,) = Storage(tmp_path / 'drive.mcap', Kept()).messages('/a')
    assert (raw.type, raw.serialization, raw.data) == (STRING, 'ros1', b'\1\0\0\0x')


def test_a_type_without_package_keeps_its_name(tmp_path):
    writer = McapWriter(str(tmp_path / 'drive.mcap'))
    writer.start('', '')
    schema = writer.register_schema('Example', 'c', b'')
    writer.add_message(writer.register_channel('/a', 'cdr', schema), 5, payload(0), 5)
    writer.finish()
    (raw,) = Storage(tmp_path / 'drive.mcap', Kept()).messages()
    assert raw.type == 'Example'
    assert raw.definition.format == MessageDefinitionFormat.NONE


def test_records_may_end_in_what_later_versions_add(tmp_path):
    path = mcap(tmp_path / 'drive.mcap', use_chunking=False)
    content = path.read_bytes()
    begin = content.index(b'\x03')  # the schema behind the header
    (size,) = struct.unpack_from('<Q', content, begin + 1)
    end = begin + 9 + size
    schema = struct.pack('<BQ', 3, size + 3) + content[begin + 9 : end] + b'\1\xff\xff'
    path.write_bytes(content[:begin] + schema + content[end : content.index(b'\x0f\4\0\0')])
    kept = Kept()
    assert len(read(Storage(path, kept), '/a')) == 6
    assert [what for _, what in kept.damage] == [
        'must begin a whole record, got EndOfFile; 0 bytes to the end'
    ]


def test_topics_that_are_stored_in_another_way_are_noted(tmp_path):
    path = database(tmp_path / 'drive.db3')
    with closing(sqlite3.connect(path)) as bag, bag:
        bag.execute("UPDATE topics SET serialization_format = 'protobuf' WHERE name = '/a'")
    kept = Kept()
    assert Storage(path, kept).topics == [B]
    assert kept.notes == ['/a is encoded as protobuf and not read']


def test_channels_that_ros_did_not_write_are_noted(tmp_path):
    writer = McapWriter(str(tmp_path / 'drive.mcap'))
    writer.start('', '')
    writer.add_message(writer.register_channel('/j', 'json', 0), 5, b'{}', 5)
    writer.add_message(writer.register_channel('/a', 'cdr', 0), 5, payload(0), 5)
    writer.finish()
    kept = Kept()
    storage = Storage(tmp_path / 'drive.mcap', kept)
    assert storage.topics == [Topic('/a', '', 1)]
    assert kept.notes == ['/j is encoded as json and not read']


# What is none


@pytest.mark.parametrize('content', [b'', b'picture', b'#ROSBAG V1.2\n', b'\x89MCAP', b'SQLite'])
@pytest.mark.parametrize(
    ('suffix', 'kind'),
    [
        ('bag', 'a ROS 1 bag, version 2.0'),
        ('db3', 'an sqlite3 database'),
        ('mcap', 'an mcap file'),
    ],
)
def test_a_file_that_is_no_bag(tmp_path, suffix, kind, content):
    path = tmp_path / f'drive.{suffix}'
    path.write_bytes(content)
    with pytest.raises(BagError, match=f'^{path} must be {kind}, got one that begins b') as error:
        Storage(path, Kept())
    assert repr(content[:8])[:-1] in str(error.value)


def test_a_database_of_something_else(tmp_path):
    path = tmp_path / 'drive.db3'
    with closing(sqlite3.connect(path)) as other, other:
        other.execute('CREATE TABLE topics(id, name, type, serialization_format)')
    text = rf'^{path} must be the database of a bag, got no such table: messages; try: sqlite3 '
    with pytest.raises(BagError, match=text):
        Storage(path, Kept())


def test_an_unknown_suffix(tmp_path):
    path = tmp_path / 'drive.zip'
    path.touch()
    text = r'must end in \.bag, \.bag\.active, \.db3, \.mcap or be a folder, got drive\.zip$'
    with pytest.raises(BagError, match=text):
        Storage(path, Kept())


@pytest.mark.parametrize('suffix', ['bag', 'bag.active'])
def test_a_ros1_bag_that_was_never_closed_names_the_repair(tmp_path, suffix):
    path = tmp_path / f'drive.{suffix}'
    writer = rosbag1.Writer(path)
    writer.open()
    writer.abort()
    text = (
        f'^{path} must be indexed, got a bag that was never closed; '
        f'mend it with: rosbag reindex {path}$'
    )
    with pytest.raises(BagError, match=text):
        Storage(path, Kept())


def test_a_file_that_goes_while_it_is_open(tmp_path):
    path = mcap(tmp_path / 'drive.mcap')
    storage = Storage(path, Kept())
    path.unlink()
    with pytest.raises(BagError, match=rf'^{path} must stay readable, got .*No such file'):
        list(storage.messages('/a'))
