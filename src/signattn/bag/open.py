"""Tells a recording's kind from its path."""

from pathlib import Path

from signattn.bag.folder import TABLE, FolderRecording
from signattn.bag.recording import BagError, Recording
from signattn.bag.ros import RosRecording
from signattn.bag.selection import Selection


def open_recording(path: str | Path, selection: Selection | None = None) -> Recording:
    """Open a ROS 1 bag, a ROS 2 bag (sqlite3 or mcap), or an image folder.

    Topics that aren't named are found by type. Of a camera recorded both raw and compressed the
    compressed topic is read. Of several cameras the only one with ``center`` in its name is read.

    Args:
        path: A ``.bag``, ``.db3`` or ``.mcap`` file, a folder with ``metadata.yaml``, or a folder
            with ``interpolated.csv``.
        selection: What to read; found by type if not given.

    Returns:
        The recording; close it, or use it in a ``with`` statement.

    Raises:
        BagError: If there is no such recording, it is damaged, it has no camera, a named topic
            is missing, or several topics qualify.
    """
    path, selection = Path(path), selection or Selection()
    if not path.exists():
        raise BagError(f'{path} must be a bag or an image folder, got nothing there')
    if path.is_dir() and not (path / 'metadata.yaml').exists():
        if (path / TABLE).exists():
            return FolderRecording(path, selection)
        raise BagError(f'{path} {_expected_folder(path)}')
    return RosRecording(path, selection)


def _expected_folder(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    storages = [name for name in names if name.endswith(('.db3', '.mcap'))]
    hint = f'; mend it with: ros2 bag reindex {path}' if storages else ''
    listed = ', '.join(names[:5]) + (', …' if len(names) > 5 else '')
    return f'must hold metadata.yaml (ROS 2) or {TABLE}, got {listed or "nothing"}{hint}'
