"""Tells what a path is, and inspects it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from signattn.bag import BagError, Damage, find_recordings
from signattn.drive import DESCRIPTION as DRIVE
from signattn.drive import Drive, open_drives
from signattn.inspection.config import InspectConfig
from signattn.inspection.drive import inspect_drive
from signattn.inspection.recording import inspect_recording
from signattn.inspection.report import Report

MODEL = 'model.yaml'
Progress = Callable[[int, int], None]


def inspect(
    paths: Sequence[Path], config: InspectConfig | None = None, progress: Progress | None = None
) -> Iterator[Report]:
    """Inspect recordings, drives and models.

    Args:
        paths: Bags, image folders, drives, models; folders and patterns of recordings; folders
            of drives.
        config: How recordings are read.
        progress: Called now and then with images done and their number, for each path anew.

    Yields:
        A report for each thing found, in the order given.

    Raises:
        BagError: If there is nothing of the kind at a path, or a recording that is named can't be
            opened; of a folder of several, its report says so.
        DriveError: If a drive isn't whole.
        CheckpointError: If a model can't be used.
    """
    config = config or InspectConfig()
    for path in paths:
        if (path / MODEL).is_file():
            yield _model(path)
        elif drives := _drives(path):
            for drive in drives:
                yield inspect_drive(drive, config.pictures, progress)
        else:
            recordings = _recordings(path)
            for recording in recordings:
                yield _one(recording, config, progress, alone=len(recordings) == 1)


def _one(path: Path, config: InspectConfig, progress: Progress | None, *, alone: bool) -> Report:
    """One of many that can't be opened doesn't hide the others."""
    try:
        return inspect_recording(path, config, progress)
    except BagError as error:
        if alone:
            raise
        text = str(error).removeprefix(f'{path}: ').removeprefix(f'{path} ')
        return Report(path, 'recording', damage=[Damage(str(path), text)])


def _model(path: Path) -> Report:
    from signattn.inspection.model import inspect_model  # noqa: PLC0415 (torch loads slowly)

    return inspect_model(path)


def _drives(path: Path) -> list[Drive]:
    if (path / DRIVE).is_file() or any(path.glob(f'[!.]*/{DRIVE}')):
        return open_drives(path)
    return []


def _recordings(path: Path) -> list[Path]:
    try:
        return find_recordings([path])
    except BagError as error:
        raise BagError(
            f'{error}; inspect takes bags (.bag, .db3, .mcap, or their folder), image folders '
            f'with interpolated.csv or driving_log.csv, drives ({DRIVE}), models ({MODEL}), and '
            'folders of recordings or drives'
        ) from error
