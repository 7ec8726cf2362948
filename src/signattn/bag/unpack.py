"""Unpacks compressed data, and no more of it than is announced."""

import bz2
from collections.abc import Callable

import lz4.frame
import zstandard

from signattn.bag.raw import MAX_BYTES

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'

INFLATE: dict[str, Callable[[bytes, int], bytes]] = {
    'bz2': lambda data, most: bz2.BZ2Decompressor().decompress(data, most),
    'lz4': lambda data, most: bytes(lz4.frame.LZ4FrameDecompressor().decompress(data, most)),
    'zstd': lambda data, most: zstandard.ZstdDecompressor().stream_reader(data).read(most),
}


def unpack(data: bytes, compression: str, size: int) -> bytes:
    """Unpack data whose size is known.

    Args:
        data: Packed.
        compression: ``none`` or empty, ``bz2``, ``lz4`` or ``zstd``.
        size: Bytes that it must have unpacked.

    Returns:
        ``size`` bytes.

    Raises:
        ValueError: If it has another size, or is damaged.
    """
    if compression in ('', 'none'):
        content = data
    elif compression not in INFLATE:
        raise ValueError(f'compression {compression!r}, none of {", ".join(INFLATE)}')
    elif size > MAX_BYTES:
        raise ValueError(f'{size} bytes unpacked, more than {MAX_BYTES}')
    else:
        try:
            content = INFLATE[compression](data, size + 1)
        except (OSError, RuntimeError, ValueError, EOFError, zstandard.ZstdError) as error:
            raise ValueError(f'damaged {compression}: {error}') from error
    if len(content) != size:
        raise ValueError(f'{len(content)} bytes unpacked, where {size} are announced')
    return content


def unpack_message(data: bytes) -> bytes:
    """A message of a ROS 2 bag, unpacked where it was stored packed by itself.

    Raises:
        ValueError: If it is damaged.
    """
    if data[:4] != ZSTD_MAGIC:  # serialised messages begin with a 0
        return data
    try:
        size = zstandard.frame_content_size(data)
    except zstandard.ZstdError as error:
        raise ValueError(f'damaged zstd: {error}') from error
    if size >= 0:
        return unpack(data, 'zstd', size)
    return INFLATE['zstd'](data, MAX_BYTES)
