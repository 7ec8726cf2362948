"""Mcap files: chunks of messages, or messages one behind the other; mostly with an index.

Where there is no index, as behind a power failure, or it can't be read, the file is read from its
start as far as it is whole.

Source: https://mcap.dev/spec
"""

import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, cast

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, Footer, McapRecord, Schema
from mcap.records import Message as MessageRecord
from mcap.stream_reader import StreamReader
from mcap.summary import Summary
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from signattn.bag.blocks import Block, BlockFile, Found, place, read_exactly
from signattn.bag.raw import (
    MAX_BYTES,
    NO_DEFINITION,
    Connection,
    Message,
    Report,
    full_name,
    reason,
    report_unnamed,
)
from signattn.bag.recording import BagError
from signattn.bag.unpack import unpack

MAGIC = b'\x89MCAP0\r\n'
RUN_BYTES = 2**20
"""As many bytes of messages outside of chunks are read at once."""
SERIALIZATIONS: dict[str, Literal['ros1', 'cdr']] = {'ros1': 'ros1', 'cdr': 'cdr'}
DEFINITIONS = {
    'ros1msg': MessageDefinitionFormat.MSG,
    'ros2msg': MessageDefinitionFormat.MSG,
    'ros2idl': MessageDefinitionFormat.IDL,
    'omgidl': MessageDefinitionFormat.IDL,
}
RECORD = struct.Struct('<BQ')
MESSAGE = struct.Struct('<HIQQ')
FOOTER_BYTES = RECORD.size + 20 + len(MAGIC)

DAMAGE = (McapError, ValueError, LookupError, OverflowError, MemoryError, struct.error)
"""What a damaged record raises."""


class McapFile:
    """An mcap file.

    Attributes:
        connections: Everything in it that ROS wrote.
        start_ns: ns, of its first message.
    """

    def __init__(self, path: Path, name: str, report: Report) -> None:
        """Read the index, or the whole file where it has none.

        Args:
            path: The file.
            name: What it is called in reports; empty for the only file of a bag.
            report: Where damage and remarks go.

        Raises:
            BagError: If it is no mcap file.
        """
        with path.open('rb') as file:
            magic = file.read(len(MAGIC))
            if magic != MAGIC:
                raise BagError(f'{path} must be an mcap file, got one that begins {magic!r}')
            contents = _read(file, name, report)
        report_unnamed(contents.counts, contents.channels, name, report)
        self.connections = contents.connections(report)
        self.start_ns = min((block.start_ns for block in contents.blocks), default=0)
        self._file = BlockFile(path, name, contents.blocks, _content, _walk, report)

    def messages(self, ids: set[int]) -> Iterator[Message]:
        """Messages of some connections; see ``BlockFile``."""
        return self._file.messages(ids)


@dataclass
class _Contents:
    """What a file holds and where."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    blocks: list[Block] = field(default_factory=list)

    def take(self, record: McapRecord) -> None:
        """Keep a schema or a channel."""
        if isinstance(record, Schema):
            self.schemas.setdefault(record.id, record)
        elif isinstance(record, Channel):
            self.channels.setdefault(record.id, record)

    def add(
        self,
        offset: int,
        messages: Sequence[tuple[int, int]],
        *,
        reported: bool = False,
        run: int = 0,
    ) -> None:
        """Keep a block, if it has messages, of which channel and time are given."""
        if messages:
            counts = Counter(channel for channel, _ in messages)
            self.counts.update(counts)
            start_ns = min(time for _, time in messages)
            self.blocks.append(Block(offset, start_ns, counts, reported, run))

    def connections(self, report: Report) -> list[Connection]:
        """Channels that hold ROS messages."""
        found = []
        for channel in self.channels.values():
            encoding = channel.message_encoding
            if encoding in SERIALIZATIONS:
                schema = self.schemas.get(channel.schema_id)
                found.append(_connection(channel, schema, self.counts[channel.id]))
            else:
                report.note(f'{channel.topic} is encoded as {encoding or "nothing"} and not read')
        return found


def _connection(channel: Channel, schema: Schema | None, count: int) -> Connection:
    definition, name = NO_DEFINITION, ''
    if schema:
        name = full_name(schema.name)
        if schema.encoding in DEFINITIONS and schema.data:
            text = schema.data.decode(errors='replace')
            definition = MessageDefinition(DEFINITIONS[schema.encoding], text)
    serialization = SERIALIZATIONS[channel.message_encoding]
    return Connection(channel.id, channel.topic, name, definition, serialization, count)


def _read(file: BinaryIO, name: str, report: Report) -> _Contents:
    """What the index says; where there is none, or not of every message, what there is."""
    try:
        contents = _indexed(file)
    except DAMAGE as error:
        contents, problem = _read_through(file, name, report)
        end = os.fstat(file.fileno()).st_size
        what = f'must end a whole index, got {reason(error)}; read without'
        report.lose(*problem or (place(name, end), what))
    else:
        if contents is None:
            contents, problem = _read_through(file, name, report)
            if problem:
                report.lose(*problem)
    return contents


# With an index


def _indexed(file: BinaryIO) -> _Contents | None:
    """What the index says; None if there is none, or not of every message."""
    summary = _summary(file)
    if summary is None or summary.statistics is None:
        return None
    counts = Counter(summary.statistics.channel_message_counts)
    chunks = [
        Block(c.chunk_start_offset, c.message_start_time, None) for c in summary.chunk_indexes
    ]
    if len(chunks) != summary.statistics.chunk_count:
        return None
    if counts and not (chunks and counts.keys() <= summary.channels.keys()):
        return None
    return _Contents(summary.schemas, summary.channels, counts, chunks)


def _summary(file: BinaryIO) -> Summary | None:
    end = os.fstat(file.fileno()).st_size
    file.seek(0)
    summary = SeekingReader(_bounded(file), record_size_limit=MAX_BYTES).get_summary()
    file.seek(end - FOOTER_BYTES + RECORD.size)
    footer = Footer.read(ReadDataStream(file))
    if summary and footer.summary_crc:
        file.seek(footer.summary_start)
        covered = end - len(MAGIC) - 4 - footer.summary_start
        if zlib.crc32(read_exactly(file, covered, end)) != footer.summary_crc:
            raise ValueError('one with another checksum')
    return summary


# Without


def _read_through(
    file: BinaryIO, name: str, report: Report
) -> tuple[_Contents, tuple[str, str] | None]:
    """What a file holds, from its start as far as it goes, and what ends it too early."""
    contents = _Contents()
    run: list[tuple[int, int]] = []
    begin = offset = 0  # of the run, of the record
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    reader = StreamReader(_bounded(file), emit_chunks=True, record_size_limit=MAX_BYTES)
    problem = None
    try:
        for record in reader.records:
            end = file.tell()
            if run and (not isinstance(record, MessageRecord) or offset - begin > RUN_BYTES):
                contents.add(begin, run, run=offset - begin)
                run = []
            if isinstance(record, MessageRecord):
                begin = begin if run else offset
                run.append((record.channel_id, record.log_time))
            elif isinstance(record, Chunk):
                _look_into(record, place(name, offset), offset, contents, report)
            else:
                contents.take(record)
            offset = end
    except DAMAGE as error:
        what = f'must begin a whole record, got {reason(error)}; {size - offset} bytes to the end'
        problem = place(name, offset), what
    contents.add(begin, run, run=offset - begin)
    return contents, problem


def _look_into(chunk: Chunk, where: str, offset: int, contents: _Contents, report: Report) -> None:
    """Keep what a chunk holds."""
    messages = []
    reported = False
    try:
        content = _unpack(chunk)
        for op, start, stop in _parts(content):
            if op == Opcode.MESSAGE:
                channel, _, time, _ = MESSAGE.unpack_from(content, start)
                messages.append((channel, time))
            elif op in (Opcode.SCHEMA, Opcode.CHANNEL):
                stream = ReadDataStream(BytesIO(content[start:stop]))
                contents.take((Schema if op == Opcode.SCHEMA else Channel).read(stream))
    except DAMAGE as error:
        reported = True
        report.lose(where, f'must begin a whole chunk, got {reason(error)}')
    contents.add(offset, messages, reported=reported)


# Both


def _content(file: BinaryIO, block: Block) -> bytes:
    """The records in a block."""
    file.seek(block.offset)
    if block.run:
        return read_exactly(file, block.run, os.fstat(file.fileno()).st_size)
    reader = StreamReader(
        _bounded(file), skip_magic=True, emit_chunks=True, record_size_limit=MAX_BYTES
    )
    chunk = next(iter(reader.records))
    if not isinstance(chunk, Chunk):
        raise ValueError(type(chunk).__name__)
    return _unpack(chunk)


def _unpack(chunk: Chunk) -> bytes:
    content = unpack(chunk.data, chunk.compression, chunk.uncompressed_size)
    if chunk.uncompressed_crc and zlib.crc32(content) != chunk.uncompressed_crc:
        raise ValueError('one with another checksum')
    return content


def _walk(content: bytes, ids: set[int]) -> Iterator[Found]:
    """Messages of some connections in the records of a block."""
    for op, start, stop in _parts(content):
        if op == Opcode.MESSAGE:
            channel, _, time, _ = MESSAGE.unpack_from(content, start)
            if channel in ids:
                yield channel, time, start + MESSAGE.size, stop


def _parts(content: bytes) -> Iterator[tuple[int, int, int]]:
    """What the records in a block are, and where they start and stop."""
    stop, end = 0, len(content)
    while stop < end:
        op, size = RECORD.unpack_from(content, stop)
        start = stop + RECORD.size
        stop = start + size
        if stop > end:
            raise ValueError(f'a record of {size} bytes, {end - start} before its end')
        yield op, start, stop


class _Bounded:
    """A file that reads no more than is there: a damaged length may claim anything."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell = file.seek, file.tell
        self._file = file
        self._end = os.fstat(file.fileno()).st_size

    def read(self, size: int) -> bytes:
        if size < 0:
            raise ValueError(f'{size} bytes')
        return self._file.read(size if size < RUN_BYTES else min(size, self._end - self.tell()))


def _bounded(file: BinaryIO) -> BinaryIO:
    return cast('BinaryIO', _Bounded(file))
