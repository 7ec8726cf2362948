"""Finds the recordings among files, folders and patterns."""

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from signattn.bag.folder import TABLES
from signattn.bag.recording import BagError

METADATA = 'metadata.yaml'
STORAGES = ('.db3', '.mcap', '.db3.zstd', '.mcap.zstd')
"""Files of ROS 2 bags."""
BAGS = ('.bag', '.bag.active', *STORAGES)
DRIVE = ('drive.yaml', 'frames.npy')
"""Files of a converted drive, which is no recording."""
PATTERN = re.compile(r'[*?\[]')


def find_recordings(paths: Sequence[str | Path]) -> list[Path]:
    """Recordings that are named, or lie in named folders, or match patterns.

    A folder that is a recording counts as one; any other is searched, folders below it too, in
    the order of names. Hidden files and folders and converted drives are passed over. So is
    ``NAME.orig.bag`` beside ``NAME.bag``, which ``rosbag reindex`` leaves.

    Args:
        paths: Files, folders, and patterns such as ``bags/2016-*/*.bag`` (``**`` for any depth).

    Returns:
        The recordings in the order given, each once. A file that is named is taken as it is.

    Raises:
        BagError: If there is nothing at a path, or no recording in it.
    """
    found: dict[Path, Path] = {}
    for given in paths:
        try:
            recordings = list(_expand(given))
        except OSError as error:
            raise BagError(f'{given} must be readable, got {error}') from error
        if not recordings:
            raise BagError(f'{given} must be or hold a recording, got {_listed(given)}')
        for path in recordings:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def storages(folder: Path) -> list[Path]:
    """The files in a folder that a ROS 2 bag may be stored in, by name."""
    return [
        file
        for file in sorted(folder.iterdir(), key=_numbered)
        if file.name.endswith(STORAGES) and not file.name.startswith('.') and file.is_file()
    ]


def is_recording(path: Path) -> bool:
    """Whether a path looks like one recording: a bag's file or folder, or an image folder."""
    if not path.is_dir():
        return path.name.endswith(BAGS)
    if any((path / name).exists() for name in (METADATA, *TABLES)):
        return True
    # Without metadata: NAME_0, NAME_1, … are one bag, files of any names are one recording each.
    stems = {re.sub(r'(_\d+)?\..*', '', file.name) for file in storages(path)}
    return len(stems) == 1


def _expand(given: str | Path) -> Iterator[Path]:
    path = Path(given)
    if path.is_dir():
        yield from _search(path, set())
    elif path.exists():
        yield path
    elif PATTERN.search(str(given)):
        # Path.glob takes no absolute patterns.
        for match in sorted(glob.glob(str(given), recursive=True)):  # noqa: PTH207 (as said)
            yield from _search(Path(match), set())
    else:
        raise BagError(f'{given} must be a bag or an image folder, got nothing there')


def _search(path: Path, seen: set[Path]) -> Iterator[Path]:
    if is_recording(path):
        yield path
    elif path.is_dir() and path.resolve() not in seen and not _is_drive(path):
        seen.add(path.resolve())  # a link may lead back up
        for entry in sorted(path.iterdir()):
            if not entry.name.startswith('.') and not _is_backup(entry):
                yield from _search(entry, seen)


def _is_drive(folder: Path) -> bool:
    return all((folder / name).exists() for name in DRIVE)


def _is_backup(file: Path) -> bool:
    mended = file.with_name(file.name.removesuffix('.orig.bag') + '.bag')
    return file.name.endswith('.orig.bag') and mended.exists()


def _numbered(path: Path) -> list[tuple[int, str]]:
    """Sorts bag_10 behind bag_9."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(part), '') if part.isdecimal() else (0, part) for part in parts]


def _listed(given: str | Path) -> str:
    path = Path(given)
    if not path.is_dir():
        return 'nothing that matches' if PATTERN.search(str(given)) else 'none'
    return listed(entry.name for entry in path.iterdir())


def listed(names: Iterable[str]) -> str:
    """The first few names, for errors."""
    ordered = sorted(names)
    return ', '.join(ordered[:5]) + (', …' if len(ordered) > 5 else '') or 'nothing'
