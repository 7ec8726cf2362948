"""Damaged bags: what can be read is read, the rest is reported by its place."""

import random
import re
import sqlite3
import struct
from contextlib import closing

import pytest
import zstandard
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags import rosbag1
from rosbags.typesys import Stores, get_typestore

from signattn.bag import BagError, Topic
from signattn.bag.storage import Storage

START = 1_479_425_441_000_000_007  # ns
STEP = 50_000_000  # ns
STRING = 'std_msgs/msg/String'
COUNT = 12
NOISE = random.Random(0).randbytes(COUNT * 400)


def stamp(i):
    return START + i * STEP


def payload(i, size=400):
    """What can't be packed."""
    return b'\x00\x01\x00\x00' + struct.pack('<I', size) + NOISE[i * 400 : i * 400 + size]


class Kept:
    """Keeps remarks and damage."""

    def __init__(self):
        self.notes, self.damage = [], []

    def note(self, text):
        self.notes.append(text)

    def lose(self, where, what):
        self.damage.append((where, what))


def read(path):
    """Indices of the messages that can be read, all of them right, and damage."""
    kept = Kept()
    messages = list(Storage(path, kept).messages())
    indices = [round((raw.received_ns - START) / STEP) for raw in messages]
    assert [raw.data for raw in messages] == [payload(i) for i in indices]
    return indices, kept.damage


ALL = list(range(COUNT))


def without(*gone):
    return [i for i in ALL if i not in gone]


def overwrite(path, offset, data):
    with path.open('r+b') as file:
        file.seek(offset)
        file.write(data)


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


# ROS 1


def ros1(folder, compression=None):
    """Two messages in a chunk; the offsets of the chunks, and of the data in them."""
    path = folder / 'drive.bag'
    writer = rosbag1.Writer(path)
    writer.chunk_threshold = 800
    if compression:
        writer.set_compression(rosbag1.Writer.CompressionFormat[compression])
    with writer:
        types = get_typestore(Stores.ROS1_NOETIC)
        connection = writer.add_connection('/a', STRING, typestore=types)
        for i in range(COUNT):
            writer.write(connection, stamp(i), payload(i))
    with rosbag1.Reader(path) as reader:
        chunks = [(pos, chunk.datapos, chunk.datasize) for pos, chunk in reader.chunks.items()]
    assert len(chunks) == COUNT // 2
    return path, chunks


@pytest.mark.parametrize(
    ('compression', 'offset', 'got'),
    [
        ('BZ2', 100, 'damaged bz2: Invalid data stream'),
        (
            'LZ4',
            0,
            'damaged lz4: LZ4F_decompress failed with code: ERROR_frameType_unk',
        ),
        (None, 3, 'a record of 2550136878 bytes, 908 before its end in its middle'),
    ],
)
def test_a_damaged_chunk_costs_its_messages(tmp_path, compression, offset, got):
    path, chunks = ros1(tmp_path, compression)
    overwrite(path, chunks[2][1] + offset, b'\x98\x98')
    indices, ((where, what),) = read(path)
    assert indices == without(4, 5)
    assert where == f'byte {chunks[2][0]}'
    assert what.startswith(f'must begin a whole chunk of 2 messages, got {got}')


def test_the_messages_before_damage_inside_a_chunk_are_read(tmp_path):
    path, chunks = ros1(tmp_path)
    overwrite(path, chunks[2][1] + chunks[2][2] // 2 + 3, b'\x7f')  # length of its second record
    indices, ((where, what),) = read(path)
    assert indices == without(5)
    assert where == f'byte {chunks[2][0]}'
    assert what.startswith('must begin a whole chunk of 2 messages, got a record of ')
    assert what.endswith(' in its middle')


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
def test_a_chunk_with_a_damaged_header_costs_its_messages(tmp_path, compression):
    path, chunks = ros1(tmp_path, compression)
    overwrite(path, chunks[3][0], b'\xff\xff\xff\xff')
    indices, ((where, what),) = read(path)
    assert indices == without(6, 7)
    assert where == f'byte {chunks[3][0]}'
    assert 'got 4294967295 bytes, of which ' in what


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
def test_the_index_behind_a_chunk_is_not_needed(tmp_path, compression):
    path, chunks = ros1(tmp_path, compression)
    begin, size = chunks[2][1] + chunks[2][2], chunks[3][0]
    overwrite(path, begin, bytes(size - begin))
    assert read(path) == (ALL, [])


def test_a_damaged_connection_inside_a_chunk_costs_nothing(tmp_path):
    path, _ = ros1(tmp_path)
    content = path.read_bytes()
    overwrite(path, content.index(b'message_definition='), b'*' * 12)
    assert read(path) == (ALL, [])


@pytest.mark.parametrize('text', [b'topic=', b'message_definition='])
def test_a_damaged_connection_in_the_index_is_taken_from_the_chunks(tmp_path, text):
    path, _ = ros1(tmp_path)
    content = path.read_bytes()
    index_pos = content.index(b'index_pos=') + len(b'index_pos=')
    (begin,) = struct.unpack_from('<Q', content, index_pos)
    overwrite(path, content.index(text, begin), b'*')
    indices, ((where, what),) = read(path)
    assert indices == ALL
    assert where.startswith('byte ')
    assert what.startswith("must begin a whole index, got KeyError: b'")
    assert what.endswith(f'; read without (to mend it: rosbag reindex {path})')


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
@pytest.mark.parametrize('lost', [1, 60, 200])
def test_a_ros1_bag_without_the_end_of_its_index_is_read_without(tmp_path, compression, lost):
    path, _ = ros1(tmp_path, compression)
    cut(path, path.stat().st_size - lost)
    indices, damage = read(path)
    assert indices == ALL
    assert damage[0][1].startswith('must begin a whole index, got ')


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
def test_a_ros1_bag_cut_short_gives_its_whole_chunks(tmp_path, compression):
    path, chunks = ros1(tmp_path, compression)
    cut(path, chunks[3][1] + 100)
    size = path.stat().st_size - chunks[3][0]
    indices, damage = read(path)
    assert indices == ALL[:6]
    assert damage[1][0] == f'byte {chunks[3][0]}'
    got = f'{chunks[3][2]} bytes, of which 100 are there; {size} bytes'
    assert damage[1][1] == f'must begin a whole record, got {got}'
    assert len(damage) == 2


def test_without_an_index_a_damaged_chunk_costs_its_messages(tmp_path):
    path, chunks = ros1(tmp_path, 'BZ2')
    cut(path, path.stat().st_size - 1)
    overwrite(path, chunks[2][1] + 100, b'\x98\x98')
    indices, (_, (where, what), (_, rest)) = read(path)
    assert indices == without(4, 5)
    assert where == f'byte {chunks[2][0]}'
    assert what == 'must begin a whole chunk, got damaged bz2: Invalid data stream'
    assert re.search(r'; \d+ bytes$', rest)  # of the index


def test_messages_whose_connection_is_lost_are_counted(tmp_path):
    path, chunks = ros1(tmp_path, 'BZ2')
    cut(path, path.stat().st_size - 1)
    overwrite(path, chunks[0][1] + 100, b'\x98\x98')  # describes the connection, and so the index
    kept = Kept()
    with pytest.raises(BagError, match='must have readable messages, got none: byte '):
        Storage(path, kept)
    assert kept.damage[-1] == ('connections', 'must be described, got 10 messages of others')


def test_without_an_index_damage_inside_a_chunk_is_reported_once(tmp_path):
    path, chunks = ros1(tmp_path)
    cut(path, path.stat().st_size - 1)
    overwrite(path, chunks[2][1] + chunks[2][2] // 2 + 3, b'\x7f')  # length of its second record
    indices, (_, (where, _), _) = read(path)
    assert (indices, where) == (without(5), f'byte {chunks[2][0]}')


def test_a_ros1_bag_with_a_damaged_header_is_read_from_its_first_chunk(tmp_path):
    path, _ = ros1(tmp_path)
    overwrite(path, 13, b'\xff' * 60)
    indices, ((where, _), again) = read(path)
    assert (indices, where) == (ALL, 'byte 13')
    text = 'must begin a whole record, got 4294967295 bytes, of which 11314 are there; 4096 bytes'
    assert again == ('byte 13', text)


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
def test_without_an_index_chunks_are_looked_for_behind_damage(tmp_path, compression):
    path, chunks = ros1(tmp_path, compression)
    content = path.read_bytes()
    begin = chunks[2][0]
    path.write_bytes(content[:begin] + bytes(5000) + content[begin + 100 :])
    indices, damage = read(path)
    assert indices == without(4, 5)
    assert damage[1][0] == f'byte {begin}'
    size = 5000 - 100 + chunks[3][0] - begin
    assert damage[1][1].endswith(f'; {size} bytes')


def test_a_ros1_bag_of_which_nothing_is_left_names_the_repair(tmp_path):
    path, chunks = ros1(tmp_path)
    cut(path, chunks[0][1] + 10)
    text = f'^{path} must have readable messages, got none: .*rosbag reindex {path}'
    with pytest.raises(BagError, match=text):
        Storage(path, Kept())


def test_an_encrypted_ros1_bag_is_refused(tmp_path):
    path, _ = ros1(tmp_path)
    content = path.read_bytes()
    fields = content[17 : 17 + int.from_bytes(content[13:17], 'little')]
    field = b'encryptor=aes'
    fields += len(field).to_bytes(4, 'little') + field
    path.write_bytes(
        content[:13]
        + len(fields).to_bytes(4, 'little')
        + fields
        + content[17 + len(fields) - 17 :]
    )
    with pytest.raises(BagError, match=rf"^{path} must not be encrypted, got b'aes'$"):
        Storage(path, Kept())


# Mcap

COMPRESSIONS = ('NONE', 'LZ4', 'ZSTD')
compressions = pytest.mark.parametrize('compression', COMPRESSIONS)


def mcap(folder, compression='NONE', **options):
    """Two messages in a chunk; the offsets of the chunks, which need an index to be known."""
    path = folder / 'drive.mcap'
    options = {'chunk_size': 800, 'compression': CompressionType[compression]} | options
    writer = McapWriter(str(path), **options)
    writer.start('ros2', '')
    schema = writer.register_schema(STRING, 'ros2msg', b'string data')
    channel = writer.register_channel('/a', 'cdr', schema)
    for i in range(COUNT):
        writer.add_message(channel, stamp(i), payload(i), stamp(i))
    writer.finish()
    with path.open('rb') as file:
        index = make_reader(file).get_summary().chunk_indexes
    return path, [chunk.chunk_start_offset for chunk in index]


def unindexed(folder, compression='NONE'):
    """As a recorder leaves it that lost its power right behind the last chunk."""
    path, chunks = mcap(folder, compression)
    cut(path, path.read_bytes().index(b'\x0f\x04\0\0\0\0\0\0\0', chunks[-1]))
    return path, chunks


@compressions
def test_a_damaged_mcap_chunk_costs_its_messages(tmp_path, compression):
    path, chunks = mcap(tmp_path, compression)
    overwrite(path, chunks[2] + 200, b'\x98\x98')
    indices, ((where, what),) = read(path)
    assert indices == without(4, 5)
    assert where == f'byte {chunks[2]}'
    assert what.startswith('must begin a whole chunk, got ')
    if compression == 'NONE':
        assert what.endswith('got one with another checksum')


@pytest.mark.parametrize(
    ('offset', 'data', 'got'),
    [
        (0, b'\x05', 'Message'),
        (
            8,
            b'\x0c',
            'RecordLengthLimitExceeded: CHUNK record has length 864691128455136150 that ',
        ),
        (25, b'\x0c', '878 bytes unpacked, where 780 are announced'),
        (33, b'\x0c', 'one with another checksum'),
    ],
)
def test_a_chunk_with_a_damaged_head_costs_its_messages(tmp_path, offset, data, got):
    path, chunks = mcap(tmp_path)
    overwrite(path, chunks[2] + offset, data)
    indices, ((where, what),) = read(path)
    assert (indices, where) == (without(4, 5), f'byte {chunks[2]}')
    assert what.startswith(f'must begin a whole chunk, got {got}')


def test_messages_whose_channel_is_lost_are_counted(tmp_path):
    path, _ = mcap(tmp_path, use_chunking=False, enable_crcs=False)
    overwrite(path, path.read_bytes().index(payload(4)) - 22, b'\x09')
    indices, damage = read(path)
    assert indices == without(4)
    assert damage == [('connections', 'must be described, got 1 messages of others')]


def test_a_compression_that_nobody_knows_costs_its_messages(tmp_path):
    path, chunks = mcap(tmp_path, 'LZ4')
    overwrite(path, chunks[2] + 41, b'lz5')
    indices, damage = read(path)
    assert indices == without(4, 5)
    text = "must begin a whole chunk, got compression 'lz5', none of bz2, lz4, zstd"
    assert damage == [(f'byte {chunks[2]}', text)]


@compressions
def test_an_mcap_cut_short_gives_its_whole_chunks(tmp_path, compression):
    path, chunks = mcap(tmp_path, compression)
    cut(path, chunks[4] + 300)
    indices, damage = read(path)
    assert indices == ALL[:8]
    text = 'must begin a whole record, got EndOfFile; 300 bytes to the end'
    assert damage == [(f'byte {chunks[4]}', text)]


@compressions
def test_an_mcap_without_its_end_is_read_whole(tmp_path, compression):
    path, chunks = unindexed(tmp_path, compression)
    indices, damage = read(path)
    assert indices == ALL
    text = 'must begin a whole record, got EndOfFile; 0 bytes to the end'
    assert damage == [(f'byte {path.stat().st_size}', text)]
    overwrite(path, chunks[2] + 200, b'\x98\x98')
    indices, damage = read(path)
    assert indices == without(4, 5)
    assert len(damage) == 2
    assert damage[0][0] == f'byte {chunks[2]}'
    assert damage[0][1].startswith('must begin a whole chunk, got ')


@pytest.mark.parametrize('lost', [1, 30, 100])
def test_an_mcap_without_the_end_of_its_index_is_read_without(tmp_path, lost):
    path, _ = mcap(tmp_path, 'LZ4')
    cut(path, path.stat().st_size - lost)
    indices, damage = read(path)
    assert indices == ALL
    ((_, what),) = damage
    assert what.startswith('must begin a whole record, got ')


def test_a_damaged_index_is_seen_by_its_checksum(tmp_path):
    path, _ = mcap(tmp_path)
    overwrite(path, path.read_bytes().rindex(b'string data'), b'S')
    indices, damage = read(path)
    assert indices == ALL
    size = path.stat().st_size
    text = 'must end a whole index, got one with another checksum; read without'
    assert damage == [(f'byte {size}', text)]


def test_an_mcap_without_chunks_cut_short_gives_its_whole_messages(tmp_path):
    path, _ = mcap(tmp_path, use_chunking=False)
    content = path.read_bytes()
    begin = content.index(payload(7)) - 31
    cut(path, begin + 100)
    indices, damage = read(path)
    assert indices == ALL[:7]
    text = 'must begin a whole record, got EndOfFile; 100 bytes to the end'
    assert damage == [(f'byte {begin}', text)]


def test_without_an_index_damage_inside_an_mcap_chunk_is_reported_once(tmp_path):
    path, chunks = mcap(tmp_path, enable_crcs=False)
    content = path.read_bytes()
    begin = content.index(payload(5)) - 31
    overwrite(path, begin + 8, b'\x7f')
    cut(path, content.index(b'\x0f\x04\0\0\0\0\0\0\0', chunks[-1]))
    indices, ((where, what), _) = read(path)
    assert (indices, where) == (without(5), f'byte {chunks[2]}')
    assert what.startswith('must begin a whole chunk, got a record of 9151314442816848302 bytes')


def test_messages_that_are_counted_but_gone(tmp_path):
    path, _ = mcap(tmp_path, enable_crcs=False)
    content = path.read_bytes()
    counts = content.rindex(b'\x01\0' + COUNT.to_bytes(8, 'little'))
    overwrite(path, counts + 2, b'\x0d')
    indices, damage = read(path)
    assert indices == ALL
    assert damage == [('every topic', 'must give the 13 messages that are counted, got 12')]


def test_a_time_that_does_not_fit_costs_its_message(tmp_path):
    path, _ = mcap(tmp_path, enable_crcs=False)
    begin = path.read_bytes().index(payload(4)) - 16
    overwrite(path, begin + 7, b'\x80')
    indices, ((where, what),) = read(path)
    assert indices == without(4)
    assert where == f'/a at {2**63 + stamp(4) % 2**56} ns'
    assert what == 'must be a whole message, got a time beyond the year 2262'


def test_a_damaged_length_is_not_believed(tmp_path):
    path, _ = mcap(tmp_path, use_chunking=False)
    begin = path.read_bytes().index(payload(7)) - 31
    for length in (2**20, 2**40, 2**63, 2**64 - 1, 3):
        overwrite(path, begin + 1, length.to_bytes(8, 'little'))
        indices, ((where, _),) = read(path)
        assert (indices, where) == (ALL[:7], f'byte {begin}')


# Sqlite3

PAGE = 512  # bytes


def database(path, **pragmas):
    with closing(sqlite3.connect(path)) as bag, bag:
        for name, value in ({'page_size': PAGE} | pragmas).items():
            bag.execute(f'PRAGMA {name} = {value}')
        bag.execute('CREATE TABLE topics(id, name, type, serialization_format)')
        bag.execute(
            'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, '
            'timestamp INTEGER NOT NULL, data BLOB)'
        )
        bag.execute('CREATE INDEX timestamp_idx ON messages (timestamp ASC)')
        bag.execute('INSERT INTO topics VALUES (1, ?, ?, ?)', ('/a', STRING, 'cdr'))
    return path


def fill(path, size, count, repeat=1):
    with closing(sqlite3.connect(path)) as bag, bag:
        for i in range(count * repeat):
            row = (1, stamp(i), payload(i % COUNT, size))
            bag.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)', row)
    return path


def lost_ids(damage, last):
    """Ids that the damage names."""
    for where, _ in damage:
        words = where.split()
        if words[0] == 'message':
            yield int(words[1])
        elif words[-1] == 'on':
            yield from range(int(words[1]), last + 1)
        else:
            yield from range(int(words[1]), int(words[3]) + 1)


@pytest.mark.parametrize(('size', 'count'), [(20, 120), (400, 40), (100, 90)])
def test_each_message_of_a_damaged_database_is_read_or_reported(tmp_path, size, count):
    whole = fill(database(tmp_path / 'whole.db3'), size, count).read_bytes()
    unreadable = 0
    for page in range(1, len(whole) // PAGE):
        path = tmp_path / f'{page}.db3'
        path.write_bytes(whole[: page * PAGE] + bytes(PAGE) + whole[(page + 1) * PAGE :])
        kept = Kept()
        try:
            messages = list(Storage(path, kept).messages('/a'))
        except BagError:
            unreadable += 1  # the list of topics, and the root of the list of messages
            continue
        read = [round((raw.received_ns - START) / STEP) + 1 for raw in messages]
        lost = list(lost_ids(kept.damage, count))
        assert sorted(read + lost) == list(range(1, count + 1)), kept.damage
        assert [raw.data for raw in messages] == [payload((i - 1) % COUNT, size) for i in read]
    assert unreadable <= 2


def test_a_database_cut_short_gives_what_is_there(tmp_path):
    path = fill(database(tmp_path / 'drive.db3'), 400, 60)
    cut(path, path.stat().st_size // 2)
    kept = Kept()
    read = [round((raw.received_ns - START) / STEP) for raw in Storage(path, kept).messages('/a')]
    assert 20 < len(read) < 40
    assert read == list(range(len(read)))
    where, what = kept.damage[0]
    assert where.startswith('messages ')
    assert where.endswith(' on')
    assert what.endswith(
        f'got database disk image is malformed; try: sqlite3 {path} .recover | sqlite3 mended.db3'
    )


def test_a_log_that_is_left_is_read(tmp_path):
    path = tmp_path / 'drive.db3'
    database(path, journal_mode='WAL')
    left = tmp_path / 'left'
    left.mkdir()
    with closing(sqlite3.connect(path)) as bag:
        bag.execute('PRAGMA wal_autocheckpoint = 0')
        with bag:
            row = (1, stamp(0), payload(0))
            bag.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)', row)
        for file in (path, path.with_name('drive.db3-wal')):
            (left / file.name).write_bytes(file.read_bytes())  # as if the power had gone
    kept = Kept()
    storage = Storage(left / 'drive.db3', kept)
    first, second = storage.messages('/a'), storage.messages('/a')
    assert next(first) == next(second)
    assert storage.topics == [Topic('/a', STRING, 1)]
    assert kept.damage == []
    assert kept.notes == [
        'drive.db3-wal is left, as the recorder did not end well; it is read too'
    ]
    assert sorted(file.name for file in left.iterdir()) == ['drive.db3', 'drive.db3-wal']


def test_a_journal_that_is_left_is_noted(tmp_path):
    path = fill(database(tmp_path / 'drive.db3'), 400, COUNT)
    path.with_name('drive.db3-journal').write_bytes(b'left')
    kept = Kept()
    assert len(list(Storage(path, kept).messages('/a'))) == COUNT
    (note,) = kept.notes
    assert note.startswith('drive.db3-journal is left, as the recorder did not end well; ')


@pytest.mark.parametrize(
    ('change', 'place', 'got'),
    [
        ("UPDATE messages SET data = 'text' WHERE id = 3", 'message 3', 'bytes, got str'),
        ('UPDATE messages SET data = NULL WHERE id = 3', 'message 3', 'bytes, got NoneType'),
        ("UPDATE messages SET timestamp = 'x' WHERE id = 3", 'message 3', "time, got (1, 'x')"),
        (
            'UPDATE messages SET topic_id = 7 WHERE id = 3',
            'connections',
            'got 1 messages of others',
        ),
    ],
)
def test_a_row_that_is_no_message_costs_itself(tmp_path, change, place, got):
    path = fill(database(tmp_path / 'drive.db3'), 400, COUNT)
    with closing(sqlite3.connect(path)) as bag, bag:
        bag.execute(change)
    indices, ((where, what),) = read(path)
    assert (indices, where) == (without(2), place)
    assert what.endswith(got)


def test_a_database_whose_definitions_are_lost_is_read_without(tmp_path):
    path = fill(database(tmp_path / 'drive.db3'), 400, COUNT)
    with closing(sqlite3.connect(path)) as bag, bag:
        bag.execute('CREATE TABLE message_definitions(other)')
    indices, damage = read(path)
    assert indices == ALL
    text = 'must be readable, got no such column: topic_type; read without'
    assert damage == [('definitions', text)]


def test_the_end_of_a_database_is_lost_once(tmp_path):
    whole = fill(database(tmp_path / 'whole.db3'), 20, 120).read_bytes()
    path = tmp_path / 'drive.db3'
    last = whole.rindex(payload(120 % COUNT - 1, 20)) // PAGE
    path.write_bytes(whole[: last * PAGE] + bytes(PAGE) + whole[(last + 1) * PAGE :])
    kept = Kept()
    count = len(list(Storage(path, kept).messages()))
    assert 100 < count < 120
    assert [where for where, _ in kept.damage] == [f'messages {count + 1} on']


# Packed


def test_a_packed_file_cut_short_gives_what_is_there(tmp_path):
    path, chunks = mcap(tmp_path)
    whole = path.read_bytes()
    packer = zstandard.ZstdCompressor().compressobj()
    pieces = [packer.compress(whole[: chunks[4]]), packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)]
    packed = tmp_path / 'packed.mcap.zstd'
    packed.write_bytes(b''.join(pieces) + packer.compress(whole[chunks[4] :]))
    indices, damage = read(packed)
    assert indices == ALL[:8]
    text = 'must begin a whole record, got EndOfFile; 0 bytes to the end'
    assert damage == [
        (packed.name, 'must be whole, got one that was cut short'),
        (f'byte {chunks[4]}', text),
    ]


def test_a_damaged_packed_message_costs_itself(tmp_path):
    path = database(tmp_path / 'drive.db3')
    with closing(sqlite3.connect(path)) as bag, bag:
        for i in ALL:
            data = bytearray(zstandard.compress(payload(i)))
            if i == 4:
                data[6] ^= 0xFF
            row = (1, stamp(i), bytes(data[:20] if i == 7 else data))
            bag.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)', row)
    indices, damage = read(path)
    assert indices == without(4, 7)
    assert [where for where, _ in damage] == [f'/a at {stamp(i)} ns' for i in (4, 7)]
    assert all(what.startswith('must be a whole message, got ') for _, what in damage)
