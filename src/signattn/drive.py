"""A drive on disk, windows over it, and its splits."""

import copy
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signattn.preprocess import HEIGHT, NS_PER_S, WIDTH, Preprocessing
from signattn.share import from_mapping, read_yaml
from signattn.vehicle import Vehicle

FORMAT = 1
FRAMES, SAMPLES, DESCRIPTION = 'frames.npy', 'samples.parquet', 'drive.yaml'
FRAME_SHAPE = (HEIGHT, WIDTH, 3)
COLUMNS = (
    'stamp_ns',
    'steering_angle',
    'speed',
    'curvature',
    'steering_angle_smooth',
    'speed_smooth',
    'curvature_smooth',
)
"""Columns of the samples: ns, rad at the wheel, m/s, 1/m; the last three smoothed by Eq. 2."""


class DriveError(ValueError):
    """A drive that can't be written or read."""


def sha256(path: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Drive:
    """A converted recording.

    Attributes:
        path: Folder.
        name: Name of the drive.
        description: What drive.yaml says.
        frames: (N, 80, 160, 3) uint8, HSV, memory-mapped.
        frames_sha256: Checksum of the frames: which drive it is, wherever it lies.
        samples_sha256: Checksum of the table: stamps, steering and speed.
        samples: Table of N rows; see ``drive.yaml`` and the columns of ``samples.parquet``.
        vehicle: Whose steering it is.
        preprocessing: How the frames were made.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a drive.

        Args:
            path: Folder that ``convert`` wrote.

        Raises:
            DriveError: If it's no drive, or its files don't fit together.
        """
        self.path = Path(path)
        for file in (DESCRIPTION, FRAMES, SAMPLES):
            if not (self.path / file).is_file():
                raise DriveError(f'drive must be a folder with {file}, got {path}')
        try:
            self.description: Mapping[str, Any] = read_yaml(self.path / DESCRIPTION)
            where = str(self.path / DESCRIPTION)
            self._check_format()
            self.name = str(self.description['name'])
            self.vehicle = from_mapping(Vehicle, self.description['vehicle'], f'{where}: vehicle')
            self.preprocessing = Preprocessing.from_mapping(
                self.description['preprocessing'], f'{where}: preprocessing'
            )
            self.max_gap_s = float(self.description['max_gap_s'])
            checksums = self.description['checksums']
            self.frames_sha256 = str(checksums['frames_sha256'])
            self.samples_sha256 = str(checksums['samples_sha256'])
            self.frames: NDArray[np.uint8] = np.load(self.path / FRAMES, mmap_mode='r')
            self.samples = pd.read_parquet(self.path / SAMPLES)
        except KeyError as error:
            raise DriveError(f'{path}: {DESCRIPTION} must have the key {error}') from error
        except DriveError:
            raise
        except (ValueError, TypeError, EOFError, OSError) as error:
            raise DriveError(f'{path} must be a whole drive, got: {error}') from error
        self._check()

    def _check_format(self) -> None:
        version = self.description['format']
        if version != FORMAT:
            raise DriveError(
                f'{self.path / DESCRIPTION}: format must be {FORMAT}, got {version}: '
                'convert the recording again'
            )

    def _check(self) -> None:
        count = len(self.samples)
        if self.frames.shape != (count, *FRAME_SHAPE) or self.frames.dtype != np.uint8:
            raise DriveError(
                f'{self.path / FRAMES} must be ({count}, 80, 160, 3) uint8, '
                f'got {self.frames.shape} {self.frames.dtype}'
            )
        missing = [column for column in COLUMNS if column not in self.samples]
        if missing:
            raise DriveError(f'{self.path / SAMPLES} must have the columns {missing}')

    def verify(self) -> None:
        """Compare the files with the checksums in drive.yaml.

        Raises:
            DriveError: If one was altered.
        """
        digest = hashlib.sha256()
        for start in range(0, len(self), 4096):
            digest.update(self.frames[start : start + 4096].tobytes())
        found = {
            'frames_sha256': digest.hexdigest(),
            'samples_sha256': sha256(self.path / SAMPLES),
        }
        expected = self.description.get('checksums')
        if found != expected:
            raise DriveError(f'{self.path}: checksums must be {expected}, got {found}')

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.samples)

    @property
    def stamps_ns(self) -> NDArray[np.int64]:
        """(N,) int64, ns."""
        return self.samples['stamp_ns'].to_numpy(np.int64)

    def column(self, name: str) -> NDArray[np.float64]:
        """One column of the samples.

        Args:
            name: Its name.

        Returns:
            (N,) float64.
        """
        return self.samples[name].to_numpy(np.float64)

    def ahead(
        self, name: str, lead_s: float, part: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """One column of the samples as it is some time later.

        Args:
            name: Its name.
            lead_s: s, at least 0.
            part: (N,) bool, the frames whose values may be looked at; all if not given.

        Returns:
            (N,) float64: for each frame the value ``lead_s`` later, linear in time; NaN where that
            lies behind the end of the frame's stretch, or outside of the part.
        """
        values = self.column(name)
        if not lead_s:
            return values
        if part is not None:
            values = np.where(part, values, np.nan)
        later = np.full(len(values), np.nan)
        for stretch in self.stretches():
            passed_ns = self.stamps_ns[stretch] - self.stamps_ns[stretch.start]
            due_ns = passed_ns + round(lead_s * NS_PER_S)
            later[stretch] = np.interp(due_ns, passed_ns, values[stretch], right=np.nan)
        return later

    def stretches(self) -> list[slice]:
        """The parts of the drive between gaps, in order."""
        return stretches(self.stamps_ns, self.max_gap_s)

    def cut(self, kept: NDArray[np.bool_]) -> 'Drive':
        """Some of the frames as a drive of their own; where others lay is a gap.

        Args:
            kept: (N,) bool, the frames that stay.

        Returns:
            The drive, in memory; it knows where it comes from.
        """
        part = copy.copy(self)
        part.frames = self.frames[kept]
        part.samples = self.samples[kept].reset_index(drop=True)
        return part

    def require_labels(self) -> None:
        """Refuse a drive that nothing can be learned from or scored on.

        Raises:
            DriveError: If no frame has a label.
        """
        if not np.isfinite(self.column('curvature')).any():
            raise DriveError(
                f'{self.path} must have steering to be trained or scored on, got none: its source '
                'held no steering, or none near an image'
            )


def open_drives(path: str | Path) -> list[Drive]:
    """Open a drive, or all drives in a folder.

    Args:
        path: A drive's folder, or a folder of such.

    Returns:
        The drives, by name.

    Raises:
        DriveError: If there is none, or two have the same name, which tables know them by.
    """
    path = Path(path)
    if (path / DESCRIPTION).is_file():
        return [Drive(path)]
    found = [Drive(file.parent) for file in sorted(path.glob(f'[!.]*/{DESCRIPTION}'))]
    if not found:
        raise DriveError(f'data must be a drive or a folder of drives, got {path}')
    by_name: dict[str, Drive] = {}
    for drive in found:
        other = by_name.setdefault(drive.name, drive)
        if other is not drive:
            raise DriveError(
                f'drives of a folder must have different names, got {drive.name} of {other.path} '
                f'and of {drive.path}: change one in its {DESCRIPTION}'
            )
    return found


def stretches(stamps_ns: NDArray[np.int64], max_gap_s: float) -> list[slice]:
    """Parts of a time series between gaps.

    Args:
        stamps_ns: (N,) int64, ns.
        max_gap_s: s; a longer step is a gap, and so is one that doesn't go forward.

    Returns:
        Slices that cover the series in order; none for an empty one.
    """
    if not len(stamps_ns):
        return []
    steps = np.diff(stamps_ns)
    borders = np.flatnonzero((steps > max_gap_s * NS_PER_S) | (steps <= 0)) + 1
    edges = [0, *borders.tolist(), len(stamps_ns)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def frames_apart(count: int, rate_hz: float, seconds: float = 10.0) -> int:
    """How many frames on a drive is another picture, a drive's end being followed by its start.

    Args:
        count: Frames of the drive.
        rate_hz: Frames a second.
        seconds: s; of a drive below twice that, half of it.

    Returns:
        The number.

    Raises:
        ValueError: If that is less than a frame: each would be its own other one.
    """
    # A whole turn would lead back to each frame itself.
    frames = min(round(seconds * rate_hz), count // 2)
    if frames < 1:
        raise ValueError(
            f'seconds must be at least a frame, of at least two frames, got {seconds} s at '
            f'{rate_hz} Hz of {count} frames'
        )
    return frames


def windows(drive: Drive, length: int, part: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Where windows may start so that none crosses a gap or leaves a part of the drive.

    Args:
        drive: The drive.
        length: Frames in a window.
        part: (N,) bool, the frames that may be used; all if not given.

    Returns:
        (W,) int64, indices of first frames.

    Raises:
        ValueError: If length isn't at least 1.
    """
    if length < 1:
        raise ValueError(f'length must be at least 1, got {length}')
    usable = np.ones(len(drive), bool) if part is None else part
    starts = []
    for stretch in drive.stretches():
        inside = usable[stretch].astype(np.int64)
        total = np.concatenate([[0], np.cumsum(inside)])
        whole = total[length:] - total[:-length] == length
        starts.append(np.flatnonzero(whole) + stretch.start)
    return np.concatenate(starts) if starts else np.zeros(0, np.int64)


@dataclass(frozen=True)
class Split:
    """Which part of each drive is kept apart from training; never shuffled frames.

    Attributes:
        kind: ``none``; ``end``, the last part of each drive; ``blocks``, cross-validation over
            blocks of time that are dealt to the folds in turn.
        fraction: Share of the time that ``end`` keeps apart, in (0, 1).
        folds: Number of folds of ``blocks``, at least 2.
        fold: The fold that is kept apart, 0 to folds − 1.
        block_s: s, length of a block.
        purge_s: s, used by neither part at each border between them.
        validate: Of ``blocks``: the next fold is kept from training too, to stop early and to
            choose the best epoch by. Of ``end`` the part that is kept apart serves for that.
    """

    kind: Literal['none', 'end', 'blocks'] = 'end'
    fraction: float = 0.1
    folds: int = 5
    fold: int = 0
    block_s: float = 10.0
    purge_s: float = 2.0
    validate: bool = False

    def __post_init__(self) -> None:
        """Refuse splits that aren't."""
        if self.kind not in ('none', 'end', 'blocks'):
            raise ValueError(f'kind must be none, end or blocks, got {self.kind!r}')
        if not 0 < self.fraction < 1:
            raise ValueError(f'fraction must be in (0, 1), got {self.fraction}')
        if self.folds < 2 or not 0 <= self.fold < self.folds:
            got = f'{self.fold} of {self.folds}'
            raise ValueError(f'fold must be in 0..folds-1 with folds at least 2, got {got}')
        if self.block_s <= 0:
            raise ValueError(f'block_s must be above 0, got {self.block_s}')
        if self.purge_s < 0:
            raise ValueError(f'purge_s must be at least 0, got {self.purge_s}')
        if self.validate and (self.kind != 'blocks' or self.folds < 3):
            got = f'{self.kind} of {self.folds}'
            raise ValueError(f'validate must be with blocks of at least 3 folds, got {got}')

    def parts(self, drive: Drive) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """The two parts of a drive.

        Args:
            drive: The drive.

        Returns:
            (N,) bool each: the frames to train on, and those kept apart. Over all folds of
            ``blocks`` each frame is kept apart once.
        """
        stamps = drive.stamps_ns
        seconds = (stamps - stamps[0]) / NS_PER_S
        if self.kind == 'none':
            return np.ones(len(drive), bool), np.zeros(len(drive), bool)
        if self.kind == 'end':
            border = seconds[-1] * (1 - self.fraction)
            return seconds <= border - self.purge_s, seconds > border
        train, apart = self._around(seconds, self.fold)
        if self.validate:
            train &= self._around(seconds, self._next)[0]
        return train, apart

    def validation(self, drive: Drive) -> NDArray[np.bool_]:
        """The part that a training may look at to stop and to choose by.

        Args:
            drive: The drive.

        Returns:
            (N,) bool; of ``end`` the part that is kept apart, of ``blocks`` the next fold, without
            what lies within ``purge_s`` of the part that is kept apart.
        """
        if self.kind == 'end':
            return self.parts(drive)[1]
        if not self.validate:
            return np.zeros(len(drive), bool)
        seconds = (drive.stamps_ns - drive.stamps_ns[0]) / NS_PER_S
        return self._around(seconds, self._next)[1] & self._around(seconds, self.fold)[0]

    @property
    def _next(self) -> int:
        return (self.fold + 1) % self.folds

    def _around(
        self, seconds: NDArray[np.float64], fold: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """What is far from a fold's blocks, and what is in them."""
        apart = seconds // self.block_s % self.folds == fold
        near = apart.copy()
        for block in np.unique(seconds[apart] // self.block_s):
            first = block * self.block_s - self.purge_s
            last = (block + 1) * self.block_s + self.purge_s
            near |= (seconds >= first) & (seconds < last)
        return ~near, apart
