"""Deletion and insertion curves of a drive, and the areas under them."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signattn.deletion.config import DeletionConfig
from signattn.deletion.passes import (
    Answers,
    Clean,
    Job,
    Marked,
    clean_pass,
    frame_answers,
    grouped,
    packed,
    run_jobs,
    sources_of,
    stream_answers,
)
from signattn.drive import Drive
from signattn.model import Network
from signattn.preprocess import HEIGHT, NS_PER_S, WIDTH
from signattn.vehicle import steering_from_curvature

Floats = NDArray[np.float64]
Frames = NDArray[np.int64]
Maps = NDArray[np.floating]


@dataclass(frozen=True)
class Curves:
    """What was answered at each level, frame by frame.

    Areas are those of single frames; their means are the areas under the mean curves. So whatever
    is a mean over frames, a difference or a ratio, can be given an interval from them.

    Attributes:
        levels: (K,) float64, percent.
        frames: (M,) int64, the places of the measured frames in the drive.
        theta_deg: (K, M) float64, answers at the wheel, degrees, left positive.
        clean_deg: (M,) float64, answers to whole pictures.
        truth_deg: (M,) float64, what was driven; NaN where it is unknown.
    """

    levels: Floats
    frames: Frames
    theta_deg: Floats
    clean_deg: Floats
    truth_deg: Floats

    @property
    def mae_deg(self) -> Floats:
        """(K,) float64, mean error at each level over the frames whose truth is known."""
        errors = np.abs(self.theta_deg - self.truth_deg)[:, np.isfinite(self.truth_deg)]
        return errors.mean(1) if errors.size else np.full(len(self.levels), np.nan)

    @property
    def moved_deg(self) -> Floats:
        """(K,) float64, mean distance to the answer to the whole picture."""
        return np.asarray(np.abs(self.theta_deg - self.clean_deg).mean(1))

    def excess_areas(self) -> Floats:
        """(M,) float64, deg·%: ∫ (error − error of the whole picture); NaN without truth."""
        clean = np.abs(self.clean_deg - self.truth_deg)
        return self._area(np.abs(self.theta_deg - self.truth_deg) - clean)

    def fidelity_areas(self) -> Floats:
        """(M,) float64, deg·%: ∫ distance to the answer to the whole picture."""
        return self._area(np.abs(self.theta_deg - self.clean_deg))

    def raw_areas(self) -> Floats:
        """(M,) float64, deg·%: ∫ error, the paper's AUC; it rewards a bad network."""
        return self._area(np.abs(self.theta_deg - self.truth_deg))

    def metrics(self) -> dict[str, float | None]:
        """The areas' means, with units in the keys; None where no truth is known."""
        areas = {
            'excess_area_deg_percent': self.excess_areas(),
            'fidelity_area_deg_percent': self.fidelity_areas(),
            'auc_deg_percent': self.raw_areas(),
        }
        known = {name: values[np.isfinite(values)] for name, values in areas.items()}
        return {name: float(area.mean()) if area.size else None for name, area in known.items()}

    def _area(self, values: Floats) -> Floats:
        steps = np.diff(self.levels)
        weights = (np.append(steps, 0) + np.append(0, steps)) / 2  # trapezoids
        return np.asarray(weights @ values)


def curves(
    network: Network,
    drive: Drive,
    saliency: Maps,
    config: DeletionConfig | None = None,
    *,
    frames: Frames | None = None,
    lead_s: float = 0.0,
    clean: Clean | None = None,
    executor: Executor | None = None,
) -> Curves:
    """Mask what a map marks, and see how the answers move.

    Args:
        network: In evaluation mode.
        drive: The drive.
        saliency: (N, 80, 160) float, at least 0, larger is more salient, neither blurred nor
            normalised; a map for each frame that is measured.
        config: How it is measured.
        frames: (N,) int64, rising places in the drive of the frames to measure, in the regime
            ``frame``; all if not given.
        lead_s: s, how much later the network's curvature is driven.
        clean: As ``clean_pass`` gives it, if it is there already.
        executor: Shares the work among threads or processes; each uses one core. The result
            doesn't depend on how many there are.

    Returns:
        The curves. Frames without a known speed are left out.

    Raises:
        ValueError: If maps or frames don't fit the drive, or no frame is left.
    """
    config = config or DeletionConfig()
    chosen = _chosen(drive, config, frames)
    _check(saliency, len(chosen))
    if clean is None and (config.regime == 'frame' or config.space == 'cells'):
        clean = clean_pass(network, drive)
    ship = packed(network, executor)
    if config.regime == 'frame' and clean is not None:
        parts = _frame_jobs(ship, drive, saliency, config, clean, chosen)
    else:
        parts = _stream_jobs(ship, drive, saliency, config, clean)
    answers = np.full((grouped(config.counts()).size, len(chosen)), np.nan)
    results = run_jobs([job for job, _, _ in parts], executor)
    for (_, rows, columns), result in zip(parts, results, strict=True):
        answers[rows, columns] = result
    return _curves(drive, config, chosen, answers, lead_s)


def counted(
    drive: Drive, config: DeletionConfig, frames: Frames, lead_s: float = 0.0
) -> NDArray[np.bool_]:
    """Which frames have a place in the curves.

    Args:
        drive: The drive.
        config: How it is measured.
        frames: (M,) int64, places in the drive; all with the regime ``stream``.
        lead_s: s, how much later the network's curvature is driven.

    Returns:
        (M,) bool: the speed is known; of a stream also ``skip_s`` behind its beginning.
    """
    counts = np.isfinite(drive.ahead('speed', lead_s)[frames])
    if config.regime == 'stream':
        counts &= _seconds(drive) >= config.skip_s
    return counts


def _chosen(drive: Drive, config: DeletionConfig, frames: Frames | None) -> Frames:
    every = np.arange(len(drive))
    if frames is None:
        return every
    if config.regime == 'stream':
        raise ValueError('frames must be all with regime stream, got some of them')
    chosen = np.asarray(frames)
    if chosen.ndim != 1 or (np.diff(chosen) <= 0).any() or not np.isin(chosen, every).all():
        raise ValueError(f'frames must be rising and within 0..{len(drive) - 1}, got {frames}')
    return chosen.astype(np.int64)


def _check(saliency: Maps, count: int) -> None:
    if saliency.shape != (count, HEIGHT, WIDTH):
        expected = f'({count}, {HEIGHT}, {WIDTH}), one for each frame'
        raise ValueError(f'saliency must be {expected}, got {saliency.shape}')
    for place, each in enumerate(saliency):
        if not (np.isfinite(each) & (each >= 0)).all():
            raise ValueError(
                f'saliency must be finite and at least 0, got other values in map {place}: take '
                'the absolute value of signed attributions'
            )


def _frame_jobs(
    network: Network | bytes,
    drive: Drive,
    saliency: Maps,
    config: DeletionConfig,
    clean: Clean,
    chosen: Frames,
) -> list[tuple[Job, slice, slice]]:
    jobs = []
    for start in range(0, len(chosen), config.chunk):
        columns = slice(start, start + config.chunk)
        at = chosen[columns]
        part = Clean(clean.curvature[at], clean.h[at], clean.c[at], clean.feature)
        frames = drive.frames[at]
        sources = sources_of(drive, config, at, frames)
        arguments = (network, config, part, Marked(frames, sources, saliency[columns], at))
        rows = slice(0, len(config.rows()))
        jobs.append(((frame_answers, arguments), rows, columns))
    return jobs


def _stream_jobs(
    network: Network | bytes,
    drive: Drive,
    saliency: Maps,
    config: DeletionConfig,
    clean: Clean | None,
) -> list[tuple[Job, slice, slice]]:
    feature = None if clean is None or config.space == 'pixels' else clean.feature
    jobs = []
    for columns in drive.stretches():
        frames, at = drive.frames[columns], np.arange(columns.start, columns.stop)
        sources = sources_of(drive, config, at, frames)
        marked = Marked(frames, sources, saliency[columns], at)
        for group, counts in enumerate(grouped(config.counts())):
            arguments = (network, config, counts, marked, feature)
            rows = slice(group * len(counts), (group + 1) * len(counts))
            jobs.append(((stream_answers, arguments), rows, columns))
    return jobs


def _curves(
    drive: Drive, config: DeletionConfig, chosen: Frames, answers: Answers, lead_s: float
) -> Curves:
    """Curves in degrees, of the frames that count."""
    speed, counts = drive.ahead('speed', lead_s)[chosen], counted(drive, config, chosen, lead_s)
    if not counts.any():
        raise ValueError(
            f'{drive.path} must hold a frame with a known speed'
            f'{f" {config.skip_s} s behind its beginning" if config.regime == "stream" else ""}, '
            'got none'
        )
    theta = np.degrees(steering_from_curvature(answers[:, counts], speed[counts], drive.vehicle))
    rows = config.rows()
    at = [rows.index(float(level)) for level in config.levels]
    return Curves(
        levels=np.array(config.levels, np.float64),
        frames=chosen[counts],
        theta_deg=theta[at],
        clean_deg=theta[rows.index(config.clean_level)],
        truth_deg=np.degrees(drive.ahead('steering_angle', lead_s))[chosen[counts]],
    )


def _seconds(drive: Drive) -> Floats:
    """(N,) float64, s since the beginning or the gap before a frame."""
    seconds = np.empty(len(drive))
    for stretch in drive.stretches():
        stamps = drive.stamps_ns[stretch]
        seconds[stretch] = (stamps - stamps[0]) / NS_PER_S
    return seconds
