"""The messages of a bag, undecoded, whatever it is stored in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rosbags import rosbag1, rosbag2
from rosbags.interfaces import MessageDefinition

from signattn.bag.recording import BagError, Format, Topic
from signattn.share import read_yaml

Reader = rosbag1.Reader | rosbag2.Reader

FILES: dict[str, Format] = {'.bag': 'ros1', '.db3': 'sqlite3', '.mcap': 'mcap'}


@dataclass(frozen=True)
class RawMessage:
    """A message as it is stored.

    Attributes:
        topic: Its topic.
        type: Its type, such as ``sensor_msgs/msg/Image``.
        definition: The type's definition as the bag holds it; empty where it holds none.
        received_ns: ns, when the recorder received it.
        data: ROS 1 serialisation in a ROS 1 bag, else CDR.
    """

    topic: str
    type: str
    definition: MessageDefinition
    received_ns: int
    data: bytes


class Storage:
    """The files of a bag.

    Attributes:
        path: File or folder.
        format: How it is stored.
        topics: Everything in it, by name.
    """

    def __init__(self, path: Path) -> None:
        """Open a bag.

        Args:
            path: A ``.bag``, ``.db3`` or ``.mcap`` file, or a folder with ``metadata.yaml``.

        Raises:
            BagError: If it is no bag, or can't be read.
        """
        self.path = path
        self.format = _format(path)
        self._closed = False
        self._idle: Reader | None = _open_reader(path, self.format)
        self.topics = _topics(self._idle)

    def messages(self, topic: str, types: Sequence[str]) -> Iterator[RawMessage]:
        """Messages of a topic, one in memory at a time.

        Args:
            topic: Its name.
            types: Message types that are wanted; others on the topic are left out.

        Yields:
            The messages in the order in which they were received.

        Raises:
            BagError: If the bag is damaged.
        """
        received_ns: int | None = None
        with self._borrow() as reader:
            connections = [
                c for c in reader.connections if c.topic == topic and c.msgtype in types
            ]
            messages = reader.messages(connections)
            while True:
                try:
                    connection, received_ns, data = next(messages)
                except StopIteration:
                    break
                except Exception as error:
                    place = 'at its start' if received_ns is None else f'after {received_ns} ns'
                    raise BagError(
                        f'{self.path}: {topic} must be readable to its end, '
                        f'got damage {place}: {said(error)}{_remedy(self.path, self.format)}'
                    ) from error
                yield RawMessage(topic, connection.msgtype, connection.msgdef, received_ns, data)
            if received_ns is None:
                raise BagError(f'{self.path}: {topic} must give the messages it counts, got none')

    def close(self) -> None:
        """Close the files; a pass under way ends undisturbed."""
        self._closed = True
        reader, self._idle = self._idle, None
        if reader:
            reader.close()

    @contextmanager
    def _borrow(self) -> Iterator[Reader]:
        """The open reader; a new one while another pass uses it, since it has one position."""
        reader, self._idle = self._idle or _open_reader(self.path, self.format), None
        usable = True
        try:
            yield reader
        except Exception:
            usable = False
            raise
        finally:
            if self._idle or self._closed or not usable:
                reader.close()
            else:
                self._idle = reader


def said(error: Exception) -> str:
    """What an error of another library says, with its kind."""
    return f'{type(error).__name__}: {error}'


def _format(path: Path) -> Format:
    """Which storage a bag uses, from its suffix or its metadata."""
    if path.is_dir():
        try:
            stored: Format = read_yaml(path / 'metadata.yaml')['rosbag2_bagfile_information'][
                'storage_identifier'
            ]
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BagError(
                f'{path / "metadata.yaml"} must describe a ROS 2 bag, got {said(error)}; '
                f'mend it with: ros2 bag reindex {path}'
            ) from error
        if stored not in ('sqlite3', 'mcap'):
            raise BagError(f'{path} must be stored as sqlite3 or mcap, got {stored!r}')
        return stored
    if path.suffix not in FILES:
        raise BagError(f'{path} must end in {", ".join(FILES)} or be a folder, got {path.name}')
    return FILES[path.suffix]


def _open_reader(path: Path, stored: Format) -> Reader:
    try:
        reader = rosbag1.Reader(path) if stored == 'ros1' else rosbag2.Reader(path)
        reader.open()
    except Exception as error:
        what = 'ROS 1' if stored == 'ros1' else f'ROS 2 {stored}'
        raise BagError(
            f'{path} must be a whole {what} bag, got {said(error)}{_remedy(path, stored)}'
        ) from error
    return reader


def _remedy(path: Path, stored: Format) -> str:
    """What mends a bag that was cut short, if this is such a bag at all."""
    suffix = next(suffix for suffix, known in FILES.items() if known == stored)
    files = sorted(path.glob(f'*{suffix}')) if path.is_dir() else [path]
    if len(files) != 1:
        return ''
    magic, command = {
        'ros1': (b'#ROSBAG V2.0', f'rosbag reindex {files[0]}'),
        'mcap': (b'\x89MCAP', f'mcap recover {files[0]} -o mended.mcap'),
    }.get(stored, (b'SQLite format 3', f'sqlite3 {files[0]} .recover | sqlite3 mended.db3'))
    with suppress(OSError), files[0].open('rb') as file:
        if file.read(len(magic)) == magic:
            return f'; mend it with: {command}'
    return ''


def _topics(reader: Reader) -> list[Topic]:
    counts: Counter[tuple[str, str]] = Counter()
    for connection in reader.connections:
        counts[connection.topic, connection.msgtype] += connection.msgcount
    return [Topic(name, msgtype, count) for (name, msgtype), count in sorted(counts.items())]
