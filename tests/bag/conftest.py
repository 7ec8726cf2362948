"""Bags of any messages, written with rosbags."""

from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np
import pytest
from rosbags import rosbag1, rosbag2
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from signattn.bag.definitions import DEFINITIONS

START = 1_500_000_000_000_000_000  # ns
STEP = 50_000_000  # ns
RED = np.full((8, 12, 3), (200, 0, 0), np.uint8)
JPEG = cv2.imencode('.jpg', RED[:, :, ::-1])[1].ravel()
CAMERA = '/camera/image_color/compressed'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def stamp(i):
    return START + i * STEP


@lru_cache
def types_with(kind, definitions):
    types = get_typestore(Stores.ROS1_NOETIC if kind == 'ros1' else Stores.ROS2_JAZZY)
    newest = {name: list(versions.values())[-1] for name, versions in DEFINITIONS.items()}
    for name, text in (newest | dict(definitions)).items():
        types.register(get_types_from_msg(text, name))
    return types


class Bag:
    """Writes messages given as nested dicts; what isn't given is 0 or empty."""

    def __init__(self, path, kind='ros1', definitions=None, prepare=None):
        self.kind = kind
        self.types = types_with(kind, tuple((definitions or {}).items()))
        if kind == 'ros1':
            self.writer = rosbag1.Writer(path)
        else:
            plugin = rosbag2.StoragePlugin[kind.upper()]
            self.writer = rosbag2.Writer(path, version=8, storage_plugin=plugin)
        if prepare:
            prepare(self.writer)
        self.connections = {}

    def __enter__(self):
        self.writer.__enter__()
        return self

    def __exit__(self, *exception):
        self.writer.__exit__(*exception)

    def message(self, msgtype, values, stamp_ns=0):
        """A message; its stamp is stamp_ns unless the values hold one."""
        made = {}
        for name, field in self.types.fielddefs[msgtype][1]:
            made[name] = self._made(field, values.get(name), stamp_ns)
        return self.types.types[msgtype](**made)

    def _made(self, field, value, stamp_ns):
        kind, content = field
        if kind == Nodetype.NAME:
            if content == 'builtin_interfaces/msg/Time' and value is None:
                sec, nanosec = divmod(stamp_ns, 10**9)
                value = {'sec': sec, 'nanosec': nanosec}
            return self.message(content, value or {}, stamp_ns)
        if kind == Nodetype.BASE:
            return ('' if content[0] == 'string' else 0) if value is None else value
        inner, length = content
        if inner[0] == Nodetype.NAME:
            return [self._made(inner, item, stamp_ns) for item in value or []]
        if inner[1][0] == 'string':
            return value or []
        return np.array([0] * length if value is None else value, inner[1][0])

    def serialize(self, msgtype, values, stamp_ns=0):
        serialize = self.types.serialize_ros1 if self.kind == 'ros1' else self.types.serialize_cdr
        return bytes(serialize(self.message(msgtype, values, stamp_ns), msgtype))

    def send(self, topic, msgtype, received_ns, values, stamp_ns=None):
        """Write a message: nested dicts, or bytes as they are."""
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(
                topic, msgtype, typestore=self.types
            )
        if isinstance(values, Mapping):
            at = received_ns if stamp_ns is None else stamp_ns
            values = self.serialize(msgtype, values, at)
        self.writer.write(self.connections[topic], received_ns, values)

    def picture(self, received_ns=START, topic=CAMERA, stamp_ns=None, frame_id='camera'):
        """Write a small JPEG."""
        values = {'header': {'frame_id': frame_id}, 'format': 'jpeg', 'data': JPEG}
        self.send(topic, COMPRESSED, received_ns, values, stamp_ns)


@pytest.fixture
def bag(tmp_path):
    """Gives a function that opens a new bag for writing, and its path."""

    def new(kind='ros1', **options):
        path = tmp_path / ('drive.bag' if kind == 'ros1' else f'drive_{kind}')
        return path, Bag(path, kind, **options)

    return new
