"""What every recording gives, whatever it is stored in."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from signattn.bag.jpeg import START, Scratch, decode_jpeg
from signattn.preprocess import (
    Image,
    ImageError,
    Preprocessing,
    decode_compressed,
    decode_raw,
    refuse_too_large,
)

Format = Literal['ros1', 'sqlite3', 'mcap', 'folder']
Quantity = Literal['steering_angle', 'tyre_angle', 'yaw_rate', 'curvature', 'speed']
"""rad at the wheel, rad at the tyre, rad/s, 1/m, m/s."""


class BagError(ValueError):
    """A recording that can't be read, or written, as asked."""


@dataclass(frozen=True)
class Topic:
    """One stream of a recording.

    Attributes:
        name: Topic; in an image folder the camera's frame_id, or a column.
        type: Message type such as ``sensor_msgs/msg/Image``; ``image file`` or ``column``.
        count: Messages, files, or filled cells.
    """

    name: str
    type: str
    count: int


@dataclass(frozen=True, eq=False)
class CameraImage:
    """One picture as it was recorded, not yet decoded.

    Attributes:
        stamp_ns: ns, from the message's header; ``received_ns`` where that is 0.
        received_ns: ns, when the recorder received it.
        frame_id: Camera that took it.
        source: Where it stands, for errors: path, topic and time, or the file.
        data: (bytes,) uint8, pixels or a compressed file.
        encoding: Encoding of raw pixels; empty if compressed.
        format: Format of a compressed picture; empty if raw.
        height: Rows of a raw picture; 0 if compressed.
        width: Pixels a row of a raw picture; 0 if compressed.
        step: Bytes from row to row of a raw picture; 0 if compressed.
        is_bigendian: Byte order of raw 16-bit pixels.
    """

    stamp_ns: int
    received_ns: int
    frame_id: str
    source: str
    data: NDArray[np.uint8]
    encoding: str = ''
    format: str = ''
    height: int = 0
    width: int = 0
    step: int = 0
    is_bigendian: bool = False

    def rgb(
        self, preprocessing: Preprocessing | None = None, scratch: Scratch | None = None
    ) -> Image:
        """Decode the picture.

        Args:
            preprocessing: With ``reduced``, a large JPEG is decoded at a fraction of its size.
            scratch: Where a JPEG's picture may stand until the thread's next one; faster.

        Returns:
            (H, W, 3) uint8, RGB.

        Raises:
            ImageError: If it is missing, damaged, or of an unknown encoding.
        """
        try:
            if not self.encoding:
                data = self.data.tobytes()
                if data.startswith(START):
                    refuse_too_large(data)
                    return decode_jpeg(data, preprocessing, scratch)
                return decode_compressed(data, self.format)
            return decode_raw(
                self.data,
                encoding=self.encoding,
                height=self.height,
                width=self.width,
                step=self.step,
                is_bigendian=self.is_bigendian,
            )
        except ImageError as error:
            raise ImageError(f'{self.source}: {error}') from error


@dataclass(frozen=True, eq=False)
class Series:
    """A measured quantity over time, as recorded: gaps and stamps that go backwards included.

    Attributes:
        quantity: What was measured.
        stamp_ns: (N,) int64, ns, in the order of recording.
        values: (N,) float64, in the quantity's unit, left positive; NaN where unknown.
    """

    quantity: Quantity
    stamp_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, quantity: Quantity, stamp_ns: Sequence[int], values: Sequence[float]) -> 'Series':
        """From the stamp (ns) and the value of every message."""
        return cls(quantity, np.array(stamp_ns, np.int64), np.array(values, float))


@dataclass(frozen=True)
class Signals:
    """What a recording says about steering and speed.

    Attributes:
        steering: The turn, in one of its quantities; None if the recording has no steering.
        speed: The speed; None if the recording has none. Its stamps may be others.
    """

    steering: Series | None
    speed: Series | None


@dataclass(frozen=True)
class Damage:
    """Something in a recording that can't be read and was left out.

    Attributes:
        where: File with byte offset, or topic with message.
        what: What is wrong there.
    """

    where: str
    what: str


@dataclass(frozen=True, eq=False)
class Times:
    """When the messages of a topic were stamped and received, in the order of recording.

    Attributes:
        stamp_ns: (N,) int64, ns, from the headers as they are, 0 included; None for a type
            without stamp, and where a type has no definition.
        received_ns: (N,) int64, ns.
    """

    stamp_ns: NDArray[np.int64] | None
    received_ns: NDArray[np.int64]


class Recording(ABC):
    """One camera of a recorded drive, with its steering where there is any.

    Attributes:
        path: File or folder.
        format: How it is stored.
        strict: Whether damage is an error.
        topics: Everything in it, by name.
        image_topic: The camera that ``images`` reads; empty if it can't be told.
        steering_topic: The topic that ``signals`` reads; None if there is no steering.
        speed_topic: The topic that its speed comes from; None if there is no speed.
        problems: Why it can't be read as asked, such as several cameras; most have none.
        notes: What a user should know about it, found while reading; each remark once.
        damage: What could not be read so far and was left out; each once.
    """

    path: Path
    format: Format
    topics: list[Topic]

    def __init__(self, path: Path, *, strict: bool) -> None:
        self.path = path
        self.strict = strict
        self.image_topic = ''
        self.steering_topic: str | None = None
        self.speed_topic: str | None = None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.damage: list[Damage] = []
        self._lost: set[Damage] = set()

    @abstractmethod
    def cameras(self) -> list[str]:
        """Names of all cameras, sorted; of one recorded raw and compressed the compressed one."""

    @abstractmethod
    def side_cameras(self) -> dict[str, str]:
        """The cameras beside ``image_topic``.

        Returns:
            Name by side, ``left`` and ``right``, as far as they are there; empty if
            ``image_topic`` isn't the centre camera.
        """

    @abstractmethod
    def images(self, camera: str | None = None) -> Iterator[CameraImage]:
        """Pictures in the order of recording, one in memory at a time.

        Stamps may go backwards; ``order.in_order`` tells which ones to leave out.

        Args:
            camera: One of ``cameras()``; ``image_topic`` if not given.

        Yields:
            The pictures, undecoded.

        Raises:
            BagError: If there is no such camera, or with ``strict`` if the recording is damaged.
        """

    @abstractmethod
    def times(self) -> dict[str, Times]:
        """When the messages of every topic were stamped and received.

        Returns:
            Times by topic, in an image folder by camera.

        Raises:
            BagError: With ``strict``, if the recording is damaged.
        """

    @abstractmethod
    def signals(self) -> Signals:
        """Steering and speed of the whole recording.

        Returns:
            Both, in the order of recording.

        Raises:
            BagError: With ``strict``, if the recording is damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the files."""

    def note(self, text: str) -> None:
        """Leave a remark, unless it stands there already."""
        if text not in self.notes:
            self.notes.append(text)

    def lose(self, where: str, what: str) -> None:
        """Go on without something that can't be read.

        Raises:
            BagError: With ``strict``.
        """
        if self.strict:
            raise BagError(f'{self.path}: {where} {what}')
        damage = Damage(where, what)
        if damage not in self._lost:
            self._lost.add(damage)
            self.damage.append(damage)

    def __enter__(self) -> 'Recording':  # noqa: PYI034 (Self came with Python 3.11)
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
