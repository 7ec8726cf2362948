"""Databases of ROS 2 bags, of any schema.

Messages are read one by one, by their id, so that a damaged page costs those that lie on it.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from signattn.bag.raw import NO_DEFINITION, Connection, Message, Report, full_name, report_unnamed
from signattn.bag.recording import BagError

MAGIC = b'SQLite format 3\0'
DEFINITIONS = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
LAST = 2**63 - 1
MAX_GAPS = 10_000
LIST = 'SELECT id, topic_id, timestamp FROM messages WHERE id >= ? ORDER BY id LIMIT ?'

Row = tuple[int, int, int]
"""Id of a message, id of its topic, ns when it was received."""


class SqliteFile:
    """A database.

    Attributes:
        connections: Everything in it.
        start_ns: ns, of its first message.
    """

    def __init__(self, path: Path, name: str, report: Report) -> None:
        """Read the list of messages.

        Args:
            path: The file.
            name: What it is called in reports; empty for the only file of a bag.
            report: Where damage and remarks go.

        Raises:
            BagError: If it is no database of a bag.
        """
        with path.open('rb') as file:
            magic = file.read(len(MAGIC))
        if magic != MAGIC:
            raise BagError(f'{path} must be an sqlite3 database, got one that begins {magic!r}')
        self._path, self._name, self._report = path, name, report
        self._note_leftovers()
        try:
            with closing(self._connect()) as database:
                topics = _topics(database, self._definitions(database))
                database.execute('SELECT id, topic_id, timestamp, data FROM messages LIMIT 0')
                rows = self._list(database)
        except (sqlite3.Error, TypeError) as error:
            raise BagError(
                f'{path} must be the database of a bag, got {error}; {_remedy(path)}'
            ) from error
        self._rows = rows[np.lexsort((rows[:, 0], rows[:, 2]))]
        self.start_ns = int(rows[:, 2].min(initial=LAST))
        counts = Counter(rows[:, 1].tolist())
        report_unnamed(counts, topics, name, report)
        self.connections = []
        for topic, encoding in topics.values():
            if encoding == 'cdr':
                self.connections.append(replace(topic, count=counts[topic.id]))
            else:
                report.note(f'{topic.topic} is encoded as {encoding} and not read')

    def messages(self, ids: set[int]) -> Iterator[Message]:
        """Messages of some topics, in the order in which they were received.

        Args:
            ids: Their topics.

        Yields:
            The messages; those that can't be read are reported and left out.
        """
        rows = self._rows[np.isin(self._rows[:, 1], list(ids))]
        with closing(self._connect()) as database:
            for number, topic, received_ns in rows.tolist():
                query = 'SELECT data FROM messages WHERE id = ?'
                try:
                    (data,) = database.execute(query, (number,)).fetchone()
                except (sqlite3.Error, TypeError, MemoryError) as error:
                    self._lose(f'message {number}', f'must be readable, got {error}')
                    continue
                if isinstance(data, bytes):
                    yield topic, received_ns, data
                else:
                    kind = type(data).__name__
                    self._lose(f'message {number}', f'must be stored as bytes, got {kind}')

    def _connect(self) -> sqlite3.Connection:
        """A connection of its own for each pass; none of them writes anything."""
        uri = f'file:{quote(str(self._path.absolute()))}'
        log = self._path.with_name(self._path.name + '-wal')
        if not (log.exists() and log.stat().st_size):
            database = sqlite3.connect(f'{uri}?immutable=1', uri=True, check_same_thread=False)
        else:
            # Without locks, and alone, the log is read without a file beside it.
            uri += '?mode=ro&vfs=unix-none'
            database = sqlite3.connect(uri, uri=True, check_same_thread=False)
            database.execute('PRAGMA locking_mode = EXCLUSIVE')
        database.execute('PRAGMA writable_schema = ON')  # else none that was cut short is read
        database.text_factory = lambda text: text.decode(errors='replace')
        return database

    def _definitions(self, database: sqlite3.Connection) -> dict[str, MessageDefinition]:
        try:
            return _definitions(database)
        except sqlite3.Error as error:
            self._lose('definitions', f'must be readable, got {error}; read without')
            return {}

    def _list(self, database: sqlite3.Connection) -> NDArray[np.int64]:
        """(N, 3) int64, id, topic and time of all messages that can be listed."""
        row: Any = np.dtype((np.int64, 3))  # which is typed as void
        with suppress(sqlite3.DatabaseError, TypeError, ValueError, OverflowError):
            rows = np.fromiter(database.execute(LIST, (1, -1)), row)
            if np.all(np.diff(rows[:, 0]) > 0):
                return rows
        return np.fromiter(self._scan(database), row)

    def _scan(self, database: sqlite3.Connection) -> Iterator[Row]:
        """The list of messages by id; pages that can't be read are skipped."""
        last, gaps, limit = 0, 0, -1
        while gaps < MAX_GAPS:
            before = last
            try:
                for row in database.execute(LIST, (last + 1, limit)):
                    last = _increased(row[0], last)
                    if all(isinstance(cell, int) for cell in row):
                        yield row
                    else:
                        self._lose(f'message {last}', f'must have topic and time, got {row[1:]}')
            except sqlite3.DatabaseError as error:
                if limit < 0:
                    limit = 1  # sqlite3 reads ahead, and loses the row before
                    continue
                first, last = last + 1, _readable(database, last) - 1
                until = 'on' if last >= LAST - 1 else f'to {last}'
                what = f'must be readable, got {error}; {_remedy(self._path)}'
                self._lose(f'messages {first} {until}', what)
                if until == 'on':
                    return
                gaps, limit = gaps + 1, -1
            else:
                if limit < 0 or last == before:
                    return

    def _note_leftovers(self) -> None:
        """Say that the recorder did not end well, if it left its files."""
        fates = {'-wal': 'it is read too', '-journal': 'some pages may be older than others'}
        for suffix, fate in fates.items():
            left = self._path.with_name(self._path.name + suffix)
            if left.exists() and left.stat().st_size:
                note = f'{left.name} is left, as the recorder did not end well; {fate}'
                self._report.note(note)

    def _lose(self, where: str, what: str) -> None:
        self._report.lose(f'{self._name} {where}'.strip(), what)


def _increased(number: int, last: int) -> int:
    if number <= last:
        raise sqlite3.DatabaseError(f'id {number} behind {last}')
    return number


def _remedy(path: Path) -> str:
    return f'try: sqlite3 {path} .recover | sqlite3 mended.db3'


def _definitions(database: sqlite3.Connection) -> dict[str, MessageDefinition]:
    """Definitions by type, as versions since Iron hold them."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'message_definitions'"
    if not database.execute(query).fetchone():
        return {}
    query = 'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
    return {
        name: MessageDefinition(DEFINITIONS[encoding], str(text))
        for name, encoding, text in database.execute(query)
        if encoding in DEFINITIONS and text
    }


def _topics(
    database: sqlite3.Connection, definitions: dict[str, MessageDefinition]
) -> dict[int, tuple[Connection, str]]:
    """Topics by id, without the numbers of their messages, and how they are encoded."""
    topics = {}
    query = 'SELECT id, name, type, serialization_format FROM topics ORDER BY id'
    for number, name, kind, encoding in database.execute(query):
        definition = definitions.get(kind, NO_DEFINITION)
        # ROS 2 wrote sensor_msgs/Image before it wrote sensor_msgs/msg/Image.
        topic = Connection(number, str(name), full_name(str(kind)), definition, 'cdr', 0)
        topics[number] = topic, str(encoding)
    return topics


def _readable(database: sqlite3.Connection, bad: int) -> int:
    """The first id behind damage: gallop over it, then halve."""

    def found(least: int) -> int | None:
        try:
            row = database.execute(LIST, (least, 1)).fetchone()
        except sqlite3.DatabaseError:
            return None
        return int(row[0]) if row and row[0] >= least else LAST

    good, step = bad + 1, 1
    while found(good) is None:
        good, step = good + step, 2 * step
        if good > LAST:
            return LAST
    while good - bad > 1:
        middle = (good + bad) // 2
        if found(middle) is None:
            bad = middle
        else:
            good = middle
    return max(found(good) or LAST, bad + 1)
