"""What a training sees: sequences drawn from drives, the same for the same seed."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from signattn.augment import augment, fourier_exchange, mask_frames
from signattn.drive import Drive, DriveError, windows
from signattn.train.config import TrainConfig

_STILL = 1e-7  # 1/m; the curvature of a steering wheel held still spreads less
_BINS = 20  # of |curvature|, for balanced drawing

Floats = NDArray[np.float64]


class Batch(NamedTuple):
    """Sequences side by side.

    Attributes:
        frames: (B, S, 80, 160, 3) uint8, HSV.
        curvature: (B, S) float32, 1/m, smoothed; NaN where unknown.
        origins: Where each row comes from: drive, first frame, step from frame to frame.
    """

    frames: NDArray[np.uint8]
    curvature: NDArray[np.float32]
    origins: list[dict[str, Any]]


class Starts(NamedTuple):
    """Where sequences may start in the drives of a data folder.

    Attributes:
        drive: (N,) which drive.
        frame: (N,) first frame.
        chances: (N,) sum of the chances up to and with each start; the last is 1.
    """

    drive: NDArray[np.int64]
    frame: NDArray[np.int64]
    chances: Floats


class Sequences:
    """Random sequences from the training parts of drives.

    Every row of every batch has a source of randomness of its own, made of seed, epoch, batch and
    row. So a training can be taken up anywhere, and shared out among devices and threads.

    Attributes:
        batches: Batches in an epoch: as many frames as the training parts have.
    """

    def __init__(self, folders: Sequence[Sequence[Drive]], config: TrainConfig) -> None:
        """Find where sequences may start.

        Args:
            folders: The drives of each data folder, with steering.
            config: The recipe.

        Raises:
            DriveError: If a folder has no stretch that is long enough.
            ValueError: If there isn't a share for each folder.
        """
        self._config = config
        # Without shares the folders are one.
        whole = [[drive for folder in folders for drive in folder]]
        self._folders = whole if config.shares is None else [list(folder) for folder in folders]
        if config.shares is not None and len(config.shares) != len(folders):
            raise ValueError(
                f'shares must be one for each of the {len(folders)} data folders, '
                f'got {config.shares}'
            )
        self._first = {drive.path: drive for drive in folders[0]}
        # By what they show: a copy of the same drive must not bring its test part in.
        split = {drive.frames_sha256 for drive in folders[0]}
        self._parts = {
            drive.path: config.split.parts(drive)[0]
            if drive.frames_sha256 in split
            else np.ones(len(drive), bool)
            for drive in whole[0]
        }
        self._labels = {
            (drive.path, skip): self._targets(drive, skip)
            for drive in whole[0]
            for skip in range(1, config.augment.max_skip + 1)
        }
        self._starts = [self._find(folder) for folder in self._folders]
        frames = sum(int(part.sum()) for part in self._parts.values())
        self.batches = max(1, round(frames / config.sequence / config.batch))

    def scale(self) -> float:
        """Standard deviation of the curvature that is to be learned, 1/m.

        Raises:
            DriveError: If there is no label, or all are alike.
        """
        labels = np.concatenate(
            [self._labels[path, 1][part] for path, part in self._parts.items()]
        )
        known = labels[np.isfinite(labels)]
        where = self._folders[0][0].path
        if not known.size:
            raise DriveError(f'{where}: the training part must hold a label, got none')
        spread = float(known.std())
        if spread < _STILL:
            raise DriveError(f'{where}: steering must vary to be learned, got a constant')
        return spread

    def batch(self, epoch: int, index: int, rank: int = 0, world: int = 1) -> Batch:
        """One batch, or a device's part of it.

        Args:
            epoch: From 1.
            index: Batch in the epoch, from 0.
            rank: Which device, from 0; it gets every ``world``-th row.
            world: Number of devices.

        Returns:
            The rows.
        """
        rows = [self._row(epoch, index, row) for row in range(rank, self._config.batch, world)]
        frames, curvature, origins = zip(*rows, strict=True)
        return Batch(np.stack(frames), np.stack(curvature).astype(np.float32), list(origins))

    def epoch(self, epoch: int, first: int = 0, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """The batches of an epoch in order, prepared ahead by the recipe's threads.

        Args:
            epoch: From 1.
            first: Batch to begin with, from 0.
            rank: Which device.
            world: Number of devices.

        Yields:
            Batches.
        """
        workers = self._config.workers
        indices = range(first, self.batches)
        if not workers:
            yield from (self.batch(epoch, index, rank, world) for index in indices)
            return
        with ThreadPoolExecutor(workers) as pool:
            waiting = [
                pool.submit(self.batch, epoch, index, rank, world)
                for index in indices[: 2 * workers]
            ]
            for index in indices:
                yield waiting.pop(0).result()
                if index + 2 * workers < self.batches:
                    due = index + 2 * workers
                    waiting.append(pool.submit(self.batch, epoch, due, rank, world))

    def _row(
        self, epoch: int, index: int, row: int
    ) -> tuple[NDArray[np.uint8], Floats, dict[str, Any]]:
        config = self._config
        rng = np.random.default_rng((config.seed, epoch, index, row))
        folder = self._folder_of(row)
        skips = list(self._starts[folder])
        skip = skips[rng.integers(len(skips))]
        starts = self._starts[folder][skip]
        place = min(int(np.searchsorted(starts.chances, rng.random())), len(starts.frame) - 1)
        drive, start = self._folders[folder][starts.drive[place]], int(starts.frame[place])
        chosen = slice(start, start + (config.sequence - 1) * skip + 1, skip)
        frames, labels = drive.frames[chosen], self._labels[drive.path, skip][chosen]
        if drive.path not in self._first:
            frames = fourier_exchange(frames, self._picture(rng), rng, config.augment)
        stretch = drive.preprocessing.stretch
        frames, labels = augment(frames, labels, config.augment, rng, stretch)
        if config.augment.mask_training:
            frames, _ = mask_frames(frames, rng, config.augment, self._picture(rng)[None])
        origin = {'drive': str(drive.path), 'start': start, 'skip': skip}
        return frames, labels, origin

    def _picture(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Any picture to train on from the first folder, (80, 160, 3)."""
        drives = [drive for path, drive in self._first.items() if self._parts[path].any()]
        drive = drives[rng.integers(len(drives))]
        usable = np.flatnonzero(self._parts[drive.path])
        return np.asarray(drive.frames[usable[rng.integers(len(usable))]])

    def _folder_of(self, row: int) -> int:
        """Rows are dealt to the folders by share, the same in every batch."""
        if self._config.shares is None:
            return 0
        borders = np.cumsum(self._config.shares) / sum(self._config.shares)
        return int(np.searchsorted(borders, (row + 0.5) / self._config.batch))

    def _targets(self, drive: Drive, skip: int) -> Floats:
        """What is learned: driven later, as far later as it looks to be; none of what is apart."""
        lead_s = self._config.target_lead_s * skip
        return drive.ahead('curvature_smooth', lead_s, self._parts[drive.path])

    def _find(self, folder: Sequence[Drive]) -> dict[int, Starts]:
        config = self._config
        found: dict[int, Starts] = {}
        for skip in range(1, config.augment.max_skip + 1):
            length = (config.sequence - 1) * skip + 1
            frames = [windows(drive, length, self._parts[drive.path]) for drive in folder]
            if sum(map(len, frames)):
                found[skip] = self._weighted(folder, frames, skip)
        if not found:
            raise DriveError(
                f'{folder[0].path}: the training part must have {config.sequence} frames without '
                'a gap, got no such stretch: shorten sequence'
            )
        return found

    def _weighted(
        self, folder: Sequence[Drive], frames: list[NDArray[np.int64]], skip: int
    ) -> Starts:
        """Chances of starts, by how rare the mean |curvature| of their sequences is."""
        means, length = [], (self._config.sequence - 1) * skip + 1
        for drive, starts in zip(folder, frames, strict=True):
            bends = np.abs(np.nan_to_num(self._labels[drive.path, skip]))
            total = np.concatenate([[0.0], np.cumsum(bends)])
            means.append((total[starts + length] - total[starts]) / length)
        drives = np.repeat(np.arange(len(folder)), [len(starts) for starts in frames])
        mean = np.concatenate(means)
        weight = np.ones(len(mean))
        if self._config.balance and mean.max() > 0:
            bins = np.minimum(_BINS * mean / mean.max(), _BINS - 1).astype(np.int64)
            weight = (
                np.bincount(bins, minlength=_BINS)[bins] / len(mean)
            ) ** -self._config.balance
        return Starts(drives, np.concatenate(frames), np.cumsum(weight) / weight.sum())
