"""How far a drive is, told through a file, so that it can be seen from another process."""

import os
import struct
import time
from pathlib import Path
from typing import BinaryIO

FILE = 'progress'
_PAIR = struct.Struct('<qq')
_EVERY_S = 0.2


class StoppedError(Exception):
    """The run was asked to end."""


class Watch:
    """Tells in a drive's folder how many of its images are done, and ends when asked to.

    Processes and clusters have no other way in common, for the progress and for Ctrl-C.
    """

    def __init__(self, folder: Path, total: int, stop: Path | None) -> None:
        """Begin at none.

        Args:
            folder: Where the drive grows.
            total: Images of the recording.
            stop: The work is to end when this file appears.
        """
        self._path = folder / FILE
        self._total = total
        self._stop = stop
        self._file: BinaryIO = self._path.open('wb', buffering=0)
        self._next_s = 0.0

    def done(self, images: int) -> None:
        """Tell how far it is, at most five times a second.

        Args:
            images: Images that were read so far.

        Raises:
            StoppedError: If the run was asked to end.
        """
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        os.pwrite(self._file.fileno(), _PAIR.pack(images, self._total), 0)
        if self._stop and self._stop.exists():
            raise StoppedError('the run was asked to end')

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def images_done(folder: Path) -> tuple[int, int] | None:
    """Images that are done, and all, of a drive that is growing.

    Args:
        folder: Where it grows.

    Returns:
        Both; None if nothing is known yet, or it is no longer there.
    """
    try:
        data = (folder / FILE).read_bytes()
    except OSError:
        return None
    return _PAIR.unpack(data) if len(data) == _PAIR.size else None
