"""ROS 1 and ROS 2 bags."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rosbags import rosbag1, rosbag2
from rosbags.interfaces import Connection

from signattn.bag.messages import COMPRESSED, RAW, STEERING, bag_types
from signattn.bag.recording import (
    BagError,
    CameraImage,
    Format,
    Recording,
    Signals,
    Topic,
    choose_camera,
)
from signattn.share import read_yaml

T = TypeVar('T')
Reader = rosbag1.Reader | rosbag2.Reader

NS_PER_S = 1_000_000_000
IMAGES = (COMPRESSED, RAW)
REPORTS = (STEERING,)
FILES: dict[str, Format] = {'.bag': 'ros1', '.db3': 'sqlite3', '.mcap': 'mcap'}


class RosRecording(Recording):
    """A bag read as a recording.

    Messages are read with the definitions in the bag. Of images the fields of the ROS messages
    are used, of a SteeringReport, whose definition changed often, only header,
    steering_wheel_angle and speed.
    """

    def __init__(self, path: Path, image_topic: str | None, steering_topic: str | None) -> None:
        self.path = path
        self.format = _format(path)
        self._closed = False
        self._idle: Reader | None = _open_reader(path, self.format)
        try:
            self.topics = _topics(self._idle)
            self.image_topic = self._find_image_topic(image_topic)
            self.steering_topic = self._find_steering_topic(steering_topic)
        except BaseException:
            self.close()
            raise

    def images(self) -> Iterator[CameraImage]:
        """Pictures in the order in which they were received; see ``Recording``."""
        return self._read(self.image_topic, IMAGES, self._image)

    def signals(self) -> Signals | None:
        """Steering and speed; see ``Recording``."""
        if self.steering_topic is None:
            return None
        return Signals.from_rows(list(self._read(self.steering_topic, REPORTS, _steering)))

    def close(self) -> None:
        """Close the bag; a pass under way ends undisturbed."""
        self._closed = True
        reader, self._idle = self._idle, None
        if reader:
            reader.close()

    def _find_image_topic(self, named: str | None) -> str:
        if named:
            return self._check_named('--image-topic', named, IMAGES)
        by_camera: dict[str, str] = {}
        for topic in self._with_messages(IMAGES):
            camera = topic.name.removesuffix('/compressed')
            if camera not in by_camera or topic.type == COMPRESSED:
                by_camera[camera] = topic.name
        if not by_camera:
            raise BagError(
                f'{self.path} must have a camera ({" or ".join(IMAGES)}), got {self._listed()}'
            )
        return choose_camera(self.path, sorted(by_camera.values()))

    def _find_steering_topic(self, named: str | None) -> str | None:
        if named:
            return self._check_named('--steering-topic', named, REPORTS)
        found = [topic.name for topic in self._with_messages(REPORTS)]
        if len(found) > 1:
            raise BagError(
                f'{self.path} must have one {STEERING}, got {", ".join(found)}; '
                'name one with --steering-topic'
            )
        return found[0] if found else None

    def _check_named(self, option: str, named: str, types: Sequence[str]) -> str:
        if named not in [topic.name for topic in self._with_messages(types)]:
            got = [f'{t.name} ({t.type}, {t.count} messages)' for t in self.topics]
            found = ', '.join(item for item in got if item.startswith(f'{named} '))
            raise BagError(
                f'{option} must be a topic with messages of type {" or ".join(types)} '
                f'in {self.path}, got {found or f"{named}; there are {self._listed()}"}'
            )
        return named

    def _with_messages(self, types: Sequence[str]) -> list[Topic]:
        return [topic for topic in self.topics if topic.count and topic.type in types]

    def _listed(self) -> str:
        return ', '.join(f'{t.name} ({t.type})' for t in self.topics if t.count) or 'no messages'

    def _read(
        self, name: str, types: Sequence[str], convert: Callable[[Any, int], T]
    ) -> Iterator[T]:
        """Decode a topic's messages one by one."""
        received_ns: int | None = None
        with self._borrow() as reader:
            connections = [c for c in reader.connections if c.topic == name and c.msgtype in types]
            try:
                for connection, received_ns, raw in reader.messages(connections):
                    yield self._decode(connection, received_ns, raw, convert)
            except BagError:
                raise
            except Exception as error:
                place = 'at its start' if received_ns is None else f'after {received_ns} ns'
                raise BagError(
                    f'{self.path}: {name} must be readable to its end, '
                    f'got damage {place}: {_said(error)}{_remedy(self.path, self.format)}'
                ) from error
            if received_ns is None:
                raise BagError(f'{self.path}: {name} must give the messages it counts, got none')

    def _decode(
        self,
        connection: Connection,
        received_ns: int,
        raw: bytes,
        convert: Callable[[Any, int], T],
    ) -> T:
        try:
            types = bag_types(connection.msgtype, connection.msgdef)
            ros1 = self.format == 'ros1'
            deserialize = types.deserialize_ros1 if ros1 else types.deserialize_cdr
            return convert(deserialize(raw, connection.msgtype), received_ns)
        except Exception as error:
            raise BagError(
                f'{self.path}: {connection.topic} at {received_ns} ns must be a readable '
                f'{connection.msgtype}, got {_said(error)}'
            ) from error

    def _image(self, message: Any, received_ns: int) -> CameraImage:
        raw = hasattr(message, 'encoding')
        return CameraImage(
            stamp_ns=_stamp(message, received_ns),
            received_ns=received_ns,
            frame_id=message.header.frame_id,
            source=f'{self.path}: {self.image_topic} at {received_ns} ns',
            data=np.asarray(message.data, np.uint8),
            encoding=message.encoding if raw else '',
            format='' if raw else message.format,
            height=message.height if raw else 0,
            width=message.width if raw else 0,
            step=message.step if raw else 0,
            is_bigendian=bool(raw and message.is_bigendian),
        )

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


def _steering(message: Any, received_ns: int) -> tuple[int, float, float]:
    return (
        _stamp(message, received_ns),
        float(message.steering_wheel_angle),
        float(getattr(message, 'speed', np.nan)),
    )


def _stamp(message: Any, received_ns: int) -> int:
    stamp = message.header.stamp
    return stamp.sec * NS_PER_S + stamp.nanosec or received_ns


def _format(path: Path) -> Format:
    """Which storage a bag uses, from its suffix or its metadata."""
    if path.is_dir():
        try:
            stored: Format = read_yaml(path / 'metadata.yaml')['rosbag2_bagfile_information'][
                'storage_identifier'
            ]
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BagError(
                f'{path / "metadata.yaml"} must describe a ROS 2 bag, got {_said(error)}; '
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
            f'{path} must be a whole {what} bag, got {_said(error)}{_remedy(path, stored)}'
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


def _said(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'


def _topics(reader: Reader) -> list[Topic]:
    counts: Counter[tuple[str, str]] = Counter()
    for connection in reader.connections:
        counts[connection.topic, connection.msgtype] += connection.msgcount
    return [Topic(name, msgtype, count) for (name, msgtype), count in sorted(counts.items())]
