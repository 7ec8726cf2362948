"""Where a drive grows until it is whole."""

import errno
import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from signattn.convert.watch import FILE
from signattn.drive import DESCRIPTION, FRAMES, SAMPLES, DriveError

PATIENCE_S = 3.0
"""s; a killed run's workers need a moment to end."""

_PARTS = {FRAMES, SAMPLES, DESCRIPTION, FILE}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Place:
    """A hidden folder beside the drive's place, which becomes the drive when that is whole.

    The file of the frames is locked as long as its writer lives, so that what a killed run left
    behind can be told from what another run is writing.

    Attributes:
        out: Where the drive will be.
        folder: Where it grows.
        frames: The file of the frames, open for writing, empty at first.
    """

    def __init__(self, out: Path) -> None:
        """Name the folder; entering makes and locks it.

        Args:
            out: Where the drive will be.
        """
        self.out = out
        self.folder = partial(out)
        self.frames: BinaryIO
        self._finished = False

    def __enter__(self) -> 'Place':  # noqa: PYI034 (Self came with Python 3.11)
        self.frames = os.fdopen(_lock(self.folder), 'r+b')
        self.frames.truncate(0)
        for entry in self.folder.iterdir():
            if entry.name != FRAMES:
                _remove(entry)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        # Behind the end another run may have a folder of this name; before it the folder goes
        # before the lock, so that nobody takes it over half removed.
        if not self._finished:
            shutil.rmtree(self.folder, ignore_errors=True)
        # What can't be flushed is lost with the folder.
        with suppress(OSError):
            self.frames.close()

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the drive.

        Args:
            name: Its name.
            data: All of it.

        Raises:
            OSError: If it can't be written.
        """
        with (self.folder / name).open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> None:
        """Let the drive appear, whole and on the disk.

        Raises:
            OSError: If it can't be written.
        """
        self.frames.flush()
        os.fsync(self.frames.fileno())
        _sync(self.folder)
        self.folder.rename(self.out)
        self._finished = True
        _sync(self.out.parent)


def partial(out: Path) -> Path:
    """The folder in which a drive grows."""
    return out.with_name(f'.{out.name}.partial')


def sweep(folder: Path) -> None:
    """Remove what killed runs left behind; what another run is writing stays.

    Args:
        folder: Where drives are.
    """
    for left in folder.glob('.*.partial'):
        if not _is_ours(left):
            continue
        try:
            descriptor = os.open(left / FRAMES, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # its writer was faster
        try:
            if _try_lock(descriptor):
                shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(descriptor)


def full_disk(error: OSError, out: Path) -> DriveError | None:
    """What to say if a drive can't be written for want of room.

    Args:
        error: What happened.
        out: Where the drive would be.

    Returns:
        The error to raise; None if it was something else.
    """
    if error.errno not in _FULL:
        return None
    return DriveError(
        f'{out.parent} must have room for the drive {out.name}, got: {error.strerror}; '
        'make room there, or name another --out, and start again: finished drives stay'
    )


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds nothing but parts of a drive: others use such names too."""
    return folder.is_dir() and {entry.name for entry in folder.iterdir()} <= _PARTS


def _lock(folder: Path) -> int:
    """The locked descriptor of the frames' file in a folder, which is made if need be."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder / FRAMES, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # swept away in between
        if _try_lock(descriptor) and _is_still(descriptor, folder / FRAMES):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise DriveError(
                f'{folder} must not be in use, got another run that is writing there: '
                'let it end, or name another --out'
            )
        time.sleep(0.05)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to an open file, which may have been moved or removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _sync(folder: Path) -> None:
    """Put a folder's entries on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
