"""Writes bags with the topics and types of the Udacity car."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags import rosbag1, rosbag2
from rosbags.interfaces import Connection

from signattn.bag.messages import CAMERA_INFO, COMPRESSED, RAW, STEERING, own_types
from signattn.bag.recording import BagError
from signattn.preprocess import Image

BagFormat = Literal['ros1', 'sqlite3', 'mcap']
FORMATS = ('ros1', 'sqlite3', 'mcap')
NS_PER_S = 1_000_000_000
END_NS = 2**31 * NS_PER_S
"""Stamps of ROS 2 count seconds in 31 bits."""
METADATA_VERSION: Literal[8] = 8
"""Of metadata.yaml: the newest that Humble reads, and every later ROS 2 too."""


class BagWriter:
    """Writes a bag that appears whole or not at all.

    The bag grows in a hidden folder beside its place and is moved there when the ``with`` block
    ends well. The same calls give the same bytes. Messages are written at their stamp.
    """

    def __init__(self, path: str | Path, format: BagFormat) -> None:  # noqa: A002 (as in Recording)
        """Check the place.

        Args:
            path: The bag to write: a ``.bag`` file (ros1), or a folder (sqlite3, mcap).
            format: How to store it.

        Raises:
            BagError: If something is already there, or the suffix doesn't fit.
            ValueError: If there is no such format.
        """
        self.path = Path(path)
        if format not in FORMATS:
            raise ValueError(f'format must be one of {", ".join(FORMATS)}, got {format!r}')
        if format == 'ros1' and self.path.suffix != '.bag':
            raise BagError(f'path must end in .bag for format ros1, got {path}')
        if format != 'ros1' and self.path.suffix == '.bag':
            raise BagError(f'path must not end in .bag for format {format}, got {path}')
        if self.path.exists():
            raise BagError(f'{path} must not exist yet, got an older one; remove it first')
        self.format = format
        self._types = own_types(1 if format == 'ros1' else 2)
        self._connections: dict[str, Connection] = {}
        self._sent: dict[str, int] = {}
        self._writer: Any = None

    def __enter__(self) -> 'BagWriter':  # noqa: PYI034 (Self came with Python 3.11)
        parent = self.path.parent
        parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f'.{self.path.name}.', dir=parent))
        try:
            self._writer = self._open(self._folder / self.path.name)
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        writer, self._writer = self._writer, None
        try:
            writer.__exit__(kind, *exception)
            if kind is None:
                (self._folder / self.path.name).rename(self.path)
        finally:
            shutil.rmtree(self._folder)

    def image(
        self,
        stamp_ns: int,
        rgb: Image,
        *,
        topic: str = '/center_camera/image_color/compressed',
        frame_id: str = 'center_camera',
        quality: int = 90,
        grey: bool = False,
    ) -> None:
        """Write a picture as JPEG.

        Args:
            stamp_ns: ns.
            rgb: (H, W, 3) uint8, RGB.
            topic: Topic.
            frame_id: Camera that took it.
            quality: JPEG quality, 0 to 100.
            grey: Whether to write one channel, the brightness.

        Raises:
            ValueError: If rgb isn't such a picture.
        """
        _check_picture(rgb)
        seen = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY if grey else cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode('.jpg', seen, [cv2.IMWRITE_JPEG_QUALITY, quality])
        fields = {'format': 'jpeg', 'data': np.asarray(data, np.uint8).ravel()}
        self._write(topic, COMPRESSED, stamp_ns, frame_id, fields)

    def raw_image(
        self,
        stamp_ns: int,
        rgb: Image,
        *,
        topic: str = '/center_camera/image_color',
        frame_id: str = 'center_camera',
    ) -> None:
        """Write a picture as raw rgb8.

        Args:
            stamp_ns: ns.
            rgb: (H, W, 3) uint8, RGB.
            topic: Topic.
            frame_id: Camera that took it.

        Raises:
            ValueError: If rgb isn't such a picture.
        """
        _check_picture(rgb)
        height, width = rgb.shape[:2]
        fields = {
            'height': height,
            'width': width,
            'encoding': 'rgb8',
            'is_bigendian': 0,
            'step': 3 * width,
            'data': np.ascontiguousarray(rgb).ravel(),
        }
        self._write(topic, RAW, stamp_ns, frame_id, fields)

    def camera_info(
        self,
        stamp_ns: int,
        fx: float,
        fy: float,
        cx: float,
        cy: float,
        width: int,
        height: int,
        *,
        distortion: Sequence[float] = (),
        topic: str = '/center_camera/camera_info',
        frame_id: str = 'center_camera',
    ) -> None:
        """Write the calibration of a camera.

        Args:
            stamp_ns: ns.
            fx: Focal length, pixels.
            fy: Focal length, pixels.
            cx: Column of the optical axis.
            cy: Row of the optical axis.
            width: Pixels.
            height: Pixels.
            distortion: Up to five coefficients k1, k2, p1, p2, k3 of the lens (plumb_bob).
            topic: Topic.
            frame_id: Camera.
        """
        region = self._types.types['sensor_msgs/msg/RegionOfInterest'](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        matrices = {
            'd': np.array([*distortion, 0, 0, 0, 0, 0][:5], float),
            'k': np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], float),
            'r': np.eye(3).ravel(),
            'p': np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], float),
        }
        if self.format == 'ros1':
            matrices = {name.upper(): value for name, value in matrices.items()}
        fields = {
            'height': height,
            'width': width,
            'distortion_model': 'plumb_bob',
            'binning_x': 0,
            'binning_y': 0,
            'roi': region,
            **matrices,
        }
        self._write(topic, CAMERA_INFO, stamp_ns, frame_id, fields)

    def steering(
        self,
        stamp_ns: int,
        steering_angle: float,
        speed: float,
        *,
        topic: str = '/vehicle/steering_report',
    ) -> None:
        """Write steering and speed; both become float32.

        Args:
            stamp_ns: ns.
            steering_angle: rad at the wheel, left positive.
            speed: m/s.
            topic: Topic.
        """
        flags = ('enabled', 'override', 'driver')
        faults = ('wdc', 'bus1', 'bus2', 'calibration', 'connector')
        fields = {
            'steering_wheel_angle': steering_angle,
            'steering_wheel_angle_cmd': 0.0,
            'steering_wheel_torque': 0.0,
            'speed': speed,
            **dict.fromkeys(flags, False),
            **{f'fault_{name}': False for name in faults},
        }
        self._write(topic, STEERING, stamp_ns, '', fields)

    def _open(self, path: Path) -> Any:
        if self.format == 'ros1':
            return rosbag1.Writer(path).__enter__()
        plugin = rosbag2.StoragePlugin[self.format.upper()]
        writer = rosbag2.Writer(path, version=METADATA_VERSION, storage_plugin=plugin)
        return writer.__enter__()

    def _write(
        self, topic: str, msgtype: str, stamp_ns: int, frame_id: str, fields: dict[str, Any]
    ) -> None:
        if self._writer is None:
            raise RuntimeError('BagWriter must be used in a with statement, got a call outside')
        if not 0 <= stamp_ns < END_NS:
            raise ValueError(f'stamp_ns must be in 0..{END_NS - 1}, got {stamp_ns}')
        stamp_ns = int(stamp_ns)  # rosbags takes no NumPy integers
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, msgtype, typestore=self._types
            )
        message = self._types.types[msgtype](
            header=self._header(topic, stamp_ns, frame_id), **fields
        )
        serialize = (
            self._types.serialize_ros1 if self.format == 'ros1' else self._types.serialize_cdr
        )
        self._writer.write(self._connections[topic], stamp_ns, serialize(message, msgtype))

    def _header(self, topic: str, stamp_ns: int, frame_id: str) -> Any:
        sec, nanosec = divmod(stamp_ns, NS_PER_S)
        stamp = self._types.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
        counted = {}
        if self.format == 'ros1':
            counted['seq'] = self._sent.get(topic, 0)
            self._sent[topic] = counted['seq'] + 1
        return self._types.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id, **counted)


def _check_picture(rgb: NDArray[Any]) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        raise ValueError(f'rgb must be (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}')
