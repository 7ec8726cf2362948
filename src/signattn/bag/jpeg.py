"""JPEGs decoded with an ear for damage.

OpenCV answers a JPEG that is damaged in its middle with a picture of grey or shifted blocks, and
doesn't say so. This decoder is of the same family, gives the same pixels, and tells.
"""

import math
import re
import threading

import numpy as np
import simplejpeg

from signattn.preprocess import HEIGHT, WIDTH, Image, ImageError, Preprocessing, decode_compressed

START, _END = b'\xff\xd8', b'\xff\xd9'
_LARGEST_FACTOR = 4
_LEFT_OVER = re.compile(r'(\d+) extraneous bytes before marker 0xd9')


class Scratch(threading.local):
    """Memory for a decoded picture, in each thread: written over and over, it stays cached."""

    def __init__(self) -> None:
        self._memory: Image = np.empty(0, np.uint8)

    def room(self, size: int) -> Image:
        """Memory of this many bytes, the same as last time where that suffices."""
        if self._memory.size < size:
            self._memory = np.empty(size, np.uint8)
        return self._memory[:size]


def decode_jpeg(
    data: bytes, preprocessing: Preprocessing | None = None, scratch: Scratch | None = None
) -> Image:
    """Decode a JPEG whole, or smaller where the preprocessing asks for that.

    Args:
        data: The file.
        preprocessing: With ``reduced``, the picture is decoded at a half or a quarter of its size,
            if the network's input is still no larger than what is left of it.
        scratch: Where the picture may stand until the thread's next one; memory of its own if not
            given.

    Returns:
        (H, W, 3) uint8, RGB; the same pixels as ``decode_compressed``, if not reduced.

    Raises:
        ImageError: If the bytes are no picture, or a damaged one.
    """
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        factor = _factor(height, width, preprocessing) if preprocessing else 1
        height, width = math.ceil(height / factor), math.ceil(width / factor)
        image = simplejpeg.decode_jpeg(
            data,
            'RGB',
            min_factor=factor,
            min_height=height,
            min_width=width,
            buffer=scratch.room(height * width * 3) if scratch else None,
            strict=True,
        )
        return np.asarray(image, np.uint8)
    except ValueError as error:
        # Says what is wrong, where it knows; reads what the other doesn't, such as CMYK.
        image = decode_compressed(data, 'jpeg')
        if _is_damage(str(error), data):
            raise ImageError(f'data must be an undamaged JPEG picture, got: {error}') from error
        return image


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Size of a JPEG as it stands in its header.

    Args:
        data: The file.

    Returns:
        Height and width.

    Raises:
        ImageError: If it has no header.
    """
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise ImageError(f'data must be a JPEG picture, got: {error}') from error
    return height, width


def _factor(height: int, width: int, preprocessing: Preprocessing) -> int:
    """By how much a picture may shrink in decoding."""
    if not preprocessing.reduced:
        return 1
    cropped_height = height * (1 - preprocessing.crop_top - preprocessing.crop_bottom)
    cropped_width = width * (1 - preprocessing.crop_left - preprocessing.crop_right)
    factor = _LARGEST_FACTOR
    while factor > 1 and (cropped_height < factor * HEIGHT or cropped_width < factor * WIDTH):
        factor //= 2
    return factor


def _is_damage(said: str, data: bytes) -> bool:
    if 'Unsupported color conversion' in said:
        return False
    if left := _LEFT_OVER.search(said):
        # Cameras pad; what damage leaves over is pieces of picture.
        end = data.rfind(_END)
        return len(set(data[end - int(left[1]) : end])) > 1
    return True
