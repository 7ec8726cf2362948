"""ROS 1 bags, version 2.0.

Records, each a header of fields and data, stand one behind the other: chunks, which hold
connections and messages, and at the end an index of the connections and chunks. Where the index
can't be read, the chunks are read one by one.

Source: http://wiki.ros.org/Bags/Format/2.0
"""

import os
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from signattn.bag.blocks import Block, BlockFile, Found, place, read_exactly
from signattn.bag.raw import (
    Connection,
    Message,
    Report,
    full_name,
    reason,
    report_unnamed,
)
from signattn.bag.recording import BagError
from signattn.bag.unpack import unpack
from signattn.preprocess import NS_PER_S

MAGIC = b'#ROSBAG V2.0\n'
HEADER_BYTES = 100
"""No header of a chunk has more."""
WINDOW = 2**20
"""As many bytes are searched at once for a chunk."""
MESSAGE, HEADER, CHUNK, CHUNK_INFO, CONNECTION = 2, 3, 5, 6, 7

U32 = struct.Struct('<I')
U64 = struct.Struct('<Q')
TIME = struct.Struct('<II')
COUNT = struct.Struct('<II')

DAMAGE = (ValueError, LookupError, struct.error)
"""What a damaged record raises."""

Fields = dict[bytes, bytes]


@dataclass(frozen=True)
class Record:
    """A record in a file.

    Attributes:
        offset: Bytes from the file's start to the record's.
        fields: Of its header.
        data_offset: Bytes from the file's start to its data's.
        data_size: Bytes of data.
    """

    offset: int
    fields: Fields
    data_offset: int
    data_size: int

    @property
    def op(self) -> int:
        """What it is."""
        return self.fields[b'op'][0]

    @property
    def end(self) -> int:
        """Bytes from the file's start to the next record."""
        return self.data_offset + self.data_size


class Rosbag1File:
    """A ROS 1 bag.

    Attributes:
        connections: Everything in it.
        start_ns: ns, of its first message.
    """

    def __init__(self, path: Path, name: str, report: Report) -> None:
        """Read the index.

        Args:
            path: The file.
            name: What it is called in reports; empty for the only file of a bag.
            report: Where damage goes.

        Raises:
            BagError: If it is no ROS 1 bag, or one that was never closed.
        """
        contents = _Contents({}, [])
        with path.open('rb') as file:
            _check_magic(file, path)
            offset = len(MAGIC)
            try:
                offset = _index_pos(file, path)
                contents = _read_index(file, offset)
            except BagError:
                raise
            except DAMAGE as error:
                what = f'must begin a whole index, got {reason(error)}; read without'
                what += f' (to mend it: rosbag reindex {path})'
                report.lose(place(name, offset), what)
                contents = _read_chunks(file, name, report)
        counts = sum((Counter(block.counts) for block in contents.blocks), Counter())
        report_unnamed(counts, contents.connections, name, report)
        self.connections = [replace(c, count=counts[c.id]) for c in contents.connections.values()]
        self.start_ns = min((block.start_ns for block in contents.blocks), default=0)
        self._file = BlockFile(path, name, contents.blocks, _content, _walk, report)

    def messages(self, ids: set[int]) -> Iterator[Message]:
        """Messages of some connections; see ``BlockFile``."""
        return self._file.messages(ids)


@dataclass
class _Contents:
    connections: dict[int, Connection]
    blocks: list[Block]


def _check_magic(file: BinaryIO, path: Path) -> None:
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise BagError(f'{path} must be a ROS 1 bag, version 2.0, got one that begins {magic!r}')


def _index_pos(file: BinaryIO, path: Path) -> int:
    header = _record(file, len(MAGIC))
    if header.op != HEADER:
        raise ValueError(f'record {header.op} for a header')
    if header.fields.get(b'encryptor'):
        raise BagError(f'{path} must not be encrypted, got {header.fields[b"encryptor"]!r}')
    (index_pos,) = U64.unpack(header.fields[b'index_pos'])
    if index_pos == 0:
        raise BagError(
            f'{path} must be indexed, got a bag that was never closed; '
            f'mend it with: rosbag reindex {path}'
        )
    return int(index_pos)


def _read_index(file: BinaryIO, index_pos: int) -> _Contents:
    """Connections and chunks from the end of the file."""
    header = _record(file, len(MAGIC)).fields
    (connections,), (chunks,) = (
        U32.unpack(header[b'conn_count']),
        U32.unpack(header[b'chunk_count']),
    )
    contents = _Contents({}, [])
    for record in _records(file, index_pos):
        if record.op == CONNECTION:
            connection = _connection(record.fields, _data(file, record))
            contents.connections[connection.id] = connection
        elif record.op == CHUNK_INFO:
            contents.blocks.append(_block(record.fields, _data(file, record)))
        else:
            raise ValueError(f'record {record.op} at byte {record.offset}')
    got = len(contents.connections), len(contents.blocks)
    if got != (connections, chunks):
        raise ValueError(f'{got[0]} of {connections} connections, {got[1]} of {chunks} chunks')
    return contents


def _block(fields: Fields, data: bytes) -> Block:
    """A chunk as the index describes it."""
    (offset,) = U64.unpack(fields[b'chunk_pos'])
    counts = dict(COUNT.iter_unpack(data))
    return Block(offset, _time(fields[b'start_time']), counts)


def _read_chunks(file: BinaryIO, name: str, report: Report) -> _Contents:
    """Connections and chunks from the chunks themselves."""
    contents = _Contents({}, [])
    offset, end = len(MAGIC), os.fstat(file.fileno()).st_size
    while offset < end:
        try:
            for record in _records(file, offset):
                op, offset = record.op, record.end
                if op == CHUNK:
                    _look_into(file, record, contents, name, report)
        except DAMAGE as error:  # noqa: PERF203 (the loop is over damage)
            begin, offset = offset, _next_chunk(file, offset + 1, end)
            what = f'must begin a whole record, got {reason(error)}; {offset - begin} bytes'
            report.lose(place(name, begin), what)
    return contents


def _next_chunk(file: BinaryIO, offset: int, end: int) -> int:
    """Where a chunk begins, at a place or behind it; the end if there is none."""
    field = b'compression='  # in the header of chunks alone
    while offset < end:
        file.seek(offset)
        part = file.read(WINDOW)
        at = part.find(field)
        if at < 0:
            offset += max(len(part) - len(field), 1)
            continue
        for start in range(offset + at, max(offset, offset + at - HEADER_BYTES) - 1, -1):
            with suppress(*DAMAGE):
                if _record(file, start).op == CHUNK:
                    return start
        offset += at + 1
    return end


def _look_into(
    file: BinaryIO, record: Record, contents: _Contents, name: str, report: Report
) -> None:
    """What a chunk holds."""
    counts: Counter[int] = Counter()
    block = Block(record.offset, 0, counts)
    reported = False
    times = []
    try:
        content = _content(file, block)
        for start, stop, end in _parts(content):
            fields = _fields(content[start:stop])
            if fields[b'op'][0] == CONNECTION:
                connection = _connection(fields, content[stop + 4 : end])
                contents.connections.setdefault(connection.id, connection)
            elif fields[b'op'][0] == MESSAGE:
                counts[U32.unpack(fields[b'conn'])[0]] += 1
                times.append(_time(fields[b'time']))
    except DAMAGE as error:
        reported = True
        what = f'must begin a whole chunk, got {reason(error)}'
        report.lose(place(name, record.offset), what)
    if times:
        contents.blocks.append(replace(block, start_ns=min(times), reported=reported))


def _content(file: BinaryIO, block: Block) -> bytes:
    """The records in a chunk."""
    record = _record(file, block.offset)
    if record.op != CHUNK:
        raise ValueError(f'record {record.op}')
    (size,) = U32.unpack(record.fields[b'size'])
    return unpack(_data(file, record), record.fields[b'compression'].decode(), size)


def _walk(content: bytes, ids: set[int]) -> Iterator[Found]:
    """Messages of some connections in the records of a chunk."""
    for start, stop, end in _parts(content):
        at = content.find(b'conn=', start, stop)
        if at < 0 or U32.unpack_from(content, at + 5)[0] not in ids:
            continue
        fields = _fields(content[start:stop])
        if fields[b'op'][0] == MESSAGE:
            (connection,) = U32.unpack(fields[b'conn'])
            yield connection, _time(fields[b'time']), stop + 4, end


def _parts(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Where the headers of the records in a chunk start and stop, and where the records end."""
    end, size = 0, len(content)
    while end < size:
        begin = end
        start = stop = end + 4
        if stop <= size:
            stop += U32.unpack_from(content, begin)[0]
        end = stop + 4
        if end <= size:
            end += U32.unpack_from(content, stop)[0]
        if end > size:
            raise ValueError(f'a record of {end - begin} bytes, {size - begin} before its end')
        yield start, stop, end


def _records(file: BinaryIO, offset: int) -> Iterator[Record]:
    """The records of a file from a place on."""
    end = os.fstat(file.fileno()).st_size
    while offset != end:
        record = _record(file, offset)
        yield record
        offset = record.end


def _record(file: BinaryIO, offset: int) -> Record:
    end = os.fstat(file.fileno()).st_size
    file.seek(offset)
    (size,) = U32.unpack(read_exactly(file, 4, end))
    fields = _fields(read_exactly(file, size, end))
    (data_size,) = U32.unpack(read_exactly(file, 4, end))
    record = Record(offset, fields, file.tell(), data_size)
    if record.end > end:
        raise ValueError(f'{data_size} bytes, of which {end - record.data_offset} are there')
    return record


def _data(file: BinaryIO, record: Record) -> bytes:
    file.seek(record.data_offset)
    return read_exactly(file, record.data_size, record.end)


def _fields(header: bytes) -> Fields:
    """Names and values in a header."""
    fields, offset = {}, 0
    while offset < len(header):
        start = offset + 4
        offset = start + U32.unpack_from(header, offset)[0]
        name, separator, value = header[start:offset].partition(b'=')
        if not separator or offset > len(header):
            raise ValueError('a header that is none')
        fields[name] = value
    return fields


def _connection(fields: Fields, data: bytes) -> Connection:
    about = _fields(data)
    topic = fields[b'topic'].decode()
    slash = '/' if topic.startswith('/') else ''
    text = about[b'message_definition'].decode()
    return Connection(
        U32.unpack(fields[b'conn'])[0],
        slash + '/'.join(name for name in topic.split('/') if name),
        full_name(about[b'type'].decode()),
        MessageDefinition(MessageDefinitionFormat.MSG, text),
        'ros1',
        0,
    )


def _time(value: bytes) -> int:
    sec, nanosec = TIME.unpack(value)
    return int(sec) * NS_PER_S + int(nanosec)
