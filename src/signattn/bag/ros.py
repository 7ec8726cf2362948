"""ROS 1 and ROS 2 bags."""

import struct
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rosbags.typesys.store import Typestore

from signattn.bag.cameras import (
    IMAGES,
    SWAPPED_NS,
    by_side,
    choose_camera,
    find_cameras,
    may_be_swapped,
    put_right,
)
from signattn.bag.fields import numbers, value_at
from signattn.bag.messages import bag_types, is_defined, undefined_types
from signattn.bag.recording import BagError, CameraImage, Recording, Series, Signals, Times, Topic
from signattn.bag.selection import Selection
from signattn.bag.steering import Finder, Source
from signattn.bag.storage import RawMessage, Storage, said
from signattn.preprocess import NS_PER_S

T = TypeVar('T')


class RosRecording(Recording):
    """A bag read as a recording.

    Messages are read with the definitions in the bag. A message that can't be read is lost; where
    none of a topic can be read, that is an error.
    """

    def __init__(self, path: Path, selection: Selection) -> None:
        super().__init__(path, strict=selection.strict)
        self._storage = Storage(path, self)
        self.format = self._storage.format
        self.topics = self._storage.topics
        self._msg_path = selection.msg_path
        self._undefined: dict[str, Typestore] = {}
        self._known_numbers: dict[Topic, Collection[str] | None] = {}
        self._cameras = find_cameras(self.topics)
        self._swapped = False
        self._steering: Source | None = None
        self._speed: Source | None = None
        try:
            self._choose(selection)
        except BaseException:
            self.close()
            raise

    def cameras(self) -> list[str]:
        """Camera topics; see ``Recording``."""
        return list(self._cameras)

    def side_cameras(self) -> dict[str, str]:
        """The topics beside ``image_topic``; see ``Recording``."""
        sides = by_side(self._cameras, swapped=self._swapped)
        if sides.pop('center', None) != self.image_topic:
            return {}
        return sides

    def images(self, camera: str | None = None) -> Iterator[CameraImage]:
        """Pictures in the order in which they were received; see ``Recording``."""
        topic = camera or self.image_topic
        if not topic:
            raise BagError(self.problems[0])
        if topic not in {known.name for known in self.topics if known.type in IMAGES}:
            raise BagError(
                f'camera must be one of {", ".join(self._cameras)} in {self.path}, got {camera}'
            )
        return self._images(topic)

    def signals(self) -> Signals:
        """Steering and speed; see ``Recording``."""
        steering, speed = self._steering, self._speed
        if steering and speed and (steering.topic, steering.type) == (speed.topic, speed.type):
            return Signals(*self._series([steering, speed]))
        return Signals(
            self._series([steering])[0] if steering else None,
            self._series([speed])[0] if speed else None,
        )

    def times(self) -> dict[str, Times]:
        """When the messages were stamped and received; see ``Recording``."""
        received = {topic.name: array('q') for topic in self.topics}
        stamps = {topic.name: array('q') for topic in self.topics}
        places: dict[tuple[str, str], struct.Struct | None] = {}
        for raw in self._storage.messages():
            kind = raw.topic, raw.type
            if kind not in places:
                places[kind] = self._stamp_place(raw)
            if place := places[kind]:
                if len(raw.data) < place.size:
                    what = f'must begin with a stamp, got {len(raw.data)} bytes'
                    self.lose(f'{raw.topic} at {raw.received_ns} ns', what)
                    continue
                stamps[raw.topic].append(_stamp(*place.unpack_from(raw.data)))
            received[raw.topic].append(raw.received_ns)
        return {
            topic: Times(
                np.array(stamps[topic], np.int64) if len(stamps[topic]) == len(times) else None,
                np.array(times, np.int64),
            )
            for topic, times in received.items()
        }

    def close(self) -> None:
        """Close the bag; a pass under way ends undisturbed."""
        self._storage.close()

    def _choose(self, selection: Selection) -> None:
        finder = Finder(self.path, self.topics, self._numbers)
        try:
            self.image_topic = self._find_image_topic(selection.image_topic)
        except BagError as error:
            self.problems.append(str(error))
        try:
            self._steering = finder.steering(selection)
            self._speed = finder.speed(selection, self._steering)
        except BagError as error:
            self.problems.append(str(error))
        self.steering_topic = self._steering.topic if self._steering else None
        self.speed_topic = self._speed.topic if self._speed else None
        for note in finder.notes:
            self.note(note)

    def _find_image_topic(self, named: str | None) -> str:
        swapped = self._is_swapped()
        if named:
            if swapped:
                self.note(
                    'recorded on 2016-10-25, when left_camera and center_camera bore each '
                    f"other's names; --image-topic {named} is read as it is named"
                )
            return self._check_image_topic(named)
        if not self._cameras:
            listed = ', '.join(f'{t.name} ({t.type})' for t in self.topics if t.count)
            raise BagError(
                f'{self.path} must have a camera ({" or ".join(IMAGES)}), '
                f'got {listed or "no messages"}'
            )
        self._swapped = swapped
        if swapped:
            self.note(
                'recorded on 2016-10-25, when left_camera and center_camera bore each '
                "other's names: put right"
            )
        return choose_camera(self.path, self._cameras, swapped=swapped)

    def _check_image_topic(self, named: str) -> str:
        there = [topic for topic in self.topics if topic.count]
        if named not in [topic.name for topic in there if topic.type in IMAGES]:
            got = [f'{t.name} ({t.type}, {t.count} messages)' for t in self.topics]
            found = ', '.join(item for item in got if item.startswith(f'{named} '))
            listed = ', '.join(f'{topic.name} ({topic.type})' for topic in there) or 'no messages'
            raise BagError(
                f'--image-topic must be a topic with messages of type {" or ".join(IMAGES)} in '
                f'{self.path}, got {found or f"{named}; there are {listed}"}'
            )
        return named

    def _is_swapped(self) -> bool:
        if not may_be_swapped(self._cameras):
            return False
        first = self._first(self._cameras[0], IMAGES)
        return first is not None and SWAPPED_NS[0] <= first.received_ns < SWAPPED_NS[1]

    def _first(self, topic: str, types: Sequence[str]) -> RawMessage | None:
        """A topic's first message, if it can be read."""
        try:
            return next(self._storage.messages(topic, types), None)
        except BagError:
            return None

    def _numbers(self, topic: Topic) -> Collection[str] | None:
        """Names of a topic's fields that hold numbers; None if its definition isn't known."""
        if topic not in self._known_numbers:
            first = self._first(topic.name, [topic.type])
            self._known_numbers[topic] = self._numbers_of(first) if first else None
        return self._known_numbers[topic]

    def _numbers_of(self, raw: RawMessage) -> Collection[str] | None:
        try:
            return list(numbers(self._types(raw), raw.type))
        except Exception:  # noqa: BLE001 (reading the messages will say what is wrong)
            return None

    def _types(self, raw: RawMessage) -> Typestore:
        if is_defined(raw.definition):
            return bag_types(raw.type, raw.definition)
        if raw.type not in self._undefined:
            self._undefined[raw.type], whose = undefined_types(raw.type, raw.data, self._msg_path)
            self.note(f'{raw.type} is not defined in the bag; read by the definition of {whose}')
        return self._undefined[raw.type]

    def _read(
        self, topic: str, types: Sequence[str], convert: Callable[[Any, int], T]
    ) -> Iterator[T]:
        """What becomes of a topic's messages, without those that are damaged."""
        read, failed = 0, ''
        for raw in self._storage.messages(topic, types):
            try:
                converted = convert(self._deserialize(raw), raw.received_ns)
            except Exception as error:  # noqa: BLE001 (one message is lost, not the bag)
                where = f'{topic} at {raw.received_ns} ns'
                what = f'must be a readable {raw.type}, got {said(error)}'
                failed = failed or f'{self.path}: {where} {what}'
                self.lose(where, what)
                continue
            read += 1
            yield converted
        if failed and not read:
            raise BagError(failed)

    def _deserialize(self, raw: RawMessage) -> Any:
        types = self._types(raw)
        # A view: parts of the message then need no copy.
        data = memoryview(raw.data)
        if raw.serialization == 'ros1':
            return types.deserialize_ros1(data, raw.type)
        return types.deserialize_cdr(data, raw.type)

    def _images(self, topic: str) -> Iterator[CameraImage]:
        clock = _Clock(topic)

        def image(message: Any, received_ns: int) -> CameraImage:
            raw = hasattr(message, 'encoding')
            frame_id = message.header.frame_id
            return CameraImage(
                stamp_ns=clock.stamp_ns(message, received_ns),
                received_ns=received_ns,
                frame_id=put_right(frame_id) if self._swapped else frame_id,
                source=f'{self.path}: {topic} at {received_ns} ns',
                data=np.asarray(message.data, np.uint8),
                encoding=message.encoding if raw else '',
                format='' if raw else message.format,
                height=message.height if raw else 0,
                width=message.width if raw else 0,
                step=message.step if raw else 0,
                is_bigendian=bool(raw and message.is_bigendian),
            )

        yield from self._read(topic, IMAGES, image)
        clock.report(self)

    def _series(self, sources: Sequence[Source]) -> list[Series]:
        """Fields of one topic."""
        topic, msgtype = sources[0].topic, sources[0].type
        clock = _Clock(topic)
        stamps, columns = array('q'), [array('d') for _ in sources]

        def row(message: Any, received_ns: int) -> tuple[int, list[float]]:
            values = [source.measure(value_at(message, source.path)) for source in sources]
            return clock.stamp_ns(message, received_ns), values

        for stamp_ns, values in self._read(topic, [msgtype], row):
            stamps.append(stamp_ns)
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        clock.report(self)
        return [
            Series.of(source.measure.quantity, stamps, column)
            for source, column in zip(sources, columns, strict=True)
        ]

    def _stamp_place(self, raw: RawMessage) -> struct.Struct | None:
        """Where a message's stamp stands, if it begins with one."""
        try:
            name, (_, msgtype) = self._types(raw).get_msgdef(raw.type).fields[0]
        except Exception:  # noqa: BLE001 (without a definition there is no stamp)
            return None
        if (name, msgtype) not in _STAMPED or len(raw.data) < _CDR_HEADER:
            return None
        if raw.serialization == 'ros1':
            return struct.Struct('<4xII' if name == 'header' else '<II')
        return struct.Struct('<4xiI' if raw.data[1] else '>4xiI')


_CDR_HEADER = 4
_STAMPED = (('header', 'std_msgs/msg/Header'), ('stamp', 'builtin_interfaces/msg/Time'))


def _stamp(sec: int, nanosec: int) -> int:
    return sec * NS_PER_S + nanosec


class _Clock:
    """Stamps of a topic's messages; the time of receipt where there is none."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._count = self._zeros = self._bare = 0

    def stamp_ns(self, message: Any, received_ns: int) -> int:
        holder = getattr(message, 'header', message)
        stamp = getattr(holder, 'stamp', None)
        self._count += 1
        if stamp is None:
            self._bare += 1
            return received_ns
        stamp_ns = _stamp(stamp.sec, stamp.nanosec)
        self._zeros += not stamp_ns
        return stamp_ns or received_ns

    def report(self, recording: Recording) -> None:
        if self._bare:
            recording.note(f'{self._topic} has no stamps: its times of receipt are used')
        if self._zeros:
            recording.note(
                f'{self._topic} has {self._zeros} stamps of 0 in {self._count} messages: '
                'their times of receipt are used'
            )
