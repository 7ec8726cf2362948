"""The messages of a bag, undecoded, whatever it is stored in."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rosbags.interfaces import MessageDefinition

from signattn.bag.layout import Unpacked, bag_files
from signattn.bag.mcap import McapFile
from signattn.bag.raw import Connection, Report, StorageFile
from signattn.bag.recording import BagError, Format, Topic
from signattn.bag.rosbag1 import Rosbag1File
from signattn.bag.sqlite import SqliteFile
from signattn.bag.unpack import unpack_message

MAX_NS = 2**63 - 1
MAX_NAMED = 3
"""As many losses stand in the error of a bag that holds nothing else."""

READERS: dict[Format, Callable[[Path, str, Report], StorageFile]] = {
    'ros1': Rosbag1File,
    'sqlite3': SqliteFile,
    'mcap': McapFile,
}


@dataclass(frozen=True)
class RawMessage:
    """A message as it is stored.

    Attributes:
        topic: Its topic.
        type: Its type, such as ``sensor_msgs/msg/Image``.
        definition: The type's definition as the bag holds it; empty where it holds none.
        serialization: How its data is written.
        received_ns: ns, when the recorder received it.
        data: Its data.
    """

    topic: str
    type: str
    definition: MessageDefinition
    serialization: Literal['ros1', 'cdr']
    received_ns: int
    data: bytes


class Storage:
    """The files of a bag.

    What can't be read is reported and left out. Passes don't disturb each other.

    Attributes:
        path: File or folder.
        format: How it is stored.
        topics: Everything in it, by name.
    """

    def __init__(self, path: Path, report: Report) -> None:
        """Open a bag.

        Args:
            path: A ``.bag``, ``.db3`` or ``.mcap`` file, or a folder with such files.
            report: Where damage and remarks go.

        Raises:
            BagError: If it is no bag, or nothing of it can be read.
        """
        self.path, self._report = path, report
        self._losses: list[str] = []  # the first ones
        paths, self.format = bag_files(path, self)
        self._unpacked = Unpacked()
        self._files: list[StorageFile] = []
        for file in paths:
            self._open(file, file.name if len(paths) > 1 else '')
        if not self._files:
            raise BagError(
                f'{path} must have a readable file, got none: {"; ".join(self._losses)}'
            )
        self._files.sort(key=lambda file: file.start_ns)
        counts: Counter[tuple[str, str]] = Counter()
        for connection in (c for file in self._files for c in file.connections):
            counts[connection.topic, connection.type] += connection.count
        self.topics = [Topic(*key, count) for key, count in sorted(counts.items())]
        if self._losses and not any(counts.values()):
            raise BagError(
                f'{path} must have readable messages, got none: {"; ".join(self._losses)}'
            )

    def messages(
        self, topic: str | None = None, types: Sequence[str] | None = None
    ) -> Iterator[RawMessage]:
        """Messages of a topic, or of all, one in memory at a time.

        Args:
            topic: Its name; every topic if not given.
            types: Message types that are wanted, others are left out; every type if not given.

        Yields:
            The messages in the order in which they were received.
        """
        # Unpacked files stay until no pass needs them.
        return self._pass(topic, types, self._unpacked)

    def close(self) -> None:
        """Let go of the files; a pass under way ends undisturbed."""
        self._unpacked = Unpacked()

    def note(self, text: str) -> None:
        """Hand on a remark."""
        self._report.note(text)

    def lose(self, where: str, what: str) -> None:
        """Hand on damage."""
        if len(self._losses) < MAX_NAMED:
            self._losses.append(f'{where} {what}')
        self._report.lose(where, what)

    def _pass(
        self, topic: str | None, types: Sequence[str] | None, _unpacked: Unpacked
    ) -> Iterator[RawMessage]:
        expected = got = 0
        for file in self._files:
            wanted = {
                c.id: c
                for c in file.connections
                if topic in (None, c.topic) and (types is None or c.type in types)
            }
            if not wanted:
                continue
            expected += sum(connection.count for connection in wanted.values())
            try:
                for number, received_ns, data in file.messages(set(wanted)):
                    got += 1
                    raw = self._raw(wanted[number], received_ns, data)
                    if raw:
                        yield raw
            except OSError as error:
                raise BagError(f'{self.path} must stay readable, got {error}') from error
        if got < expected and not self._losses:
            what = f'must give the {expected} messages that are counted, got {got}'
            self.lose(topic or 'every topic', what)

    def _open(self, path: Path, name: str) -> None:
        """Open a file; one of several may be lost."""
        file = path
        try:
            file = self._unpacked.file(path, name, self)
            self._files.append(READERS[self.format](file, name, self))
        except (BagError, OSError) as error:
            text = str(error).replace(str(file), str(path))
            if name:
                self.lose(name, f'must be readable, got {text}')
            elif isinstance(error, BagError):
                raise BagError(text) from error
            else:
                raise BagError(f'{path} must be readable, got {text}') from error

    def _raw(self, connection: Connection, received_ns: int, data: bytes) -> RawMessage | None:
        """A message with what its connection says of it, if it is one."""
        about = connection.topic, connection.type, connection.definition
        try:
            content = _content(connection, received_ns, data)
        except ValueError as error:
            where = f'{connection.topic} at {received_ns} ns'
            self.lose(where, f'must be a whole message, got {error}')
            return None
        return RawMessage(*about, connection.serialization, received_ns, content)


def _content(connection: Connection, received_ns: int, data: bytes) -> bytes:
    if received_ns > MAX_NS:
        raise ValueError('a time beyond the year 2262')
    return data if connection.serialization == 'ros1' else unpack_message(data)


def said(error: Exception) -> str:
    """What an error of another library says, with its kind."""
    return f'{type(error).__name__}: {error}'
