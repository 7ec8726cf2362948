"""Tells a recording's kind from its path."""

from pathlib import Path

from signattn.bag.find import METADATA, listed, storages
from signattn.bag.folder import TABLES, FolderRecording
from signattn.bag.recording import BagError, Recording
from signattn.bag.ros import RosRecording
from signattn.bag.selection import Selection


def open_recording(
    path: str | Path, selection: Selection | None = None, *, tolerant: bool = False
) -> Recording:
    """Open a ROS 1 bag, a ROS 2 bag (sqlite3 or mcap), or an image folder.

    Topics that aren't named are found by type. Of a camera recorded both raw and compressed the
    compressed topic is read. Of several cameras the only one with ``center`` in its name is read.

    Args:
        path: A ``.bag``, ``.db3`` or ``.mcap`` file, a folder with such files, or a folder
            with ``interpolated.csv`` or the Udacity simulator's ``driving_log.csv``.
        selection: What to read; found by type if not given.
        tolerant: Whether a recording is opened that can't be read as asked; its ``problems`` say
            why.

    Returns:
        The recording; close it, or use it in a ``with`` statement.

    Raises:
        BagError: If there is no such recording, nothing of it can be read, it has no camera, a
            named topic is missing, or several topics qualify.
    """
    recording = _open(Path(path), selection or Selection())
    if recording.problems and not tolerant:
        recording.close()
        raise BagError(recording.problems[0])
    return recording


def _open(path: Path, selection: Selection) -> Recording:
    if not path.exists():
        raise BagError(f'{path} must be a bag or an image folder, got nothing there')
    if selection.msg_path and not selection.msg_path.is_dir():
        raise BagError(f'--msg-path must be a folder with .msg files, got {selection.msg_path}')
    try:
        if path.is_dir() and not (path / METADATA).exists():
            for name, table in TABLES.items():
                if (path / name).exists():
                    return FolderRecording(path, selection, table)
            if not storages(path):
                names = listed(entry.name for entry in path.iterdir())
                wanted = ' or '.join(['the files of a ROS 2 bag', *TABLES])
                raise BagError(f'{path} must hold {wanted}, got {names}')
        return RosRecording(path, selection)
    except OSError as error:
        raise BagError(f'{path} must be readable, got {error}') from error
