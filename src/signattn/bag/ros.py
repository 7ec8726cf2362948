"""ROS 1 and ROS 2 bags."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from signattn.bag.messages import COMPRESSED, RAW, STEERING, bag_types
from signattn.bag.recording import (
    BagError,
    CameraImage,
    Recording,
    Series,
    Signals,
    Topic,
    choose_camera,
)
from signattn.bag.selection import Selection
from signattn.bag.storage import RawMessage, Storage, said
from signattn.preprocess import NS_PER_S

T = TypeVar('T')

IMAGES = (COMPRESSED, RAW)
REPORTS = (STEERING,)


class RosRecording(Recording):
    """A bag read as a recording.

    Messages are read with the definitions in the bag. Of images the fields of the ROS messages
    are used, of a SteeringReport, whose definition changed often, only header,
    steering_wheel_angle and speed.
    """

    def __init__(self, path: Path, selection: Selection) -> None:
        super().__init__(path)
        self._storage = Storage(path)
        self.format = self._storage.format
        self.topics = self._storage.topics
        try:
            self.image_topic = self._find_image_topic(selection.image_topic)
            self.steering_topic = self._find_steering_topic(selection.steering)
            self.speed_topic = self.steering_topic
        except BaseException:
            self.close()
            raise

    def images(self) -> Iterator[CameraImage]:
        """Pictures in the order in which they were received; see ``Recording``."""
        return self._read(self.image_topic, IMAGES, self._image)

    def signals(self) -> Signals:
        """Steering and speed; see ``Recording``."""
        if self.steering_topic is None:
            return Signals(None, None)
        rows = list(self._read(self.steering_topic, REPORTS, _steering))
        stamps, angles, speeds = zip(*rows, strict=True) if rows else ((), (), ())
        return Signals(
            Series.of('steering_angle', stamps, angles), Series.of('speed', stamps, speeds)
        )

    def close(self) -> None:
        """Close the bag; a pass under way ends undisturbed."""
        self._storage.close()

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
            return self._check_named('--steering', named, REPORTS)
        found = [topic.name for topic in self._with_messages(REPORTS)]
        if len(found) > 1:
            raise BagError(
                f'{self.path} must have one {STEERING}, got {", ".join(found)}; '
                'name one with --steering'
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
        self, topic: str, types: Sequence[str], convert: Callable[[Any, int], T]
    ) -> Iterator[T]:
        """Decode a topic's messages one by one."""
        for raw in self._storage.messages(topic, types):
            try:
                known = bag_types(raw.type, raw.definition)
                ros1 = self.format == 'ros1'
                deserialize = known.deserialize_ros1 if ros1 else known.deserialize_cdr
                converted = convert(deserialize(raw.data, raw.type), raw.received_ns)
            except Exception as error:
                raise BagError(_unreadable(self.path, raw, error)) from error
            yield converted

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


def _unreadable(path: Path, raw: RawMessage, error: Exception) -> str:
    return (
        f'{path}: {raw.topic} at {raw.received_ns} ns must be a readable {raw.type}, '
        f'got {said(error)}'
    )


def _steering(message: Any, received_ns: int) -> tuple[int, float, float]:
    return (
        _stamp(message, received_ns),
        float(message.steering_wheel_angle),
        float(getattr(message, 'speed', np.nan)),
    )


def _stamp(message: Any, received_ns: int) -> int:
    stamp = message.header.stamp
    return stamp.sec * NS_PER_S + stamp.nanosec or received_ns
