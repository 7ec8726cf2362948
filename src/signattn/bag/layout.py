"""The files of a bag: those in its folder, and unpacked ones of those that are packed whole."""

import shutil
import tempfile
import weakref
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import zstandard

from signattn.bag.find import METADATA, listed, storages
from signattn.bag.raw import Report
from signattn.bag.recording import BagError, Format
from signattn.share import read_yaml

SUFFIXES: dict[str, Format] = {
    '.bag': 'ros1',
    '.bag.active': 'ros1',
    '.db3': 'sqlite3',
    '.mcap': 'mcap',
}
ZSTD = '.zstd'
PIECE = 2**20
"""As many bytes are unpacked at once."""


def bag_files(path: Path, report: Report) -> tuple[list[Path], Format]:
    """The files of a bag: those that metadata.yaml names, or else all there are.

    Args:
        path: A file, or a folder of a ROS 2 bag.
        report: Where remarks go, and damage: files that are missing.

    Returns:
        The files, at least one, and how they are stored.

    Raises:
        BagError: If there is none, or they are of several kinds.
    """
    files = _in_folder(path, report) if path.is_dir() else [path]
    first, *others = {_format(file) for file in files}
    if others:
        names = listed(file.name for file in files)
        raise BagError(f'{path} must be stored as sqlite3 or mcap, got both: {names}')
    return files, first


def _format(path: Path) -> Format:
    """How a file is stored, from its name."""
    name = path.name.removesuffix(ZSTD)
    for suffix, stored in SUFFIXES.items():
        if name.endswith(suffix):
            return stored
    raise BagError(f'{path} must end in {", ".join(SUFFIXES)} or be a folder, got {path.name}')


def _in_folder(folder: Path, report: Report) -> list[Path]:
    there = storages(folder)
    if not there:
        names = listed(entry.name for entry in folder.iterdir())
        raise BagError(f'{folder} must hold .db3 or .mcap files, got {names}')
    named = _named(folder, report)
    files = [file for file in there if file.name in named]
    if not files:
        names = listed(file.name for file in there)
        report.note(f'no {METADATA} names its files; read in the order of time: {names}')
        return there
    for name in sorted(named - {file.name for file in files}):
        report.lose(name, f'must be there, as {METADATA} names it, got nothing')
    rest = [file.name for file in there if file not in files]
    if rest:
        report.note(f'{METADATA} does not name {listed(rest)}, so not read')
    return files


def _named(folder: Path, report: Report) -> set[str]:
    """Names of the files in the metadata; empty where it can't be read."""
    metadata = folder / METADATA
    if not metadata.exists():
        return set()
    try:
        bag: dict[str, Any] = read_yaml(metadata)['rosbag2_bagfile_information']
        # Older versions of ROS 2 write the folder's name in front.
        return {PurePosixPath(path).name for path in bag['relative_file_paths']}
    except (ValueError, LookupError, TypeError, OSError, RecursionError) as error:
        report.lose(METADATA, f'must describe a ROS 2 bag, got {type(error).__name__}: {error}')
        return set()


class Unpacked:
    """A folder for files that were packed whole; it goes when nothing uses it any more."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def file(self, path: Path, name: str, report: Report) -> Path:
        """A file, unpacked if need be.

        Args:
            path: A file of a bag.
            name: What it is called in reports.
            report: Where damage goes.

        Returns:
            The file itself, or an unpacked copy of it, as far as it could be unpacked.
        """
        if path.suffix != ZSTD:
            return path
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix='signattn-'))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        copy = self._folder / path.stem
        with path.open('rb') as packed, copy.open('wb') as unpacked:
            try:
                whole = _unpack(packed, unpacked)
            except zstandard.ZstdError as error:
                report.lose(name or path.name, f'must be whole, got {error}')
            else:
                if not whole:
                    report.lose(name or path.name, 'must be whole, got one that was cut short')
        return copy


def _unpack(packed: BinaryIO, unpacked: BinaryIO) -> bool:
    """Unpack a file as far as it goes; whether that is to its end."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    while piece := packed.read(PIECE):
        while piece:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            unpacked.write(frame.decompress(piece))
            piece = frame.unused_data
    return frame.eof
