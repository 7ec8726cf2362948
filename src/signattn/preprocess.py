"""From a picture to the network's input: the only place that knows how.

Training, evaluation and the vehicle run this code. What it does is written in every checkpoint.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.share import from_mapping
from signattn.shrink import shrink

HEIGHT, WIDTH = 80, 160
SCALE = (179, 255, 255)
"""Of H, S and V, what the network takes for 1."""
NS_PER_S = 1_000_000_000
MAX_GAP_S = 0.5
"""s; images or labels further apart than this don't belong together."""
MAX_PIXELS = 2**26
"""Of a compressed picture, twice what 8K has: a larger size is a damaged one."""
PHASE_GAIN = 0.1
"""Share of an image's distance to its tick by which the following ticks move."""

_CONTRACT = {
    'size': [HEIGHT, WIDTH],
    'interpolation': 'area',
    'color': 'hsv',
    'scale': list(SCALE),
}

Image = NDArray[np.uint8]


class ImageError(ValueError):
    """A picture that can't be used."""


@dataclass(frozen=True)
class Preprocessing:
    """What was done to the training pictures and must be done to every other.

    Attributes:
        crop_top: Fraction of the picture's height cut off above, in [0, 1).
        crop_bottom: Fraction of the height cut off below.
        crop_left: Fraction of the width cut off on the left.
        crop_right: Fraction of the width cut off on the right.
        rate_hz: Steps a second that the network learns.
        aspect_ratio: Width over height of the training pictures before the crop; None if unknown.
        reduced: Whether large JPEGs were decoded at a fraction of their size, which a vehicle
            doesn't do.
    """

    crop_top: float = 0.0
    crop_bottom: float = 0.0
    crop_left: float = 0.0
    crop_right: float = 0.0
    rate_hz: float = 20.0
    aspect_ratio: float | None = None
    reduced: bool = False

    def __post_init__(self) -> None:
        """Refuse crops that leave nothing and rates that aren't."""
        for first, second in (('crop_top', 'crop_bottom'), ('crop_left', 'crop_right')):
            for name in (first, second):
                if not 0 <= getattr(self, name) < 1:
                    raise ValueError(f'{name} must be in [0, 1), got {getattr(self, name)}')
            total = getattr(self, first) + getattr(self, second)
            if total >= 1:
                raise ValueError(f'{first} + {second} must be below 1, got {total}')
        if not (math.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise ValueError(f'rate_hz must be above 0, got {self.rate_hz}')
        if self.aspect_ratio is not None and not self.aspect_ratio > 0:
            raise ValueError(f'aspect_ratio must be above 0, got {self.aspect_ratio}')

    @property
    def stretch(self) -> float:
        """Horizontal over vertical scale of the network's picture, if the camera's is 1.

        A 4:3 picture squeezed to 2:1 has 1.5. 1 where the aspect ratio is unknown.
        """
        if self.aspect_ratio is None:
            return 1.0
        width = self.aspect_ratio * (1 - self.crop_left - self.crop_right)
        height = 1 - self.crop_top - self.crop_bottom
        return WIDTH / HEIGHT * height / width

    def to_mapping(self) -> dict[str, Any]:
        """The whole contract, fixed parts included, as it stands in a checkpoint."""
        mapping = dataclasses.asdict(self) | _CONTRACT
        if not self.reduced:  # as in contracts from before there was a choice
            del mapping['reduced']
        return mapping

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[str, Any], where: str = 'preprocessing'
    ) -> 'Preprocessing':
        """Read the contract back.

        Args:
            mapping: As ``to_mapping`` gives it.
            where: Named in errors.

        Returns:
            The preprocessing.

        Raises:
            ValueError: If a key is unknown or missing, or a fixed part differs from what this
                version does.
        """
        free = dict(mapping)
        missing = sorted(cls().to_mapping().keys() - free.keys())
        if missing:
            got = sorted(free)
            raise ValueError(f'{where}: keys {missing} must be given, got {got}')
        for key, ours in _CONTRACT.items():
            theirs = free.pop(key)
            if theirs != ours:
                raise ValueError(f'{where}: {key} must be {ours}, got {theirs}')
        return from_mapping(cls, free, where)


def network_input(image: Image, preprocessing: Preprocessing) -> Image:
    """Crop a picture, shrink it by area averaging, and convert it to HSV.

    Args:
        image: (H, W, 3) uint8, RGB.
        preprocessing: The crop.

    Returns:
        (80, 160, 3) uint8, HSV with H in 0..179, S and V in 0..255.

    Raises:
        ImageError: If image is no (H, W, 3) uint8 or too small to be cropped.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        got = f'{image.shape} {image.dtype}'
        raise ImageError(f'image must be (H, W, 3) uint8, got {got}')
    height, width = image.shape[:2]
    top, bottom = round(height * preprocessing.crop_top), round(height * preprocessing.crop_bottom)
    left, right = round(width * preprocessing.crop_left), round(width * preprocessing.crop_right)
    cropped = image[top : height - bottom, left : width - right]
    if cropped.size == 0:
        raise ImageError(f'image must be large enough to be cropped, got {height}×{width}')
    small = shrink(cropped, HEIGHT, WIDTH)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2HSV), np.uint8)


def scale(frames: Image) -> NDArray[np.float32]:
    """Stored frames to the network's numbers.

    Args:
        frames: (..., 80, 160, 3) uint8, HSV.

    Returns:
        (..., 3, 80, 160) float32: H/179, S/255, V/255.
    """
    scaled = np.moveaxis(frames, -1, -3).astype(np.float32, order='C')
    scaled /= np.array(SCALE, np.float32)[:, None, None]
    return scaled


def unscale(scaled: NDArray[np.float32]) -> Image:
    """The network's numbers to stored frames: undoes ``scale``.

    Args:
        scaled: (..., 3, 80, 160) float32.

    Returns:
        (..., 80, 160, 3) uint8, HSV.
    """
    levels = np.rint(scaled * np.array(SCALE, np.float32)[:, None, None])
    return np.ascontiguousarray(np.moveaxis(levels, -3, -1), np.uint8)


_CHANNELS = {'mono8': 1, 'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, '8UC1': 1, '8UC3': 3}
_TO_RGB = {
    'mono8': cv2.COLOR_GRAY2RGB,
    '8UC1': cv2.COLOR_GRAY2RGB,
    'bgr8': cv2.COLOR_BGR2RGB,
    '8UC3': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    # OpenCV names a Bayer pattern by the second row's second and third pixel, ROS by the first
    # row's first two.
    'bayer_rggb8': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr8': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg8': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg8': cv2.COLOR_BayerGB2RGB,
    'yuv422': cv2.COLOR_YUV2RGB_UYVY,
    'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUYV,
    'yuyv': cv2.COLOR_YUV2RGB_YUYV,
}
_BYTES_PER_PIXEL = (
    _CHANNELS
    | dict.fromkeys(('mono16', '16UC1'), 2)
    | {f'bayer_{pattern}8': 1 for pattern in ('rggb', 'bggr', 'gbrg', 'grbg')}
    | dict.fromkeys(('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'), 2)
)
ENCODINGS = tuple(sorted(_BYTES_PER_PIXEL))
"""Raw image encodings that ``decode_raw`` knows."""


def decode_raw(
    data: Any, *, encoding: str, height: int, width: int, step: int, is_bigendian: bool
) -> Image:
    """Decode the pixels of a sensor_msgs/Image; padded rows are cut.

    Args:
        data: Buffer of bytes, ``height`` rows of ``step`` bytes.
        encoding: Name from sensor_msgs/image_encodings; one of ``ENCODINGS``.
        height: Rows.
        width: Pixels in a row.
        step: Bytes from one row to the next, padding included.
        is_bigendian: Byte order of 16-bit pixels.

    Returns:
        (height, width, 3) uint8, RGB. 16-bit grey keeps its upper byte.

    Raises:
        ImageError: If the encoding is unknown or the sizes don't fit together.
    """
    if encoding not in _BYTES_PER_PIXEL:
        raise ImageError(f'encoding must be one of {", ".join(ENCODINGS)}, got {encoding!r}')
    row = width * _BYTES_PER_PIXEL[encoding]
    if height < 1 or width < 1:
        raise ImageError(f'image must have pixels, got {height}×{width}')
    if step < row:
        raise ImageError(f'step must be at least {row} bytes for {encoding}, got {step}')
    buffer = np.frombuffer(data, np.uint8)
    # The last row's padding may be missing: nothing needs it.
    if buffer.size < step * (height - 1) + row:
        raise ImageError(f'data must have {step * height} bytes, got {buffer.size}')
    rows = np.lib.stride_tricks.as_strided(buffer, (height, row), (step, 1), writeable=False)
    return _to_rgb(np.ascontiguousarray(rows), encoding, width, is_bigendian=is_bigendian)


def _to_rgb(rows: Image, encoding: str, width: int, *, is_bigendian: bool) -> Image:
    height = rows.shape[0]
    if encoding == 'rgb8':
        return rows.reshape(height, width, 3)
    if encoding in ('mono16', '16UC1'):
        upper = rows[:, 0::2] if is_bigendian else rows[:, 1::2]
        return np.repeat(upper[:, :, None], 3, axis=2)
    channels = rows.shape[1] // width
    if _TO_RGB[encoding] in (cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_YUV2RGB_YUYV) and width % 2:
        raise ImageError(f'width must be even for {encoding}, got {width}')
    if encoding.startswith('bayer') and min(height, width) < 4:
        raise ImageError(
            f'image must have at least 4×4 pixels for {encoding}, got {height}×{width}'
        )
    shaped = rows.reshape(height, width, channels) if channels > 1 else rows
    return np.asarray(cv2.cvtColor(shaped, _TO_RGB[encoding]), np.uint8)


def decode_compressed(data: Any, format: str = '') -> Image:  # noqa: A002 (the message's name)
    """Decode a JPEG or PNG picture.

    Args:
        data: Buffer of bytes, the whole file.
        format: The message's format, for the error only: the bytes say what they are.

    Returns:
        (H, W, 3) uint8, RGB. Grey becomes three equal channels, 16 bit keeps its upper byte.

    Raises:
        ImageError: If the bytes are no readable picture, or a JPEG or PNG that is cut off or of
            more than ``MAX_PIXELS``.
    """
    buffer = np.frombuffer(data, np.uint8)
    refuse_too_large(buffer.tobytes())
    _refuse_cut_off(buffer.tobytes())
    try:
        image = _decode_rgb(buffer) if buffer.size else None
    except cv2.error as error:
        raise ImageError(f'data must be a picture, got an undecodable one: {error}') from error
    if image is None:
        start = buffer[:8].tobytes().hex(' ') or 'nothing'
        named = f' (format {format!r})' if format else ''
        raise ImageError(
            f'data must be a JPEG or PNG picture, got {buffer.size} bytes{named}: {start}'
        )
    return image


def _decode_rgb(buffer: Image) -> Image | None:
    flags = cv2.IMREAD_IGNORE_ORIENTATION
    if _READ_RGB is not None:
        image = cv2.imdecode(buffer, _READ_RGB | flags)
        return None if image is None else np.asarray(image, np.uint8)
    image = cv2.imdecode(buffer, cv2.IMREAD_COLOR | flags)
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


# Older versions of OpenCV decode to BGR only.
_READ_RGB: int | None = getattr(cv2, 'IMREAD_COLOR_RGB', None)

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xd9'
_JPEG_SCAN = b'\xda'
_JPEG_FRAMES = bytes(set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC})
# What begins or ends a segment: no stuffed zero, no restart marker, no fill byte.
_JPEG_MARKER = re.compile(rb'\xff([^\x00\x01\xd0-\xd8\xff])')


def refuse_too_large(data: bytes) -> None:
    """Refuse a size for which a decoder would take all memory, whatever little data follows.

    Args:
        data: A JPEG or PNG; anything else passes.

    Raises:
        ImageError: If its header says more than ``MAX_PIXELS``.
    """
    size = b''
    if data.startswith(_PNG_SIGNATURE):
        size = data[20:24] + data[16:20]
    elif data.startswith(_JPEG_START):
        size = _jpeg_size(data)
    middle = len(size) // 2
    height, width = (int.from_bytes(part, 'big') for part in (size[:middle], size[middle:]))
    if height * width > MAX_PIXELS:
        raise ImageError(
            f'data must be a picture of at most {MAX_PIXELS} pixels, got {height}×{width}'
        )


def _jpeg_size(data: bytes) -> bytes:
    place = len(_JPEG_START)
    while marker := _JPEG_MARKER.search(data, place):
        if marker[1] in (_JPEG_SCAN, _JPEG_END):
            break
        if marker[1] in _JPEG_FRAMES:
            # Behind the segment's length and the bits of a colour.
            return data[marker.end() + 3 : marker.end() + 7]
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], 'big')
    return b''


def _refuse_cut_off(data: bytes) -> None:
    """Refuse what some versions of OpenCV fill with grey; bytes behind the picture are allowed."""
    for name, start, is_whole in (
        ('JPEG', _JPEG_START, _jpeg_is_whole),
        ('PNG', _PNG_SIGNATURE, _png_is_whole),
    ):
        if data.startswith(start) and not is_whole(data):
            raise ImageError(
                f'data must be a whole {name} picture, got {len(data)} bytes without its end'
            )


def _jpeg_is_whole(data: bytes) -> bool:
    # From segment to segment up to the picture itself: a thumbnail inside one of them has an end
    # marker of its own. Behind that point only the end looks like one.
    place = len(_JPEG_START)
    while marker := _JPEG_MARKER.search(data, place):
        if marker[1] == _JPEG_SCAN:
            return data.rfind(b'\xff' + _JPEG_END, marker.end()) >= 0
        if marker[1] == _JPEG_END:
            return False
        length = data[marker.end() : marker.end() + 2]
        place = marker.end() + int.from_bytes(length, 'big')
    return False


def _png_is_whole(data: bytes) -> bool:
    # A chunk is its length, its type, its data, and a checksum.
    place = len(_PNG_SIGNATURE)
    while place + 12 <= len(data):
        kind = data[place + 4 : place + 8]
        place += 12 + int.from_bytes(data[place : place + 4], 'big')
        if kind == b'IEND':
            return place <= len(data)
    return False


class RateGate:
    """Keeps the image nearest to each tick of a rate, from the stamps alone, as they come.

    The network learns steps of one length. A faster camera is thinned to the images nearest to the
    ticks; a slower one passes whole. The ticks follow the camera's own clock slowly, so that a
    camera of nearly the same rate loses nothing to drift and jitter.
    """

    def __init__(self, rate_hz: float, max_gap_s: float = MAX_GAP_S) -> None:
        """Start before the first image.

        Args:
            rate_hz: Ticks a second.
            max_gap_s: s; a longer gap, or a stamp that goes backwards, starts afresh.

        Raises:
            ValueError: If rate_hz or max_gap_s isn't above 0.
        """
        if not rate_hz > 0:
            raise ValueError(f'rate_hz must be above 0, got {rate_hz}')
        if not max_gap_s > 0:
            raise ValueError(f'max_gap_s must be above 0, got {max_gap_s}')
        self._tick_ns = NS_PER_S / rate_hz
        self._max_gap_ns = max_gap_s * NS_PER_S
        self.reset()

    def reset(self) -> None:
        """Take the next image as the first."""
        self._last: int | None = None
        self._due = 0.0  # ns behind the last image
        self._interval: float | None = None  # ns between images; the second one tells

    def accept(self, stamp_ns: int) -> bool:
        """Whether the image is the one to use for the tick that is due.

        Args:
            stamp_ns: ns, the image's stamp.

        Returns:
            True if it is to be used, False if it is to be skipped.
        """
        if self._last is None or not 0 < stamp_ns - self._last <= self._max_gap_ns:
            if self._last == stamp_ns:
                return False
            self.reset()
            self._last = stamp_ns
            self._due = self._tick_ns
            return True
        passed = stamp_ns - self._last
        self._last = stamp_ns
        interval = min(passed, self._tick_ns)
        if self._interval is None:
            self._interval = interval
        self._interval += PHASE_GAIN * (interval - self._interval)
        self._due -= passed
        # The next image would come one interval later: this one is nearest to the tick if the
        # tick is at most half an interval away.
        if self._due > self._interval / 2:
            return False
        # Ticks that passed without an image are gone: none is made up for later.
        error = -self._due
        missed = max(0, math.floor(error / self._tick_ns))
        late = error - missed * self._tick_ns
        self._due = self._tick_ns - late + PHASE_GAIN * late
        return True
